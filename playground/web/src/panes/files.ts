// The project's files, and the editor.

import { css, html, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { Editor } from "../editor.js";
import { base } from "../style.js";
import type { FileView } from "../types.js";
import { size } from "../words.js";
import { Pane, quote } from "./pane.js";

/** A text that is longer than this is not edited here, in characters. */
const MOST_TEXT = 1_048_576;

export class Files extends Pane {
  static override properties = {
    ...Pane.properties,
    path: { type: String },
    naming: { state: true },
    plain: { state: true },
  };
  static override styles = [
    base,
    css`
      :host {
        display: grid;
        grid-template-rows: auto minmax(0, 1fr);
        min-height: 0;
      }
      ul {
        list-style: none;
        margin: 0;
        padding: 4px 8px;
        display: flex;
        flex-wrap: wrap;
        gap: 2px 4px;
        border-bottom: 1px solid var(--line);
        max-height: 132px;
        overflow: auto;
      }
      li {
        display: flex;
        align-items: center;
      }
      li button {
        font-family: var(--mono);
        font-size: 12.5px;
      }
      .hidden-file {
        text-decoration: line-through;
        color: var(--muted);
      }
      .editor {
        min-height: 0;
        overflow: hidden;
        height: 100%;
      }
      textarea {
        width: 100%;
        height: 100%;
        resize: none;
        border: 0;
        border-radius: 0;
        font-family: var(--mono);
        font-size: 13px;
        padding: 8px 12px;
      }
      .note {
        padding: 12px;
      }
      form {
        display: flex;
        gap: 4px;
      }
    `,
  ];

  declare path: string;
  declare naming: boolean;
  declare plain: boolean;
  #editor: Editor | null = null;
  #loading = false;
  /** Whether somebody waits to type. */
  #wanted = false;
  /** What the editor holds and the engine has not answered yet. */
  #typed: string | null = null;

  constructor() {
    super();
    this.path = "Dockerfile";
    this.naming = false;
    this.plain = false;
  }

  override render(): TemplateResult | typeof nothing {
    if (!this.view) return nothing;
    const files = this.view.files.filter((file) => file.kind !== "dir");
    const file = files.find((one) => one.path === this.path);
    return html`
      <div>
        <ul aria-label="Files of the project">
          ${files.map((one) => this.#entry(one))}
          <li>${this.naming ? this.#nameForm() : html`<button class="quiet" @click=${() => (this.naming = true)}>+ file</button>`}</li>
          ${file ? this.#actions(file) : nothing}
        </ul>
      </div>
      ${this.#body(file)}
    `;
  }

  #entry(file: FileView): TemplateResult {
    const hidden = file.hidden_by;
    const title = hidden === null ? `${file.path}, ${size(file.size)}` : `${file.path} is not in the build: line ${hidden} of the ignore file`;
    return html`<li>
      <button
        class="quiet ${hidden === null ? "" : "hidden-file"}"
        aria-pressed=${file.path === this.path ? "true" : "false"}
        title=${title}
        @click=${() => this.wish("open", file.path)}
      >
        ${file.path}${hidden === null ? nothing : html`<span class="visually-hidden"> (left out of the build)</span>`}
      </button>
    </li>`;
  }

  #nameForm(): TemplateResult {
    const submit = (event: Event): void => {
      event.preventDefault();
      const input = (event.currentTarget as HTMLFormElement).querySelector("input");
      const name = input?.value.trim() ?? "";
      this.naming = false;
      if (name === "") return;
      this.wish("write", { path: name, text: "" });
      this.wish("open", name);
    };
    return html`<form @submit=${submit}>
      <input aria-label="Name of the new file" placeholder="app/config.txt" size="16" autofocus />
      <button>Add</button>
    </form>`;
  }

  #actions(file: FileView): TemplateResult {
    const rename = (): void => {
      const name = window.prompt("The file's new name", file.path)?.trim();
      if (!name || name === file.path) return;
      this.wish("run", `mv ${quote(file.path)} ${quote(name)}`);
      this.wish("open", name);
    };
    return html`
      <li><button class="quiet muted" @click=${rename} title="Rename ${file.path}">rename</button></li>
      <li>
        <button class="quiet muted" @click=${() => this.wish("run", `rm ${quote(file.path)}`)} title="Delete ${file.path}; undo brings it back">
          delete
        </button>
      </li>
    `;
  }

  #body(file: FileView | undefined): TemplateResult {
    if (!file) {
      return html`<p class="note muted">There is no file ${this.path}. Choose one above, or add one.</p>`;
    }
    if (file.text === null) {
      return html`<p class="note muted">${file.path} is ${file.kind === "symlink" ? "a link" : "no text, or too long to be edited here"} (${size(file.size)}). The build takes it as it is.</p>`;
    }
    if (this.plain) {
      return html`<textarea
        aria-label="Text of ${file.path}"
        spellcheck="false"
        .value=${file.text}
        @input=${(event: Event) => this.#changed((event.target as HTMLTextAreaElement).value)}
      ></textarea>`;
    }
    return html`<div class="editor"></div>`;
  }

  protected override updated(changed: PropertyValues): void {
    const file = this.view?.files.find((one) => one.path === this.path);
    if (file?.text == null) {
      this.#drop();
      return;
    }
    const place = this.renderRoot.querySelector<HTMLElement>(".editor");
    if (place && !this.#editor) void this.#load(place);
    if (changed.has("path")) this.#typed = null;
    if (this.#typed === file.text) this.#typed = null;
    if (this.#editor && this.#typed === null) this.#editor.show(file.text, this.path);
    if (this.#wanted) this.focus();
    if (this.#editor && changed.has("view")) {
      const isDockerfile = this.path === "Dockerfile";
      this.#editor.mark(isDockerfile ? (this.view?.build.diagnostics ?? []) : []);
    }
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#drop();
  }

  /** The editor's chunk may not come: then a plain field does. */
  async #load(place: HTMLElement): Promise<void> {
    if (this.#loading) return;
    this.#loading = true;
    try {
      const { makeEditor } = await import("../editor.js");
      this.#editor = makeEditor(place, this.renderRoot as ShadowRoot, (text) => this.#changed(text));
      this.requestUpdate("view");
    } catch {
      this.plain = true;
    } finally {
      this.#loading = false;
    }
  }

  #drop(): void {
    this.#editor?.destroy();
    this.#editor = null;
  }

  #changed(text: string): void {
    if (text.length > MOST_TEXT) {
      this.dispatchEvent(
        new CustomEvent("say", {
          detail: "That text is longer than a megabyte, so it was not taken. Put it into an archive and import that.",
          bubbles: true,
          composed: true,
        }),
      );
      return;
    }
    this.#typed = text;
    this.wish("write", { path: this.path, text });
  }

  /** Puts the cursor at an offset of the text. */
  jump(offset: number): void {
    this.#editor?.jump(offset);
  }

  /** Goes to the text; to that of a file which is not there yet, as soon as it is. */
  override focus(): void {
    const there = this.view?.files.some((one) => one.path === this.path);
    const field = this.renderRoot.querySelector("textarea");
    this.#wanted = !there || (!this.#editor && !field);
    if (this.#wanted) return;
    if (this.#editor) this.#editor.focus();
    else field?.focus();
  }
}

customElements.define("coracle-files", Files);
