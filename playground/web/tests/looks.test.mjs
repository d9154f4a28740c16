// How the page looks and who can use it: widths, colours, and what axe finds in many states.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { AxeBuilder } from "@axe-core/playwright";
import { launch, open, serve, skip } from "./support.mjs";

const shots = fileURLToPath(new URL("../../../target/playground/screenshots/", import.meta.url));

let site;
let chromium;
before(async () => {
  if (skip) return;
  mkdirSync(shots, { recursive: true });
  site = await serve();
  chromium = await launch({ bypassCSP: true });
});
after(async () => {
  await chromium?.close();
  await site?.close();
});

const tab = (name) => (page) => page.getByRole("tab", { name }).click();
const type = (line) => async (page) => {
  const field = page.locator("coracle-console input");
  await field.fill(line);
  await field.press("Enter");
  await page.locator("coracle-console .log pre").first().waitFor();
};

/** States that the page can be in: a name, and how to get there. */
const STATES = [
  ["first", async () => undefined],
  ["file", async (page) => {
    await page.locator("coracle-tree .line").nth(1).click();
    await page.locator("coracle-inspector section h3").first().waitFor();
  }],
  ["overlay", async (page) => {
    await type("coracle run --name box app:v1 rm /app/note.txt")(page);
    await tab("Overlay")(page);
    await page.locator("coracle-inspector .of select").first().selectOption("container box");
    await page.locator("coracle-inspector tbody tr").first().waitFor();
  }],
  ["digests", tab("Digests")],
  ["images", tab("Images")],
  ["registry", async (page) => {
    await type("coracle tag app:v1 localhost:5000/a:1 && coracle push localhost:5000/a:1")(page);
    await tab("Registry")(page);
    await page.locator("coracle-inspector details summary").last().click();
  }],
  ["context", tab("Context")],
  ["lint", tab("Lint")],
  ["json", tab("JSON")],
  ["tar", tab("Tar")],
  ["explain", tab("Explain")],
  ["levels", async (page) => {
    await page.getByRole("button", { name: "Levels" }).click();
    await page.getByText("of 30 solved").waitFor();
  }],
  ["level", async (page) => {
    await page.goto(`${page.url().split("#")[0]}#level=layers-3`);
    await page.reload();
    await page.locator("coracle-level h2").waitFor();
    await page.getByRole("button", { name: "A nudge" }).click();
  }],
  ["failed", async (page) => {
    await type("echo 'RUN make' >> Dockerfile")(page);
    await page.locator('coracle-steps li[data-state="failed"]').waitFor();
  }],
  ["error", type("coracle nonsense --with=options")],
  ["files-menu", (page) => page.locator("summary", { hasText: "Files" }).click()],
  ["long-names", async (page) => {
    const name = "a-name-that-is-much-longer-than-any-pane-is-wide-".repeat(3);
    await type(`echo x > ${name} && coracle tag app:v1 ${name.slice(0, 100)}:v1`)(page);
  }],
];

for (const [name, reach] of STATES) {
  test(`axe finds nothing serious: ${name}`, { skip }, async () => {
    for (const colorScheme of ["light", "dark"]) {
      const { page } = await open(chromium.context, site.url);
      await page.emulateMedia({ colorScheme });
      await reach(page);
      await page.waitForTimeout(150);
      await page.screenshot({ path: `${shots}${name}-${colorScheme}.png` });
      const { violations } = await new AxeBuilder({ page }).analyze();
      const serious = violations.filter((v) => ["serious", "critical"].includes(v.impact));
      const told = serious.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 160)).join("\n   ")}`);
      assert.deepEqual(told, [], `${name}, ${colorScheme}`);
      await page.close();
    }
  });
}

test("no width scrolls sideways, and every pane can be reached", { skip }, async () => {
  for (const width of [320, 360, 768, 1440]) {
    for (const [name, reach] of [STATES[0], STATES.at(-1)]) {
      const { page } = await open(chromium.context, site.url);
      await page.setViewportSize({ width: 1440, height: 900 });
      await reach(page);
      await page.setViewportSize({ width, height: 800 });
      await page.waitForTimeout(150);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= width, `${name} at ${width} is ${wide} wide`);
      if (width <= 760) {
        for (const pane of ["files", "steps", "inspect", "console"]) {
          await page.getByRole("navigation", { name: "Panes" }).getByRole("button", { name: pane }).click();
          await page.screenshot({ path: `${shots}${name}-${width}-${pane}.png` });
          const inner = await page.evaluate(() => document.documentElement.scrollWidth);
          assert.ok(inner <= width, `${pane} at ${width} is ${inner} wide`);
        }
      } else {
        await page.screenshot({ path: `${shots}${name}-${width}.png` });
      }
      await page.close();
    }
  }
});

test("forced colours and reduced motion lose nothing", { skip }, async () => {
  const { page } = await open(chromium.context, site.url);
  await page.emulateMedia({ forcedColors: "active", reducedMotion: "reduce" });
  await page.locator(".cm-content").click();
  await page.keyboard.press("Control+End");
  await page.keyboard.type("RUN touch /x\n");
  await page.locator('coracle-steps li[data-state="missed"]').waitFor();
  // What is new says so in a word and not by its colour.
  await page.locator("coracle-steps").getByText("NEW", { exact: true }).waitFor();
  await page.screenshot({ path: `${shots}forced.png` });
  await page.close();
});

test("one polite sentence tells what a change has done", { skip }, async () => {
  const { page } = await open(chromium.context, site.url);
  const status = page.locator('[role="status"][aria-live="polite"]').first();
  await page.locator(".cm-content").click();
  await page.keyboard.press("Control+End");
  await page.keyboard.type("RUN touch /x\n");
  await page.waitForFunction(() => {
    const status = document.querySelector("coracle-playground").shadowRoot.querySelector('[role="status"]');
    return /would find \d steps in the cache and make 1/.test(status.textContent);
  });
  assert.equal(await status.count(), 1);
  await page.close();
});
