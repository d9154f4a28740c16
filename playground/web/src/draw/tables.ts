// What is seen, as tables: plain functions from an answer of the engine to what is drawn.

import { html, nothing, type TemplateResult } from "lit";
import { bytes, changes, digest, letter } from "../parts.js";
import type {
  ContextRow,
  DigestRow,
  ExplainRow,
  FileRow,
  HistoryView,
  ImageView,
  LifeRow,
  OverlayRow,
  RegistryView,
  TarRow,
} from "../types.js";
import { count, short, size } from "../words.js";

type Drawn = TemplateResult | typeof nothing;

/** A row of a tree: its cells. The treegrid around it is the caller's. */
export function fileCells(row: FileRow, merged: boolean): TemplateResult {
  const what = row.what.length === 0 ? nothing : html` <span class="muted">${row.what.join(", ")}</span>`;
  const target = row.target === null ? nothing : html` <span class="muted">→ ${row.target}</span>`;
  const kinds: Record<string, string> = { whiteout: " (whiteout)", opaque: " (opaque directory)" };
  return html`
    <span role="gridcell" class="change">${merged ? nothing : letter(row.change)}</span>
    <span role="gridcell" class="path mono" title=${row.path}>${row.path}${kinds[row.kind] ?? nothing}${target}${what}</span>
    <span role="gridcell" class="mode mono muted">${row.mode}</span>
    <span role="gridcell" class="owner mono muted">${row.owner}</span>
    <span role="gridcell" class="size mono">${row.kind === "dir" ? "" : size(row.size)}</span>
    <span role="gridcell" class="from muted">${merged && row.layer !== null ? `layer ${row.layer}` : ""}</span>
  `;
}

/** All rows of a tree at once: for lists that are short. */
export function files(rows: FileRow[], merged: boolean): TemplateResult {
  return html`<table>
    <thead>
      <tr><th>${merged ? "" : "Change"}</th><th>Path</th><th>Mode</th><th>Owner</th><th class="number">Size</th>${merged ? html`<th>From</th>` : nothing}</tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) => html`<tr>
          <td>${merged ? nothing : letter(row.change)}</td>
          <td class="mono">${row.path}${row.target === null ? nothing : ` → ${row.target}`}${row.kind === "whiteout" ? " (whiteout)" : row.kind === "opaque" ? " (opaque)" : nothing}</td>
          <td class="mono">${row.mode}</td>
          <td class="mono">${row.owner}</td>
          ${row.kind === "dir" ? html`<td></td>` : bytes(row.size)}
          ${merged ? html`<td>${row.layer === null ? "" : `layer ${row.layer}`}</td>` : nothing}
        </tr>`,
      )}
    </tbody>
  </table>`;
}

/** One file's life over the layers. */
export function life(rows: LifeRow[]): TemplateResult {
  return html`${rows.map(
    (row) => html`<section>
      <h3>${letter(row.change)} layer ${row.layer} <span class="muted mono">${row.created_by}</span></h3>
      ${row.change === "D"
        ? html`<p class="muted">Hidden by a whiteout. The bytes are still in the layer below.</p>`
        : html`<p class="muted mono">${row.mode} ${row.owner} ${size(row.size)} ${row.what.join(", ")} ${row.digest === null ? nothing : digest(row.digest)}</p>`}
      ${row.diff.length > 0
        ? html`<pre tabindex="0" aria-label="What changed">${row.diff.map((line) => html`<span class=${line.sign === "+" ? "good" : line.sign === "-" ? "bad" : ""}>${line.sign} ${line.text}
</span>`)}</pre>`
        : row.text === null
          ? nothing
          : html`<pre tabindex="0" aria-label="What is in it">${row.text}</pre>`}
    </section>`,
  )}`;
}

/** What each layer says, and what is seen. */
export function overlay(
  layers: string[],
  rows: OverlayRow[],
  edit?: (row: OverlayRow) => Drawn,
): TemplateResult {
  const word: Record<string, string> = { whiteout: "✕ whiteout", opaque: "◌ opaque", "": "·" };
  const cell = (kind: string): string => word[kind] ?? kind;
  return html`<table>
    <thead>
      <tr>
        <th>Path</th>
        ${layers.map((by, i) => html`<th title=${by}>${i === layers.length - 1 && i > 0 ? "upper" : `lower ${i}`}</th>`)}
        <th>merged</th>
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) => html`<tr>
          <td><code>${row.path}</code>${row.copied_up ? html` <span class="muted">copied up</span>` : nothing}<br />${edit ? edit(row) : nothing}</td>
          ${row.cells.map((kind, i) => html`<td class=${kind === "" ? "muted" : row.from === i ? "good" : ""}>${cell(kind)}</td>`)}
          <td>${row.merged === "" ? html`<span class="muted">not seen</span>` : html`<strong>${row.merged}</strong>`}</td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}

/** Every digest and what it is of; those that have changed since before are marked. */
export function digests(rows: DigestRow[], before: Map<string, string>): TemplateResult {
  return html`<table>
    <thead>
      <tr><th>Name</th><th>Digest</th><th>How it is made</th></tr>
    </thead>
    <tbody>
      ${rows.map((row) => {
        const old = before.get(row.name);
        const changed = old !== undefined && old !== row.digest;
        return html`<tr>
          <td>${row.name}${changed ? html` <span class="state" data-state="missed">CHANGED</span>` : nothing}</td>
          <td>${digest(row.digest)}</td>
          <td>
            ${row.formula}
            ${row.input === null
              ? nothing
              : html`<details><summary class="muted">the ${row.size} bytes</summary><pre tabindex="0">${row.input}</pre></details>`}
          </td>
        </tr>`;
      })}
    </tbody>
  </table>`;
}

/** The headers of an archive. */
export function tar(rows: TarRow[]): TemplateResult {
  return html`<table>
    <thead>
      <tr><th>Name in the archive</th><th>Kind</th><th>Mode</th><th>Owner</th><th class="number">Size</th><th>Time</th></tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) => html`<tr>
          <td class="mono">${row.name}${row.target === null ? nothing : ` → ${row.target}`}${row.note === "" ? nothing : html`<br /><span class="muted">${row.note}</span>`}</td>
          <td>${row.kind}</td>
          <td class="mono">${row.mode}</td>
          <td class="mono">${row.owner}</td>
          ${bytes(row.size)}
          <td class="mono">${row.mtime}</td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}

/** The project as the build sees it. */
export function context(rows: ContextRow[]): TemplateResult {
  return html`<table>
    <thead>
      <tr><th>File</th><th>In the build</th><th>Why</th><th>Taken by</th></tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) => html`<tr>
          <td class="mono">${row.path}</td>
          <td>${row.seen ? "yes" : html`<span class="bad">no</span>`}</td>
          <td>${row.why}</td>
          <td>${row.taken_by.length === 0 ? html`<span class="muted">no line</span>` : row.taken_by.map((line) => `line ${line}`).join(", ")}</td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}

/** The Dockerfile line by line. */
export function explain(rows: ExplainRow[]): TemplateResult {
  return html`<table>
    <thead>
      <tr><th class="number">Line</th><th>Instruction</th><th>Makes</th><th>Its cache key depends on</th></tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) => html`<tr>
          <td class="number">${row.line}</td>
          <td class="mono">${row.text}</td>
          <td>${row.makes}</td>
          <td>${row.depends_on.length === 0 ? html`<span class="muted">nothing is kept</span>` : row.depends_on.join("; ")}</td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}

/** An image's layers, one on the other; the lowest is at the foot, as in a stack. */
export function stack(history: HistoryView[], chosen: (layer: number) => void): TemplateResult {
  let number = -1;
  const rows = history.map((line) => ({ line, layer: line.layer ? ++number : null }));
  return html`<table>
    <thead>
      <tr><th>Layer</th><th>Made by</th><th>Changes</th><th class="number">Size</th><th>Shared with</th></tr>
    </thead>
    <tbody>
      ${rows.reverse().map(({ line, layer }) =>
        line.layer && layer !== null
          ? html`<tr>
              <td><button class="quiet mono" @click=${() => chosen(layer)} title="Look at layer ${layer}">${layer}</button></td>
              <td class="mono">${line.created_by}</td>
              <td>${changes(line.layer)}</td>
              ${bytes(line.layer.size)}
              <td>${line.shared_with.join(", ")}</td>
            </tr>`
          : html`<tr class="muted"><td></td><td class="mono">${line.created_by}</td><td>config only</td><td></td><td></td></tr>`,
      )}
    </tbody>
  </table>`;
}

/** Shared and unique bytes as a bar; the numbers beside it say the same. */
export function bar(image: ImageView, most: number): TemplateResult {
  const part = (bytes: number): string => ((100 * bytes) / Math.max(1, most)).toFixed(2);
  const shared = image.size - image.unique;
  return html`<svg width="100%" height="10" preserveAspectRatio="none" viewBox="0 0 100 10" role="img" aria-label="${size(shared)} shared, ${size(image.unique)} its own">
    <rect x="0" y="2" height="6" width=${part(shared)} fill="var(--line)"></rect>
    <rect x=${part(shared)} y="2" height="6" width=${part(image.unique)} fill="var(--accent)"></rect>
  </svg>`;
}

const STATES: Record<string, string> = {
  exists: "already exists",
  mounted: "mounted",
  sent: "sent",
  received: "received",
};

/** A registry: what it has, and what the last push or pull moved. */
export function registry(registry: RegistryView): TemplateResult {
  const last = registry.last;
  return html`
    <h3>${registry.host} <span class="muted">${count(registry.blobs, "blob")}, ${size(registry.bytes)}</span></h3>
    ${registry.repositories.length === 0
      ? html`<p class="muted">Nothing has been pushed yet: <code>coracle tag app:v1 ${registry.host}/app:v1</code>, then <code>coracle push ${registry.host}/app:v1</code>.</p>`
      : html`<table>
          <thead><tr><th>Repository</th><th>Tags</th></tr></thead>
          <tbody>
            ${registry.repositories.map(
              (repository) => html`<tr>
                <td class="mono">${repository.name}</td>
                <td class="mono">${Object.entries(repository.tags).map(([tag, to]) => html`<span title=${to}>${tag} <span class="muted">${short(to)}</span></span> `)}</td>
              </tr>`,
            )}
          </tbody>
        </table>`}
    ${last === null
      ? nothing
      : html`
          <p>The last voyage, <code>${last.title}</code>: ${size(last.sent)} out, ${size(last.received)} in, by ${count(last.exchanges.length, "request")}.</p>
          <table>
            <thead><tr><th>Blob</th><th class="number">Size</th><th>What happened</th></tr></thead>
            <tbody>
              ${last.blobs.map(
                (blob) => html`<tr>
                  <td>${digest(blob.digest)}</td>
                  ${bytes(blob.size)}
                  <td>${STATES[blob.state]}${blob.from === null ? nothing : ` from ${blob.from}`}</td>
                </tr>`,
              )}
            </tbody>
          </table>
          <details>
            <summary class="muted">every request</summary>
            <table>
              <thead><tr><th>Request</th><th>Answer</th><th class="number">Out</th><th class="number">In</th><th>Why</th></tr></thead>
              <tbody>
                ${last.exchanges.map(
                  (one) => html`<tr>
                    <td class="mono">${one.method} ${one.path}</td>
                    <td>${one.status}</td>
                    ${bytes(one.sent)}${bytes(one.received)}
                    <td class="muted">${one.why}</td>
                  </tr>`,
                )}
              </tbody>
            </table>
          </details>
        `}
  `;
}
