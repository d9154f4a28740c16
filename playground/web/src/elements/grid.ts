// The elements that show a table: layers, a difference, an overlay, a cache, digests, a push.

import { html, nothing, type PropertyDeclarations, type TemplateResult } from "lit";
import type { Cell, View } from "../types.js";
import { Widget } from "./widget.js";

const KINDS = ["layers", "diff", "overlay", "cache", "digest", "registry"] as const;

export class Grid extends Widget {
  static override properties: PropertyDeclarations = {
    ...Widget.properties,
    layer: { type: Number },
    edit: { type: String },
    line: { type: String },
    head: { state: true },
    rows: { state: true },
  };

  declare layer: number;
  declare edit: string;
  declare line: string;
  declare head: string[];
  declare rows: Cell[][];

  constructor() {
    super();
    this.layer = 0;
    this.edit = "";
    this.line = "";
    this.head = [];
    this.rows = [];
  }

  /** Draws a new view once its table is here, too. */
  protected override show(view: View): void {
    const kind = this.localName.replace("coracle-", "");
    void this.client
      ?.look({ look: "grid", kind, of: this.of, layer: this.layer })
      .then((seen) => {
        if (seen.seen === "grid") [this.head, this.rows, this.why] = [seen.head, seen.rows, ""];
        else if (seen.seen === "nothing") this.why = seen.why;
        super.show(view);
      });
  }

  protected override body(): TemplateResult {
    return html`
      ${this.edit === ""
        ? nothing
        : html`<label>${this.edit}
            <textarea
              rows=${Math.min(12, this.file(this.edit).split("\n").length)}
              spellcheck="false"
              .value=${this.file(this.edit)}
              @input=${(event: Event) => this.write(this.edit, (event.target as HTMLTextAreaElement).value)}
            ></textarea></label>`}
      ${this.line === ""
        ? nothing
        : html`<form class="row" @submit=${this.#submit}>
            <input class="fill mono" aria-label="A line to try" .value=${this.line} /><button>Run</button>
          </form>`}
      ${this.view?.code === 0 ? nothing : html`<pre class="bad">${this.view?.output.map((o) => o.text).join("")}</pre>`}
      ${this.why === "" ? nothing : html`<p class="muted">${this.why}</p>`}
      <table>
        <thead>
          <tr>${this.head.map((text) => html`<th>${text}</th>`)}</tr>
        </thead>
        <tbody>
          ${this.rows.map((row) => html`<tr>${row.map(cell)}</tr>`)}
        </tbody>
      </table>
    `;
  }

  #submit = (event: Event): void => {
    event.preventDefault();
    const input = (event.target as HTMLFormElement).querySelector("input");
    if (input) void this.run(input.value);
  };
}

function cell(cell: Cell): TemplateResult {
  const tones: Record<string, string> = {
    code: "mono",
    number: "number mono",
    new: "good",
    changed: "changed",
    gone: "bad",
    none: "muted",
  };
  return html`<td class=${tones[cell.tone] ?? ""}>${cell.text}</td>`;
}

for (const kind of KINDS) {
  // An element's class stands for one name only.
  customElements.define(`coracle-${kind}`, class extends Grid {});
}
