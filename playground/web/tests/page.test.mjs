// The page as whoever opens it finds it: the first minute, no network, no script, other addresses.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, serve, skip } from "./support.mjs";

let site;
let chromium;
before(async () => {
  if (skip) return;
  site = await serve();
  chromium = await launch();
});
after(async () => {
  await chromium?.close();
  await site?.close();
});

/** The steps as they stand: text and state. */
export async function steps(page) {
  return page.locator("coracle-steps li").evaluateAll((items) =>
    items.map((li) => `${li.querySelector(".text")?.textContent} ${li.dataset.state}`),
  );
}

test("the first minute: a build is there, a line is changed, and its effect is seen", { skip }, async () => {
  const began = Date.now();
  const { page, wrong } = await open(chromium.context, site.url);
  // 1. What is seen: a Dockerfile already built into layers, and a line that invites.
  assert.match(await page.locator(".invite").innerText(), /Change hello from a layer in\s+greet.sh/);
  assert.equal((await steps(page)).length, 6);
  // 2. Press greet.sh. 3. Change the words.
  await page.locator(".invite button").click();
  const editor = page.locator(".cm-content");
  await editor.click();
  await page.keyboard.press("Control+End");
  await page.keyboard.type("echo and bye\n");
  // 4. See which steps have to be made again, and why.
  await page.locator('coracle-steps li[data-state="missed"]').first().waitFor();
  const states = (await steps(page)).map((step) => step.split(" ").pop());
  assert.deepEqual(states, ["cached", "cached", "missed", "missed", "missed", "none"]);
  assert.match(await page.locator("coracle-steps .why").first().innerText(), /changed: greet.sh/);
  // 5. Build it.
  await page.getByRole("button", { name: "Build app:v2" }).click();
  await page.getByRole("button", { name: "Build app:v3" }).waitFor();
  assert.ok(Date.now() - began < 60_000);
  assert.deepEqual(wrong, []);
  await page.close();
});

test("nothing is asked of anybody else, and the policy is not broken", { skip }, async () => {
  const page = await chromium.context.newPage();
  const asked = [];
  const broken = [];
  page.on("request", (request) => asked.push(new URL(request.url()).origin));
  page.on("console", (message) => {
    if (/Content Security Policy/.test(message.text())) broken.push(message.text());
  });
  await page.goto(`${site.url}playground/index.html`);
  await page.locator("coracle-steps li").first().waitFor();
  for (const tab of ["Overlay", "Digests", "Images", "Registry", "Context", "Lint", "JSON", "Tar", "Explain"]) {
    await page.getByRole("tab", { name: tab }).click();
  }
  assert.deepEqual([...new Set(asked)], [new URL(site.url).origin]);
  assert.deepEqual(broken, []);
  await page.close();
});

test("after the first visit it works without a network", { skip }, async () => {
  const own = await launch();
  const server = await serve();
  try {
    const { page } = await open(own.context, server.url);
    await page.evaluate(() => navigator.serviceWorker.ready);
    await page.waitForFunction(async () => (await caches.keys()).length === 1);
    await page.reload();
    await page.locator("coracle-steps li").first().waitFor();
    await own.context.setOffline(true);
    await page.reload();
    await page.locator("coracle-steps li").first().waitFor();
    assert.equal((await steps(page)).length, 6);
    await page.locator(".cm-content").waitFor();
  } finally {
    await own.close();
    await server.close();
  }
});

test("it works below any address", { skip }, async () => {
  const server = await serve("/some/where/");
  const { page, wrong } = await open(chromium.context, server.url);
  assert.equal((await steps(page)).length, 6);
  assert.deepEqual(wrong, []);
  await page.close();
  await server.close();
});

test("without script a sentence says what is needed", { skip }, async () => {
  const own = await launch({ javaScriptEnabled: false });
  try {
    const page = await own.context.newPage();
    await page.goto(`${site.url}playground/index.html`);
    assert.match(await page.locator("body").innerText(), /needs JavaScript/);
  } finally {
    await own.close();
  }
});

test("a browser without WebAssembly is told what it lacks", { skip }, async () => {
  const page = await chromium.context.newPage();
  await page.addInitScript(() => delete globalThis.WebAssembly);
  await page.goto(`${site.url}playground/index.html`);
  await page.getByRole("alert").waitFor();
  assert.match(await page.getByRole("alert").innerText(), /no WebAssembly/);
  await page.close();
});
