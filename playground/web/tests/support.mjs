// What browser tests share: the site on a port of its own, and a browser with an empty profile.

import { createReadStream, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { delimiter, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

/** Where `cargo x playground` writes the site. */
export const SITE = fileURLToPath(new URL("../../../target/site", import.meta.url));

const KINDS = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".wasm": "application/wasm",
  ".svg": "image/svg+xml",
};

/** The browser's program, found as a shell would; `null` if there is none. */
export function browser() {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const paths = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  return paths.find((path) => existsSync(path)) ?? null;
}

/** Serves the site below a path, on loopback. */
export async function serve(prefix = "/") {
  const requests = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://x").pathname);
    requests.push(path);
    let file = path.startsWith(prefix) ? join(SITE, normalize(path.slice(prefix.length - 1))) : null;
    if (file && existsSync(file) && statSync(file).isDirectory()) file = join(file, "index.html");
    if (!file?.startsWith(SITE) || !existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": KINDS[extname(file)] ?? "application/octet-stream" });
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  return {
    requests,
    url: `http://127.0.0.1:${port}${prefix}`,
    close: () => new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    }),
  };
}

/** Starts a browser with a profile that nobody has used, and gives what closes it again. */
export async function launch(options = {}) {
  const profile = mkdtempSync(join(tmpdir(), "coracle-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: browser(),
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
    viewport: { width: 1440, height: 900 },
    ...options,
  });
  return {
    context,
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

/** Opens the playground and waits for its first build; what goes wrong on the way is collected. */
export async function open(context, url, hash = "") {
  const page = await context.newPage();
  const wrong = [];
  page.on("console", (message) => {
    // Chromium's own editing tries to keep the look of what is deleted by a style attribute; that
    // the policy does not let it is as it should be.
    const styled = /Applying inline style violates/.test(message.text());
    if (message.type() === "error" && !styled) wrong.push(message.text());
  });
  page.on("pageerror", (error) => wrong.push(String(error)));
  await page.goto(`${url}playground/index.html${hash}`);
  await page.locator("coracle-steps li").first().waitFor();
  return { page, wrong };
}
