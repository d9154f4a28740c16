// Small pieces that many panes draw: digests, letters, bars, tables of layers.

import { html, nothing, type TemplateResult } from "lit";
import type { LayerView } from "./types.js";
import { short, size } from "./words.js";

/** A digest, shortened; the whole one is a hover, a focus or a click away. */
export function digest(value: string): TemplateResult {
  const copy = (): void => void navigator.clipboard?.writeText(value).catch(() => undefined);
  return html`<button class="quiet mono" title=${value} aria-label="${short(value)}, copy ${value}" @click=${copy}>${short(value)}</button>`;
}

/** A, M, D or W, with its word for those who do not see it. */
export function letter(change: string): TemplateResult | typeof nothing {
  const words: Record<string, string> = {
    A: "added",
    M: "modified",
    D: "deleted",
    W: "whiteout that hides nothing",
  };
  if (change === "") return nothing;
  return html`<span class="letter" data-letter=${change} title=${words[change] ?? ""}><span aria-hidden="true">${change}</span><span class="visually-hidden">${words[change] ?? change}</span></span>`;
}

/** What a layer adds, modifies and deletes, in letters and numbers. */
export function changes(layer: LayerView): TemplateResult {
  const part = (letter: string, word: string, number: number): TemplateResult | typeof nothing =>
    number === 0
      ? nothing
      : html`<span title="${number} ${word}"><span aria-hidden="true">${letter}${number}</span><span class="visually-hidden">${number} ${word}</span></span> `;
  const none = layer.added + layer.modified + layer.deleted === 0;
  return html`<span class="mono muted">${part("A", "added", layer.added)}${part("M", "modified", layer.modified)}${part("D", "deleted", layer.deleted)}${none ? "no change" : nothing}</span>`;
}

/** `1.2kB`, in a cell. */
export function bytes(number: number): TemplateResult {
  return html`<td class="number mono" title="${number} bytes">${size(number)}</td>`;
}
