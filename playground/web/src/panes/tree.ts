// The files of a stack or a layer: a treegrid of any length, of which only what is seen is drawn.

import { css, html, type PropertyValues, type TemplateResult } from "lit";
import { fileCells } from "../draw/tables.js";
import { base } from "../style.js";
import type { FileRow } from "../types.js";
import { Pane } from "./pane.js";

/** The height of a row, in CSS pixels. */
const ROW = 24;

/** So many rows are fetched at a time. */
const PAGE = 200;

export class Tree extends Pane {
  static override properties = {
    ...Pane.properties,
    of: { type: String },
    layer: { attribute: false },
    filter: { state: true },
    rows: { state: true },
    active: { state: true },
    why: { state: true },
  };
  static override styles = [
    base,
    css`
      :host {
        display: grid;
        grid-template-rows: auto minmax(0, 1fr);
        min-height: 0;
        height: 100%;
      }
      .tools {
        padding: 6px 0;
      }
      .grid {
        overflow: auto;
        position: relative;
        min-height: 120px;
        border: 1px solid var(--line);
      }
      .head,
      .line {
        display: grid;
        grid-template-columns: 28px minmax(14ch, 1fr) 10ch 7ch 8ch 8ch;
        gap: 0 8px;
        align-items: center;
        height: ${ROW}px;
        padding: 0 8px;
      }
      .head {
        position: sticky;
        top: 0;
        background: var(--panel);
        z-index: 1;
        color: var(--muted);
      }
      .line {
        position: absolute;
        left: 0;
        right: 0;
      }
      .line:hover,
      .line[aria-selected="true"] {
        background: var(--mark);
      }
      .path {
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      .size {
        text-align: right;
      }
      @media (max-width: 600px) {
        .head,
        .line {
          grid-template-columns: 28px minmax(10ch, 1fr) 8ch;
        }
        .mode,
        .owner,
        .from,
        .head span:nth-child(3),
        .head span:nth-child(4),
        .head span:nth-child(6) {
          display: none;
        }
      }
    `,
  ];

  declare of: string;
  declare layer: number | null;
  declare filter: string;
  declare rows: Map<number, FileRow>;
  declare active: number;
  declare why: string;
  #matched = 0;
  #total = 0;
  #asked = new Set<number>();
  #generation = 0;

  constructor() {
    super();
    this.of = "build";
    this.layer = null;
    this.filter = "";
    this.rows = new Map();
    this.active = 0;
    this.why = "";
  }

  protected override willUpdate(changed: PropertyValues): void {
    if (["of", "layer", "filter", "view"].some((name) => changed.has(name))) {
      this.#asked.clear();
      this.#generation += 1;
      void this.#fetch(this.#firstSeen());
    }
  }

  #firstSeen(): number {
    const grid = this.renderRoot.querySelector(".grid");
    return Math.floor((grid?.scrollTop ?? 0) / ROW / PAGE) * PAGE;
  }

  async #fetch(start: number): Promise<void> {
    if (!this.client || this.#asked.has(start)) return;
    this.#asked.add(start);
    const generation = this.#generation;
    const layer = this.layer === null ? {} : { layer: this.layer };
    const seen = await this.client.look({ look: "files", of: this.of, ...layer, filter: this.filter, start, count: PAGE });
    if (generation !== this.#generation) return;
    if (seen.seen !== "files") {
      this.why = seen.seen === "nothing" ? seen.why : "";
      this.rows = new Map();
      this.#matched = 0;
      return;
    }
    this.why = "";
    this.#matched = seen.matched;
    this.#total = seen.total;
    const fresh = this.#asked.size === 1 ? new Map<number, FileRow>() : new Map(this.rows);
    seen.rows.forEach((row, i) => fresh.set(start + i, row));
    this.rows = fresh;
  }

  override render(): TemplateResult {
    const merged = this.layer === null;
    return html`
      <div class="tools row">
        <input
          type="search"
          class="fill"
          aria-label="Only paths that contain"
          placeholder="filter paths"
          .value=${this.filter}
          @input=${(event: Event) => (this.filter = (event.target as HTMLInputElement).value)}
        />
        <span class="muted" aria-live="polite">${this.filter === "" ? `${this.#total} entries` : `${this.#matched} of ${this.#total}`}</span>
      </div>
      ${this.why === ""
        ? html`<div
            class="grid"
            role="treegrid"
            aria-label=${merged ? "Files that are seen" : `Files of layer ${this.layer}`}
            aria-rowcount=${this.#matched + 1}
            tabindex="0"
            aria-activedescendant="line-${this.active}"
            @scroll=${this.#scrolled}
            @keydown=${this.#key}
          >
            <div class="head" role="row" aria-rowindex="1">
              <span role="columnheader"><span class="visually-hidden">Change</span></span><span role="columnheader">Path</span
              ><span role="columnheader">Mode</span><span role="columnheader">Owner</span><span role="columnheader" class="size">Size</span
              ><span role="columnheader">${merged ? "From" : ""}</span>
            </div>
            <div role="presentation" class="space"></div>
            ${this.#lines(merged)}
          </div>`
        : html`<p class="muted">${this.why}</p>`}
    `;
  }

  #lines(merged: boolean): TemplateResult[] {
    const grid = this.renderRoot.querySelector(".grid");
    const top = Math.max(0, Math.floor((grid?.scrollTop ?? 0) / ROW) - 10);
    const seen = Math.ceil((grid?.clientHeight ?? 600) / ROW) + 20;
    const lines: TemplateResult[] = [];
    for (let i = top; i < Math.min(top + seen, this.#matched); i += 1) {
      const row = this.rows.get(i);
      if (!row) {
        void this.#fetch(Math.floor(i / PAGE) * PAGE);
        continue;
      }
      lines.push(html`<div
        class="line"
        role="row"
        id="line-${i}"
        aria-rowindex=${i + 2}
        aria-level=${row.path.replace(/\/$/, "").split("/").length}
        aria-selected=${i === this.active ? "true" : "false"}
        data-row=${i}
        @click=${() => this.#choose(i)}
      >
        ${fileCells(row, merged)}
      </div>`);
    }
    return lines;
  }

  protected override updated(): void {
    // Places are set by script: the page's policy allows no style attributes in markup.
    const space = this.renderRoot.querySelector<HTMLElement>(".space");
    if (space) space.style.height = `${this.#matched * ROW}px`;
    for (const line of this.renderRoot.querySelectorAll<HTMLElement>(".line")) {
      line.style.top = `${(Number(line.dataset["row"]) + 1) * ROW}px`;
    }
  }

  #scrolled = (): void => this.requestUpdate();

  #choose(row: number): void {
    this.active = row;
    const file = this.rows.get(row);
    if (file) this.wish("inspect", { path: `/${file.path.replace(/\/$/, "")}` });
  }

  #key = (event: KeyboardEvent): void => {
    const page = 15;
    const last = this.#matched - 1;
    const to: Record<string, number> = {
      ArrowDown: this.active + 1,
      ArrowUp: this.active - 1,
      PageDown: this.active + page,
      PageUp: this.active - page,
      Home: 0,
      End: last,
    };
    if (event.key === "Enter") {
      this.#choose(this.active);
      return;
    }
    const next = to[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.active = Math.max(0, Math.min(last, next));
    const grid = event.currentTarget as HTMLElement;
    const y = (this.active + 1) * ROW;
    if (y < grid.scrollTop + ROW) grid.scrollTop = y - ROW;
    if (y > grid.scrollTop + grid.clientHeight - ROW) grid.scrollTop = y - grid.clientHeight + ROW;
  };
}

customElements.define("coracle-tree", Tree);
