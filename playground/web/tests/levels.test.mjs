// Every level is solved by keyboard alone, and what is solved is remembered.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch, open, serve, skip } from "./support.mjs";

const folder = fileURLToPath(new URL("../../levels", import.meta.url));

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

/** The acts of a solution: a line of the command line, or the text of a file for the editor. */
function acts(solution) {
  const found = [];
  const lines = solution.split("\n");
  while (lines.length > 0) {
    const line = lines.shift();
    const heredoc = /^cat > (\S+) <<'(\w+)'$/.exec(line);
    if (heredoc) {
      const end = lines.indexOf(heredoc[2]);
      found.push({ path: heredoc[1], text: `${lines.splice(0, end).join("\n")}\n` });
      lines.shift();
    } else if (line.trim() !== "") {
      found.push({ line });
    }
  }
  return found;
}

/** Moves the focus to what the selector finds, by Tab alone. */
async function tabTo(page, matches) {
  for (let i = 0; i < 120; i += 1) {
    await page.keyboard.press("Tab");
    const there = await page.evaluate((source) => {
      let active = document.activeElement;
      while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
      return new Function("element", `return ${source}`)(active);
    }, matches);
    if (there) return;
  }
  assert.fail(`Tab does not come to ${matches}`);
}

async function edit(page, path, text) {
  const open = `element?.textContent.trim() === ${JSON.stringify(path)} && element.tagName === "BUTTON"`;
  const names = await page.locator("coracle-files li button").allInnerTexts();
  if (!names.map((name) => name.trim()).includes(path)) {
    await tabTo(page, `element?.textContent.trim() === "+ file"`);
    await page.keyboard.press("Enter");
    await page.locator("coracle-files form input").focus();
    await page.keyboard.type(path);
    await page.keyboard.press("Enter");
  } else {
    await tabTo(page, open);
    await page.keyboard.press("Enter");
  }
  await page.locator(".cm-content").waitFor();
  await page.waitForFunction(() => {
    let active = document.activeElement;
    while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
    return active?.classList.contains("cm-content");
  });
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText(text);
}

const files = readdirSync(folder).filter((name) => name.endsWith(".md"));

test("there are thirty levels", () => assert.equal(files.length, 30));

for (const file of files) {
  const id = file.replace(".md", "");
  const text = readFileSync(`${folder}/${file}`, "utf8");
  const solution = /## Solution\n```sh\n([\s\S]*?)```/.exec(text)[1];
  test(`${id} by keyboard`, { skip }, async () => {
    const { page, wrong } = await open(chromium.context, site.url, `#level=${id}`);
    await page.locator("coracle-level h2").waitFor();
    assert.equal(await page.locator("coracle-level").getByText("Solved").count(), 0);
    for (const act of acts(solution)) {
      if (act.path) await edit(page, act.path, act.text);
      else {
        await tabTo(page, `element?.id === "line"`);
        await page.keyboard.insertText(act.line);
        const before = await page.locator("coracle-console .log pre").count();
        await page.keyboard.press("Enter");
        await page.locator("coracle-console .log pre").nth(before).waitFor();
      }
    }
    await page.locator("coracle-level").getByText("Solved").waitFor({ timeout: 10_000 });
    assert.deepEqual(wrong, []);
    await page.close();
  });
}

test("what is solved is remembered, and can be taken elsewhere", { skip }, async () => {
  const { page } = await open(chromium.context, site.url);
  await page.getByRole("button", { name: "Levels" }).click();
  await page.getByText("30 of 30 solved").waitFor();
  await page.close();
});
