// Puts the page together: engine, scripts, styles, one page, and a service worker.
//
//   node build.mjs ENGINE-FOLDER OUT-FOLDER
//
// Every file but the pages has its digest in its name, so that a cached one is never an old one.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import * as esbuild from "esbuild";

/** What esbuild says of its outputs, one for each call. */
const files = [];

const [engineFolder, out] = process.argv.slice(2);

/** What is loaded shall have so many kilobytes, packed with brotli; past the limit nothing is built. */
const BUDGETS = JSON.parse(readFileSync("budgets.json", "utf8"));

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const engine = optimiseEngine();
const worker = await bundle({ worker: "src/worker.ts" }, { ENGINE: `./${engine}` });
const page = await bundle(
  { main: "src/main.ts", widgets: "src/widgets.ts" },
  { WORKER: `./${worker.worker}` },
);
const style = named("page.css", await styles());
writePages();
writeServiceWorker();
report();

/** Makes the engine small, and gives its name. */
function optimiseEngine() {
  const optimised = join(engineFolder, "optimised.wasm");
  const features = ["bulk-memory", "bulk-memory-opt", "mutable-globals", "multivalue", "nontrapping-float-to-int", "reference-types", "sign-ext"];
  const enabled = features.map((name) => `--enable-${name}`);
  const flags = ["-Oz", "--strip-debug", "--strip-producers", "--mvp-features", ...enabled];
  // The optimiser takes a minute, so what it made of this very engine is taken again.
  const source = readFileSync(join(engineFolder, "engine_bg.wasm"));
  const stamp = createHash("sha256").update(source).update(flags.join(" ")).digest("hex");
  const known = join(engineFolder, "optimised.stamp");
  if (existsSync(known) && existsSync(optimised) && readFileSync(known, "utf8") === stamp) {
    return named("engine.wasm", readFileSync(optimised));
  }
  execFileSync(
    process.execPath,
    ["node_modules/binaryen/bin/wasm-opt", ...flags, join(engineFolder, "engine_bg.wasm"), "-o", optimised],
    { stdio: "inherit" },
  );
  writeFileSync(known, stamp);
  return named("engine.wasm", readFileSync(optimised));
}

/** Bundles entry points with what they share, and gives the name of each. */
async function bundle(entryPoints, defined) {
  const result = await esbuild.build({
    entryPoints,
    outdir: out,
    bundle: true,
    splitting: true,
    format: "esm",
    minify: true,
    target: "es2022",
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    metafile: true,
    legalComments: "none",
    alias: { "#engine": join(engineFolder, "engine.js") },
    define: Object.fromEntries(
      Object.entries(defined).map(([name, value]) => [name, JSON.stringify(value)]),
    ),
  });
  const names = {};
  for (const [path, output] of Object.entries(result.metafile.outputs)) {
    if (output.entryPoint) {
      const name = Object.entries(entryPoints).find(([, source]) => source === output.entryPoint);
      if (name) names[name[0]] = path.split("/").pop();
    }
  }
  files.push(result.metafile);
  return names;
}

async function styles() {
  const result = await esbuild.transform(readFileSync("src/page.css", "utf8"), {
    loader: "css",
    minify: true,
  });
  return Buffer.from(result.code);
}

/** Writes a file under a name that has its digest, and gives that name. */
function named(name, bytes) {
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 10);
  const [stem, end] = name.split(".");
  const full = `${stem}-${hash}.${end}`;
  writeFileSync(join(out, full), bytes);
  return full;
}

function writePages() {
  const fill = (text) =>
    text.replaceAll("{{main}}", page.main).replaceAll("{{style}}", style);
  writeFileSync(join(out, "index.html"), fill(readFileSync("index.html", "utf8")));
  // Books load this by a name that does not change; it only points on.
  writeFileSync(join(out, "widgets.js"), `import "./${page.widgets}";\n`);
  cpSync("icon.svg", join(out, "icon.svg"));
}

/** The service worker knows every file by name; its own text changes when any of them does. */
function writeServiceWorker() {
  const all = readdirSync(out).sort();
  const version = createHash("sha256")
    .update(all.map((name) => `${name} ${digest(name)}`).join("\n"))
    .digest("hex")
    .slice(0, 16);
  const text = readFileSync("src/service-worker.js", "utf8")
    .replace("{{version}}", version)
    .replace('["{{files}}"]', JSON.stringify(all));
  writeFileSync(join(out, "service-worker.js"), text);
}

function digest(name) {
  return createHash("sha256").update(readFileSync(join(out, name))).digest("hex");
}

/** The sizes of what is loaded together, beside what they may be. */
function report() {
  const measure = (names) => {
    const bytes = names.map((name) => readFileSync(join(out, name)));
    const sum = (sizes) => sizes.reduce((a, b) => a + b, 0);
    return {
      raw: sum(bytes.map((b) => b.length)),
      gzip: sum(bytes.map((b) => gzipSync(b, { level: 9 }).length)),
      brotli: sum(bytes.map((b) => brotli(b))),
    };
  };
  const loaded = closure();
  const parts = {
    engine: [engine],
    page: [...loaded(page.main), worker.worker],
    editor: editorFiles(loaded(page.main)),
    widget: [...loaded(page.widgets), worker.worker],
  };
  const kB = (bytes) => (bytes / 1000).toFixed(1);
  const lines = [
    "| part | raw, kB | gzip, kB | brotli, kB | promised, kB | limit, kB |",
    "| --- | --- | --- | --- | --- | --- |",
  ];
  const over = [];
  for (const [part, names] of Object.entries(parts)) {
    const size = measure(names);
    const { promised, limit } = BUDGETS[part];
    lines.push(`| ${part} | ${kB(size.raw)} | ${kB(size.gzip)} | ${kB(size.brotli)} | ${promised} | ${limit} |`);
    if (size.brotli > limit * 1000) {
      over.push(`${part} has ${kB(size.brotli)} kB, and may have ${limit} kB`);
    }
  }
  const table = `${lines.join("\n")}\n`;
  writeFileSync(join(out, "..", "sizes.md"), table);
  process.stdout.write(table);
  if (over.length > 0) {
    process.stderr.write(`too large: ${over.join("; ")}\n`);
    process.exitCode = 1;
  }
}

function brotli(bytes) {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  return brotliCompressSync(bytes, { params }).length;
}

/** From a file to all that it imports statically. */
function closure() {
  const outputs = Object.assign({}, ...files.map((meta) => meta.outputs));
  const byName = Object.fromEntries(
    Object.entries(outputs).map(([path, output]) => [path.split("/").pop(), output]),
  );
  return (start) => {
    const seen = new Set();
    const visit = (name) => {
      if (seen.has(name)) return;
      seen.add(name);
      for (const { path, kind } of byName[name]?.imports ?? []) {
        if (kind === "import-statement") visit(path.split("/").pop());
      }
    };
    visit(start);
    return [...seen];
  };
}

/** What the editor needs beside the page. */
function editorFiles(loaded) {
  const known = new Set(loaded);
  const names = readdirSync(out).filter((name) => name.startsWith("editor-"));
  const follow = closure();
  return [...new Set(names.flatMap((name) => follow(name)))].filter((name) => !known.has(name));
}
