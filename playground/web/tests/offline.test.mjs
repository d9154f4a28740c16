// What the service worker keeps: over an update, beside another playground, and where it may not.

import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { SITE, launch, open, serve, skip } from "./support.mjs";

/** Waits until a service worker answers for the page and has filled its cache. */
async function kept(page) {
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.waitForFunction(() => navigator.serviceWorker.controller?.state === "activated");
}

/** Runs something with a browser of its own, because caches stay with a profile. */
async function alone(work) {
  const own = await launch();
  try {
    await work(own.context);
  } finally {
    await own.close();
  }
}

/** Puts another version in the place of the one that a folder has: one file has another name. */
function deploy(folder, name) {
  const playground = join(folder, "playground");
  const old = readdirSync(playground).find((file) => /^page-.*\.css$/.test(file));
  renameSync(join(playground, old), join(playground, name));
  for (const file of ["index.html", "service-worker.js"]) {
    const text = readFileSync(join(playground, file), "utf8").replaceAll(old, name);
    const version = `$1${name.replace(/\W/g, "")}$2`;
    writeFileSync(join(playground, file), text.replace(/(CACHE = .*?)\w+(["`];)/, version));
  }
  return old;
}

/** Lets the browser look for another version, and waits until that answers for the page. */
async function update(page) {
  await page.evaluate(async () => {
    const registration = await navigator.serviceWorker.ready;
    const changed = new Promise((go) => navigator.serviceWorker.addEventListener("controllerchange", go));
    await registration.update();
    await changed;
  });
  await kept(page);
}

test("an update takes over, and takes nothing from a tab that is open", { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "coracle-site-"));
  cpSync(SITE, folder, { recursive: true });
  const server = await serve("/", { folder });
  try {
    await alone(async (context) => {
      const { page } = await open(context, server.url);
      await kept(page);
      const old = deploy(folder, "page-0000000000.css");
      await update(page);
      // The host has this file no more; the tab that was opened with it may still ask for it.
      assert.equal(await page.evaluate(async (name) => (await fetch(name)).status, old), 200);
      await context.setOffline(true);
      await page.reload();
      await page.locator("coracle-steps li").first().waitFor();
      const style = await page.locator('link[rel="stylesheet"]').getAttribute("href");
      assert.equal(style, "page-0000000000.css");
      // Of three versions, the first is gone.
      await context.setOffline(false);
      deploy(folder, "page-1111111111.css");
      await update(page);
      assert.equal((await page.evaluate(() => caches.keys())).length, 2);
    });
  } finally {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("two playgrounds at one origin leave each other alone", { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "coracle-site-"));
  for (const name of ["one", "two"]) cpSync(SITE, join(folder, name), { recursive: true });
  deploy(join(folder, "two"), "page-0000000000.css");
  const server = await serve("/", { folder });
  try {
    await alone(async (context) => {
      const { page: one } = await open(context, `${server.url}one/`);
      await kept(one);
      const { page: two } = await open(context, `${server.url}two/`);
      await kept(two);
      await context.setOffline(true);
      for (const page of [one, two]) {
        await page.reload();
        await page.locator("coracle-steps li").first().waitFor();
      }
    });
  } finally {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("where nothing may be kept any more, the network answers", { skip }, async () => {
  // The first opening fills the cache; all later ones are refused, as when a site's data are barred.
  const refuse = "const first = caches.open.bind(caches); let opened = 0;"
    + "caches.open = (name) => opened++ === 0 ? first(name) : Promise.reject(new Error('refused'));"
    + "caches.match = () => Promise.reject(new Error('refused'));";
  const change = (path, file) => (path.endsWith("/service-worker.js") ? refuse + readFileSync(file, "utf8") : null);
  const server = await serve("/", { change });
  try {
    await alone(async (context) => {
      const { page } = await open(context, server.url);
      await kept(page);
      await page.reload();
      await page.locator("coracle-steps li").first().waitFor();
      await page.locator(".cm-content").waitFor();
    });
  } finally {
    await server.close();
  }
});

test("a page that the browser's own cache has of an older version is not kept", { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "coracle-site-"));
  cpSync(SITE, folder, { recursive: true });
  const server = await serve("/", { folder, maxAge: 3600 });
  try {
    await alone(async (context) => {
      // A first visit fills the browser's cache, before there is any service worker.
      const page = await context.newPage();
      await page.goto(`${server.url}book/index.html`);
      await page.evaluate(() => fetch("../playground/").then((answer) => answer.text()));
      deploy(folder, "page-0000000000.css");
      await page.goto(`${server.url}playground/index.html`);
      await page.locator("coracle-steps li").first().waitFor();
      await kept(page);
      await context.setOffline(true);
      await page.goto(`${server.url}playground/`);
      await page.locator("coracle-steps li").first().waitFor();
      const style = await page.locator('link[rel="stylesheet"]').getAttribute("href");
      assert.equal(style, "page-0000000000.css");
    });
  } finally {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a folder's address leads to its page with and without the stroke at its end", { skip }, async () => {
  const server = await serve("/pre/fix/");
  try {
    await alone(async (context) => {
      const page = await context.newPage();
      await page.goto(`${server.url}playground`);
      await page.locator("coracle-steps li").first().waitFor();
      await page.goto(server.url);
      await page.getByRole("link", { name: "The book" }).click();
      await page.waitForURL(/\/pre\/fix\/book\//);
      await page.goBack();
      await page.getByRole("link", { name: /playground/ }).click();
      await page.locator("coracle-steps li").first().waitFor();
    });
  } finally {
    await server.close();
  }
});
