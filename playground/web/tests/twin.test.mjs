// The engine in WebAssembly and the same engine compiled for this machine see the same.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const made = (path) => fileURLToPath(new URL(`../../../target/playground/${path}`, import.meta.url));

const { default: init, Engine } = await import(made("engine/engine.js"));
await init({ module_or_path: readFileSync(made("engine/optimised.wasm")) });
const cases = JSON.parse(readFileSync(made("cases.json"), "utf8"));

test("every log leads to the same view: each digest, each word", () => {
  assert.ok(cases.length > 250, `${cases.length} cases`);
  let images = 0;
  for (const { log, view } of cases) {
    const engine = new Engine();
    assert.deepEqual(JSON.parse(engine.open(log)), view, log);
    engine.free();
    if (view.build.image !== null) images += 1;
  }
  assert.ok(images > 100, `${images} images`);
});
