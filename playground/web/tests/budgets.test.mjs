// How fast the engine is in WebAssembly, beside what is promised; past twice of that the test fails.
// The table is written to target/site/budgets.md.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const target = (path) => fileURLToPath(new URL(`../../../target/${path}`, import.meta.url));
const { default: init, Engine } = await import(target("playground/engine/engine.js"));
const wasm = await init({ module_or_path: readFileSync(target("playground/engine/optimised.wasm")) });

const rows = ["| what | measured | promised |", "| --- | --- | --- |"];
after(() => {
  const table = `${rows.join("\n")}\n`;
  writeFileSync(target("site/budgets.md"), table);
  for (const row of rows) console.log(`# ${row}`);
});

/** Milliseconds that something takes. */
function time(work) {
  const began = performance.now();
  work();
  return performance.now() - began;
}

function note(what, measured, promised, unit = "ms") {
  rows.push(`| ${what} | ${measured.toFixed(0)} ${unit} | ${promised} ${unit} |`);
  // A machine that does other things meanwhile is slower; twice is a mistake of ours.
  assert.ok(measured <= 2 * promised, `${what}: ${measured.toFixed(0)} ${unit}, promised are ${promised}`);
}

test("a keystroke and a thousand instructions", () => {
  const engine = new Engine();
  const kinds = ["RUN echo $A1 > /a", "COPY greet.sh /b", "ENV A1=x", "WORKDIR /w", "RUN touch /t"];
  const text = (count, middle) => {
    const lines = Array.from({ length: count - 1 }, (_, i) =>
      i === Math.floor(count / 2) ? `RUN echo ${middle} > /m` : `${kinds[i % 5]}${i % 5 === 2 ? i : ""}`,
    );
    return `FROM alpine:3.20\n${lines.join("\n")}\n`;
  };
  engine.write("Dockerfile", text(20, "a"));
  const strokes = Array.from({ length: 60 }, (_, i) =>
    time(() => JSON.parse(engine.write("Dockerfile", text(20, "a".repeat(i + 2))))),
  );
  strokes.sort((a, b) => a - b);
  note("keystroke to view, 20 steps, p95", strokes[57], 50);
  engine.free();
  // The best of three: what disturbs a machine makes slower, and never faster.
  const best = { cold: Infinity, cached: Infinity, edit: Infinity };
  for (let turn = 0; turn < 3; turn += 1) {
    const fresh = new Engine();
    const write = (written) => time(() => fresh.write("Dockerfile", written));
    best.cold = Math.min(best.cold, write(text(1000, "one")));
    best.cached = Math.min(best.cached, write(`${text(1000, "one")}\n`));
    best.edit = Math.min(best.edit, write(text(1000, "two")));
    fresh.free();
  }
  note("1,000 instructions, cold", best.cold, 300);
  note("1,000 instructions, all cached", best.cached, 60);
  note("1,000 instructions, one edit in the middle", best.edit, 200);
});

/** A member of a tar archive. */
function member(name, bytes) {
  const header = Buffer.alloc(512);
  const fields = [[name, 0], ["0000644", 100], ["0000000", 108], ["0000000", 116], [bytes.length.toString(8).padStart(11, "0"), 124], ["00000000000", 136], ["        ", 148], ["0", 156], ["ustar\0" + "00", 257]];
  for (const [text, at] of fields) header.write(text, at);
  const sum = header.reduce((a, b) => a + b, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** An archive of `docker save` with these layers. */
function saved(layers) {
  const hex = (bytes) => createHash("sha256").update(bytes).digest("hex");
  const ids = layers.map(hex);
  const config = Buffer.from(JSON.stringify({
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: ids.map((id) => `sha256:${id}`) },
  }));
  const manifest = [{ Config: `${hex(config)}.json`, RepoTags: ["big:1"], Layers: ids.map((id) => `${id}.tar`) }];
  return Buffer.concat([
    ...layers.map((layer, i) => member(`${ids[i]}.tar`, layer)),
    member(`${hex(config)}.json`, config),
    member("manifest.json", Buffer.from(JSON.stringify(manifest))),
    Buffer.alloc(1024),
  ]);
}

const layer = (count, bytes) =>
  Buffer.concat([...Array.from({ length: count }, (_, i) => member(`d/${i}`, bytes(i))), Buffer.alloc(1024)]);

test("an archive of a hundred megabytes in and out", () => {
  const engine = new Engine();
  const megabyte = () => randomBytes(1_000_000);
  const archive = saved([layer(50, megabyte), layer(50, megabyte)]);
  const read = (offset, length) => archive.subarray(offset, offset + length);
  const before = wasm.memory.buffer.byteLength;
  let view;
  note("import of 100 MB, every digest checked", time(() => (view = JSON.parse(engine.load("big.tar", archive.length, read)))), 1800);
  assert.equal(view.code, 0, JSON.stringify(view.output));
  const grown = (wasm.memory.buffer.byteLength - before) / 1e6;
  // Not kept: the blobs are held in memory. See the playground's README.
  rows.push(`| memory for that | ${grown.toFixed(0)} MB | 64 MB |`);
  assert.ok(grown < 260, `${grown} MB`);
  note("its tree", time(() => engine.look(JSON.stringify({ look: "files", of: "big:1", count: 200 }))), 800);
  note("export of 100 MB, plain", time(() => engine.save("big:1", "docker", false, () => undefined)), 1500);
  note("export of 100 MB, gzip 1", time(() => engine.save("big:1", "docker", true, () => undefined)), 3000);
  engine.free();
});

test("a tree of fifty thousand files", () => {
  const engine = new Engine();
  const archive = saved([layer(50_000, (i) => Buffer.from(String(i)))]);
  const view = JSON.parse(engine.load("many.tar", archive.length, (o, l) => archive.subarray(o, o + l)));
  assert.equal(view.code, 0, JSON.stringify(view.output));
  const look = (filter) => JSON.parse(engine.look(JSON.stringify({ look: "files", of: "big:1", count: 200, filter })));
  let seen;
  note("50,000 files, the first rows", time(() => (seen = look(""))), 500);
  assert.ok(seen.total >= 50_000);
  note("50,000 files, filtered", time(() => (seen = look("777"))), 100);
  assert.ok(seen.matched > 10 && seen.matched < 1000);
  engine.free();
});
