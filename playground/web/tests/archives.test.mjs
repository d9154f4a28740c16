// Archives that real tools wrote come in, and what goes out is read by real tools.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { launch, missing, open, serve, skip as noBrowser } from "./support.mjs";

const found = (program) => spawnSync(program, ["--version"]).status === 0;
const skip = noBrowser || (!found("skopeo") && missing("skopeo"));

let site;
let chromium;
let folder;
before(async () => {
  if (skip) return;
  site = await serve();
  chromium = await launch({ acceptDownloads: true });
  folder = mkdtempSync(join(tmpdir(), "coracle-archives-"));
});
after(async () => {
  await chromium?.close();
  await site?.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

const run = (program, ...words) => execFileSync(program, words, { encoding: "utf8" });

/** Exports what the page's first Dockerfile makes, and gives the file's path. */
async function exported(page, format, gzip) {
  const menu = page.locator("details.menu");
  if (!(await menu.evaluate((details) => details.open))) await page.locator("summary", { hasText: "Files" }).click();
  await menu.locator("[name=image]").selectOption("app:v1");
  await menu.locator("[name=format]").selectOption(format);
  await menu.locator("[name=gzip]").selectOption(gzip ? "1" : "");
  const [download] = await Promise.all([page.waitForEvent("download"), menu.getByRole("button", { name: "Export" }).click()]);
  const path = join(folder, `${format}${gzip ? ".tar.gz" : ".tar"}`);
  await download.saveAs(path);
  return path;
}

/** The digest of the config of the image `app:v1`, as the page shows it. */
async function id(page, name) {
  await page.getByRole("tab", { name: "Images" }).click();
  const heading = page.locator("coracle-inspector section h3").filter({ hasText: name });
  return heading.locator("span").getAttribute("title");
}

async function imported(page, path, name) {
  const menu = page.locator("details.menu");
  if (!(await menu.evaluate((details) => details.open))) await page.locator("summary", { hasText: "Files" }).click();
  const before = await page.locator("coracle-console .log pre").count();
  await menu.locator('input[type="file"]').first().setInputFiles(path);
  await page.locator("coracle-console .log pre").nth(before).waitFor();
  const said = await page.locator("coracle-console .log pre").nth(before).innerText();
  return { said, id: name && (await id(page, name)) };
}

test("what is exported, skopeo reads, and what skopeo writes, comes in again", { skip }, async () => {
  const { page, wrong } = await open(chromium.context, site.url);
  const own = await id(page, "app:v1");
  for (const [format, gzip] of [["docker", false], ["docker", true], ["oci", false], ["oci", true]]) {
    const path = await exported(page, format, gzip);
    const kind = format === "docker" ? "docker-archive" : "oci-archive";
    // skopeo 1.9 reads no packed archive, not even one that gzip itself has packed.
    const source = gzip ? path.replace(".gz", "") : path;
    if (gzip) writeFileSync(source, gunzipSync(readFileSync(path)));
    const config = run("skopeo", "inspect", "--config", "--raw", `${kind}:${source}`);
    const { createHash } = await import("node:crypto");
    const digest = `sha256:${createHash("sha256").update(config).digest("hex")}`;
    assert.equal(digest, own, `${format}, ${gzip ? "gzip" : "plain"}`);
  }
  const written = [
    ["docker-archive", "skopeo-docker.tar", "docker.io/library/again:1"],
    ["oci-archive", "skopeo-oci.tar", "docker.io/library/again:2"],
  ];
  for (const [kind, name, reference] of written) {
    const path = join(folder, name);
    // From like to like: between the two forms skopeo writes another config.
    const from = `${kind}:${join(folder, kind === "oci-archive" ? "oci.tar" : "docker.tar")}`;
    run("skopeo", "--insecure-policy", "copy", "-q", from, `${kind}:${path}:${reference}`);
    const short = reference.replace("docker.io/library/", "");
    const { said, id } = await imported(page, path, short);
    assert.match(said, new RegExp(`Loaded image: ${short}`));
    assert.equal(id, own, name);
    // The same packed, by gzip and where there is one by zstd.
    const packed = join(folder, `${name}.gz`);
    writeFileSync(packed, gzipSync(readFileSync(path)));
    assert.match((await imported(page, packed)).said, /Loaded image/);
    if (found("zstd")) {
      run("zstd", "-qf", path, "-o", `${path}.zst`);
      assert.match((await imported(page, `${path}.zst`)).said, /Loaded image/);
    }
  }
  assert.deepEqual(wrong, []);
  await page.close();
});

test("podman loads what is exported", { skip: skip || (!found("podman") && missing("podman")) }, async () => {
  const { page } = await open(chromium.context, site.url);
  const own = await id(page, "app:v1");
  const root = join(folder, "podman");
  const storage = ["--root", join(root, "root"), "--runroot", join(root, "run"), "--storage-driver", "vfs"];
  for (const [format, gzip] of [["docker", false], ["docker", true], ["oci", false]]) {
    const path = await exported(page, format, gzip);
    const said = run("podman", ...storage, "load", "-q", "-i", path);
    assert.match(said, /app:v1/);
    const image = run("podman", ...storage, "image", "inspect", "--format", "{{.Id}}", "docker.io/library/app:v1").trim();
    assert.equal(`sha256:${image}`, own, format);
  }
  await page.close();
});

test("archives that attack or are broken are refused, and the page goes on", { skip }, async () => {
  const { page, wrong } = await open(chromium.context, site.url);
  const whole = readFileSync(await exported(page, "docker", false));
  const flipped = Buffer.from(whole);
  const place = flipped.indexOf("built for you");
  assert.ok(place > 0);
  flipped[place] ^= 1;
  const cases = [
    ["cut", whole.subarray(0, whole.length / 2), /is not loaded/],
    ["flipped", flipped, /is not loaded/],
    ["zeros", Buffer.alloc(10_240), /is not loaded/],
    ["text", Buffer.from("this is no archive".repeat(100)), /is not loaded/],
    ["empty", Buffer.alloc(0), /is not loaded/],
    ["bomb", gzipSync(Buffer.alloc(300_000_000)), /is not loaded/],
  ];
  for (const [name, bytes, expected] of cases) {
    const path = join(folder, `${name}.tar`);
    writeFileSync(path, bytes);
    const { said } = await imported(page, path);
    assert.match(said, expected, name);
  }
  assert.equal(await page.locator("coracle-steps li").count(), 6);
  assert.deepEqual(wrong, []);
  await page.close();
});
