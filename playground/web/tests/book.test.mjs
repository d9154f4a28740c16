// The elements in the book's pages: the table before and after they live, keys, themes, no script.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, serve, skip } from "./support.mjs";

const PAGES = ["voyage", "01-layers", "02-digests", "03-stack", "04-image", "05-registry", "07-build", "08-cache"];
const ELEMENTS = "coracle-layers, coracle-diff, coracle-overlay, coracle-cache, coracle-digest, coracle-registry";

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

/** The cells of a table as text. */
const cells = (table) =>
  [...table.querySelectorAll("tr")].map((row) => [...row.children].map((cell) => cell.textContent.trim()));

for (const name of PAGES) {
  test(`${name}: what lives shows what the book was printed with`, { skip }, async () => {
    const page = await chromium.context.newPage();
    const wrong = [];
    page.on("pageerror", (error) => wrong.push(String(error)));
    await page.goto(`${site.url}book/${name}.html`);
    const elements = page.locator(ELEMENTS);
    assert.ok((await elements.count()) >= 1);
    for (const element of await elements.all()) {
      const printed = await element.evaluate(
        (host, source) => new Function("table", `return (${source})(table)`)(host.querySelector("table")),
        cells.toString(),
      );
      assert.ok(printed.length > 1, name);
      await element.scrollIntoViewIfNeeded();
      await element.locator(".frame table").waitFor({ timeout: 15_000 });
      const lives = await element.evaluate(
        (host, source) => new Function("table", `return (${source})(table)`)(host.shadowRoot.querySelector("table")),
        cells.toString(),
      );
      assert.deepEqual(lives, printed);
    }
    assert.deepEqual(wrong, []);
    await page.close();
  });
}

test("keys that are typed in an element do not turn the page", { skip }, async () => {
  const page = await chromium.context.newPage();
  await page.goto(`${site.url}book/08-cache.html`);
  const element = page.locator("coracle-cache").first();
  await element.scrollIntoViewIfNeeded();
  const field = element.locator("textarea");
  await field.click();
  for (const key of ["ArrowRight", "ArrowLeft", "s", "?", "/"]) await page.keyboard.press(key);
  assert.match(page.url(), /08-cache/);
  // And typing changes what is shown.
  await field.fill("FROM alpine:3.20\nRUN echo typed > /x\n");
  await element.getByText("RUN echo typed").first().waitFor();
  await page.close();
});

test("an element follows the book's theme, and opens in the playground", { skip }, async () => {
  const page = await chromium.context.newPage();
  await page.goto(`${site.url}book/04-image.html`);
  const element = page.locator("coracle-layers").first();
  await element.scrollIntoViewIfNeeded();
  await element.locator(".frame").waitFor();
  const ink = () => element.evaluate((host) => getComputedStyle(host).color);
  const light = await ink();
  await page.evaluate(() => {
    document.documentElement.classList.remove("light");
    document.documentElement.classList.add("navy");
  });
  assert.notEqual(await ink(), light);
  await element.getByText("open in the playground").click();
  await page.locator("coracle-playground").getByText("build -t page:v2").first().waitFor();
  await page.close();
});

test("the whole page is an element, too, and minds the page around it", { skip }, async () => {
  const page = await chromium.context.newPage();
  await page.goto(`${site.url}book/voyage.html#set-out`);
  const element = page.locator("coracle-playground");
  await element.scrollIntoViewIfNeeded();
  await element.locator("coracle-steps li").first().waitFor();
  await element.getByText("build -t page:v2").first().waitFor();
  await element.locator("coracle-console input").fill("coracle images");
  await page.keyboard.press("ArrowRight");
  assert.match(page.url(), /voyage.html#set-out/);
  await page.close();
});

test("without script the tables are there", { skip }, async () => {
  const own = await launch({ javaScriptEnabled: false });
  try {
    const page = await own.context.newPage();
    await page.goto(`${site.url}book/03-stack.html`);
    assert.match(await page.locator("coracle-overlay table").innerText(), /whiteout/);
  } finally {
    await own.close();
  }
});

test("a quiz asks whether it was known, and remembers", { skip }, async () => {
  const page = await chromium.context.newPage();
  await page.goto(`${site.url}book/01-layers.html`);
  const quiz = page.locator("coracle-quiz");
  await quiz.locator("details summary").first().click();
  await quiz.getByRole("button", { name: "I knew that" }).first().click();
  await quiz.getByText("1 of 3 known.").waitFor();
  await page.reload();
  await quiz.getByText("1 of 3 known.").waitFor();
  await page.close();
});
