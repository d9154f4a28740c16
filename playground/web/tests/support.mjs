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

/** Why a test cannot run that needs a program, in the words that the list of allowed skips knows. */
export function missing(program) {
  const how = `apt-get install ${program}`;
  const root = process.getuid?.() === 0;
  return root ? `no ${program}, although the set-up should have made it: ${how}` : `needs root for ${program}: ${how}`;
}

/** Why no test can run that needs a browser; `false` if all can. */
export const skip = browser() === null && missing("chromium");

/**
 * Serves a folder, the site if none is named, below a path, on loopback, as hosts of static files
 * do. `change` may give another body for an address, such as a broken one; `maxAge` lets browsers
 * keep each file for so many seconds.
 */
export async function serve(prefix = "/", { folder = SITE, change = () => null, maxAge = null } = {}) {
  const requests = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://x").pathname);
    requests.push(path);
    let file = path.startsWith(prefix) ? join(folder, normalize(path.slice(prefix.length - 1))) : null;
    if (file && existsSync(file) && statSync(file).isDirectory()) {
      // Without the stroke at its end, a folder's page would look for its files in the wrong place.
      if (!path.endsWith("/")) {
        response.writeHead(301, { location: `${path}/` }).end();
        return;
      }
      file = join(file, "index.html");
    }
    if (!file?.startsWith(folder) || !existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    const headers = { "content-type": KINDS[extname(file)] ?? "application/octet-stream" };
    if (maxAge !== null) headers["cache-control"] = `max-age=${maxAge}`;
    response.writeHead(200, headers);
    const changed = change(path, file);
    if (changed === null) createReadStream(file).pipe(response);
    else response.end(changed);
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
