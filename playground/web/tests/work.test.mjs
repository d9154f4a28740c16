// Work on the page: typing, undoing, commands, links, files that do not fit, storage that is shut.

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

/** Types a line of the command line, and waits for what it prints. */
async function run(page, line) {
  const field = page.locator("coracle-console input");
  await field.fill(line);
  const before = await page.locator("coracle-console .log pre").count();
  await field.press("Enter");
  await page.locator("coracle-console .log pre").nth(before).waitFor();
  return page.locator("coracle-console .log pre").nth(before).innerText();
}

test("commands answer, and the timeline goes back and forth", { skip }, async () => {
  const { page, wrong } = await open(chromium.context, site.url);
  assert.match(await run(page, "coracle images"), /REPOSITORY[\s\S]*app\s+v1/);
  assert.match(await run(page, "coracle tag app:v1 localhost:5000/app:v1"), /tag app:v1/);
  assert.match(await run(page, "coracle push localhost:5000/app:v1"), /sent [\d.]+kB of [\d.]+kB/);
  assert.match(await run(page, "coracle nonsense"), /there is no command[\s\S]*exit code 1/);
  await page.getByRole("tab", { name: "Registry" }).click();
  await page.locator("coracle-inspector h3").filter({ hasText: "localhost:5000" }).waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByRole("button", { name: "Undo" }).click();
  await page.locator("coracle-inspector").getByText("Nothing has been pushed yet").waitFor();
  await page.getByRole("button", { name: "Redo" }).click();
  await page.locator("coracle-inspector").getByText("push localhost:5000/app:v1").first().waitFor();
  assert.deepEqual(wrong, []);
  await page.close();
});

test("a link carries the session, and an old or damaged one says why not", { skip }, async () => {
  const { page } = await open(chromium.context, site.url);
  await run(page, "echo shared > note.txt");
  await page.getByRole("button", { name: "Share", exact: true }).click();
  await page.waitForFunction(() => location.hash.startsWith("#v1."));
  const address = page.url();
  await page.close();
  const other = await open(chromium.context, site.url, new URL(address).hash);
  await other.page.locator("coracle-files li button").filter({ hasText: "note.txt" }).waitFor();
  for (const [hash, said] of [["#v9.abc", /version v9/], ["#v1.AAAA", /damaged/], ["#hello", /no session/]]) {
    await other.page.evaluate((hash) => (location.hash = hash), hash);
    await other.page.getByRole("alert").filter({ hasText: said }).waitFor();
    assert.equal(await other.page.locator("coracle-files li button").filter({ hasText: "note.txt" }).count(), 1);
  }
  await other.page.close();
});

test("links that were once given out open", { skip }, async () => {
  for (const [hash, seen] of [
    ["#v1.S84vSkzOSVVIKs3MSVHQLVFILCiwKjNU0OMCAA", /no Dockerfile|no file Dockerfile/],
    ["#v1.AS0A0v8jIGxldmVsIGxheWVycy0xCmNvcmFjbGUgYnVpbGQgLXQgaGVsbG86djEgLgo", /Your first layer/],
    ["#v1.AWAAn_9jYXQgPiBEb2NrZXJmaWxlIDw8J0VORCcKRlJPTSBhbHBpbmU6My4yMApSVU4gZWNobyAiZ3LDvMOfZSIgPiAvYQpFTkQKY29yYWNsZSBidWlsZCAtdCBhcHA6djEgLgo", /grüße/],
  ]) {
    const page = await chromium.context.newPage();
    await page.goto(`${site.url}playground/index.html${hash}`);
    await page.locator("coracle-playground").getByText(seen).first().waitFor();
    await page.close();
  }
});

test("what cannot be taken in is refused in a sentence, and nothing is lost", { skip }, async () => {
  const { page, wrong } = await open(chromium.context, site.url);
  await page.locator("summary", { hasText: "Files" }).click();
  const chooser = page.locator('input[type="file"]').first();
  const tar = Buffer.alloc(2048, "x");
  await chooser.setInputFiles({ name: "broken.tar", mimeType: "application/x-tar", buffer: tar });
  await page.getByRole("alert").filter({ hasText: "broken.tar is not loaded" }).waitFor();
  // A file of ten gigabytes is refused before a byte of it is read.
  await chooser.evaluate((input) => {
    const file = new File(["x"], "huge.tar");
    Object.defineProperty(file, "size", { value: 10_000_000_000 });
    Object.defineProperty(input, "files", { value: [file], configurable: true });
    input.dispatchEvent(new Event("change"));
  });
  await page.getByRole("alert").filter({ hasText: "10GB" }).waitFor();
  assert.equal(await page.locator("coracle-steps li").count(), 6);
  assert.deepEqual(wrong, []);
  await page.close();
});

test("a megabyte pasted is not taken, and the steps before a broken line stay", { skip }, async () => {
  const { page } = await open(chromium.context, site.url);
  const editor = page.locator(".cm-content");
  await editor.click();
  await page.keyboard.press("Control+End");
  await page.keyboard.type("COP");
  await page.locator("coracle-steps .error").filter({ hasText: "line 7" }).waitFor();
  assert.equal(await page.locator("coracle-steps li").count(), 6);
  await page.keyboard.insertText("x".repeat(1_100_000));
  await page.getByRole("alert").filter({ hasText: "longer than a megabyte" }).waitFor();
  await page.close();
});

test("it works where nothing can be kept", { skip }, async () => {
  const page = await chromium.context.newPage();
  await page.addInitScript(() => {
    Object.defineProperty(globalThis, "localStorage", {
      get() {
        throw new DOMException("shut", "SecurityError");
      },
    });
  });
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(String(error)));
  await page.goto(`${site.url}playground/index.html`);
  await page.locator("coracle-steps li").first().waitFor();
  await page.locator("header > label select").selectOption("dark");
  await page.getByRole("button", { name: "Levels" }).click();
  await page.getByText("0 of 30 solved").waitFor();
  assert.deepEqual(wrong, []);
  await page.close();
});

test("an engine that dies is started anew with all that was done", { skip }, async () => {
  const { page } = await open(chromium.context, site.url);
  await run(page, "echo kept > kept.txt");
  // As after a trap in WebAssembly: every call fails from now on.
  await page.workers()[0].evaluate(() => {
    globalThis.onmessage = (event) =>
      globalThis.postMessage({ id: event.data.id, error: "RuntimeError: unreachable" });
  });
  await page.locator("coracle-console input").fill("coracle images");
  await page.locator("coracle-console input").press("Enter");
  await page.getByRole("alert").filter({ hasText: "started anew" }).waitFor();
  await page.locator("coracle-files li button").filter({ hasText: "kept.txt" }).waitFor();
  await page.close();
});
