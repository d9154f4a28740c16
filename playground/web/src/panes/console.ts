// The command line, what it has printed, and the timeline.

import { css, html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { base } from "../style.js";
import type { OutputView } from "../types.js";
import { Pane } from "./pane.js";

/** Begins of lines that Tab completes. */
const COMMANDS = [
  "coracle build -t ",
  "coracle build --no-cache -t ",
  "coracle builder prune",
  "coracle commit ",
  "coracle diff ",
  "coracle exec ",
  "coracle help",
  "coracle history ",
  "coracle image ls-files ",
  "coracle images",
  "coracle ps",
  "coracle pull ",
  "coracle push ",
  "coracle rm ",
  "coracle rmi ",
  "coracle run --name ",
  "coracle system df",
  "coracle tag ",
  "coracle tags ",
  "pretend ",
];

interface Entry {
  line: string;
  output: OutputView[];
  code: number;
}

/** So many entries are kept on the screen. */
const MOST_ENTRIES = 100;

export class Console extends Pane {
  static override properties = { ...Pane.properties, entries: { state: true } };
  static override styles = [
    base,
    css`
      :host {
        display: grid;
        grid-template-rows: minmax(0, 1fr) auto auto;
        min-height: 0;
        background: var(--panel);
      }
      .log {
        padding: 8px 12px;
      }
      .log pre {
        margin-bottom: 6px;
      }
      .prompt {
        color: var(--accent);
      }
      form {
        display: flex;
        align-items: center;
        gap: 8px;
        padding: 4px 12px;
        border-top: 1px solid var(--line);
      }
      input {
        flex: 1;
        min-width: 0;
        font-family: var(--mono);
        font-size: 13px;
      }
      ol {
        display: flex;
        gap: 2px;
        list-style: none;
        margin: 0;
        padding: 4px 12px;
        overflow-x: auto;
        border-top: 1px solid var(--line);
        align-items: center;
      }
      ol button {
        font-size: 12px;
        white-space: nowrap;
        max-width: 220px;
        overflow: hidden;
        text-overflow: ellipsis;
      }
      ol button.undone {
        color: var(--muted);
        text-decoration: line-through;
      }
    `,
  ];

  declare entries: Entry[];
  #history: string[] = [];
  #at = 0;

  constructor() {
    super();
    this.entries = [];
  }

  /** Shows what a line printed. */
  add(entry: Entry): void {
    this.entries = [...this.entries, entry].slice(-MOST_ENTRIES);
  }

  override focus(): void {
    this.renderRoot.querySelector("input")?.focus();
  }

  override render(): TemplateResult | typeof nothing {
    const view = this.view;
    if (!view) return nothing;
    return html`
      <div class="log scroll" role="log" aria-label="What commands have printed" tabindex="0">
        ${this.entries.length === 0
          ? html`<p class="muted">
              Type <code>coracle help</code> for the commands, or change a file and press Build. Files
              are changed as in a shell. RUN is simulated; packages have a thousandth of their true sizes.
            </p>`
          : this.entries.map(
              (entry) => html`<pre><span class="prompt">$</span> ${entry.line}
${entry.output.map((o) => html`<span class=${o.stream === 2 && entry.code !== 0 ? "bad" : ""}>${o.text}</span>`)}${entry.code === 0 ? nothing : html`<span class="bad">exit code ${entry.code}</span>`}</pre>`,
            )}
      </div>
      <form @submit=${this.#submit}>
        <label class="mono prompt" for="line" aria-label="Command line">$</label>
        <input id="line" autocomplete="off" autocapitalize="off" spellcheck="false" placeholder="coracle images" @keydown=${this.#key} />
        <button>Run</button>
      </form>
      <ol aria-label="Timeline: what has been done">
        <li>
          <button class="quiet" title="Go back to the beginning" aria-pressed=${view.position === 0 ? "true" : "false"} @click=${() => this.wish("go", 0)}>start</button>
        </li>
        ${view.timeline.map(
          (act, index) => html`<li>
            <button
              class="quiet ${act.code === null ? "undone" : ""}"
              title=${act.text}
              aria-pressed=${view.position === index + 1 ? "true" : "false"}
              @click=${() => this.wish("go", index + 1)}
            >
              ${act.title}${act.code !== null && act.code !== 0 ? html` <span class="bad">(${act.code})</span>` : nothing}
            </button>
          </li>`,
        )}
      </ol>
    `;
  }

  protected override updated(changed: PropertyValues): void {
    if (changed.has("entries")) {
      const log = this.renderRoot.querySelector(".log");
      log?.scrollTo({ top: log.scrollHeight });
    }
  }

  #submit = (event: Event): void => {
    event.preventDefault();
    const input = this.renderRoot.querySelector("input");
    const line = input?.value.trim() ?? "";
    if (!input || line === "") return;
    this.#history.push(line);
    this.#at = this.#history.length;
    input.value = "";
    this.wish("run", line);
  };

  #key = (event: KeyboardEvent): void => {
    const input = event.currentTarget as HTMLInputElement;
    if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      event.preventDefault();
      this.#at = Math.max(0, Math.min(this.#history.length, this.#at + (event.key === "ArrowUp" ? -1 : 1)));
      input.value = this.#history[this.#at] ?? "";
      return;
    }
    // Tab leaves the field unless there is something to complete.
    if (event.key === "Tab" && !event.shiftKey && input.value !== "") {
      const found = this.#complete(input.value);
      if (found !== null) {
        event.preventDefault();
        input.value = found;
      }
    }
  };

  #complete(typed: string): string | null {
    const names = [
      ...(this.view?.images ?? []).flatMap((image) => image.references),
      ...(this.view?.containers ?? []).map((container) => container.name),
      ...(this.view?.files ?? []).map((file) => file.path),
    ];
    const last = typed.split(" ").pop() ?? "";
    const head = typed.slice(0, typed.length - last.length);
    const candidates = [
      ...COMMANDS,
      ...(last === "" ? [] : names.map((name) => head + name)),
    ].filter((line) => line.startsWith(typed) && line.length > typed.length);
    const [first, ...rest] = candidates;
    if (first === undefined) return null;
    let shared = first;
    for (const line of rest) {
      while (!line.startsWith(shared)) shared = shared.slice(0, -1);
    }
    return shared.length > typed.length ? shared : null;
  }
}

customElements.define("coracle-console", Console);
