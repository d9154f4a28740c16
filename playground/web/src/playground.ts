// The page: panes around one session, and everything that goes in and out of it.

import { LitElement, css, html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { Client } from "./client.js";
import type { ViewCall } from "./calls.js";
import type { Console } from "./panes/console.js";
import type { Files } from "./panes/files.js";
import "./panes/console.js";
import "./panes/files.js";
import "./panes/inspector.js";
import "./panes/level.js";
import type { Wishes } from "./panes/pane.js";
import "./panes/steps.js";
import { base } from "./style.js";
import { theme } from "./theme.js";
import type { EditView, View } from "./types.js";
import { size } from "./words.js";

/** A larger file is refused before it is read, in bytes: a tab cannot hold it. */
const MOST_FILE = 1_000_000_000;

const PANES = ["files", "steps", "inspect", "console"] as const;
type PaneName = (typeof PANES)[number];

export class Playground extends LitElement {
  static override properties = {
    view: { state: true },
    path: { state: true },
    of: { state: true },
    layer: { state: true },
    tab: { state: true },
    file: { state: true },
    pane: { state: true },
    said: { state: true },
    listing: { state: true },
    dead: { state: true },
    dropping: { state: true },
  };
  static override styles = [
    base,
    css`
      :host {
        height: 100dvh;
        display: flex;
        flex-direction: column;
      }
      header {
        padding: 6px 12px;
        border-bottom: 1px solid var(--line);
      }
      h1 {
        font-size: 15px;
        margin: 0 8px 0 0;
      }
      :host([embedded]) {
        height: 720px;
        margin: 16px 0;
        border: 1px solid var(--line);
      }
      .panes {
        flex: 1;
        display: grid;
        grid-template-columns: minmax(300px, 1fr) minmax(320px, 1fr) minmax(380px, 1.35fr);
        grid-template-rows: minmax(0, 1fr) minmax(150px, 30%);
        min-height: 0;
      }
      .panes > * {
        border-right: 1px solid var(--line);
        min-height: 0;
        min-width: 0;
        overflow: hidden;
      }
      coracle-console {
        grid-column: 1 / -1;
        border-top: 1px solid var(--line);
        border-right: 0;
      }
      .switch {
        display: none;
        padding: 4px 12px;
        border-bottom: 1px solid var(--line);
      }
      .said {
        padding: 4px 12px;
        background: var(--mark);
        border-bottom: 1px solid var(--line);
        overflow-wrap: anywhere;
      }
      .invite {
        margin: 0;
        padding: 4px 12px;
        border-bottom: 1px solid var(--faint);
        background: var(--panel);
      }
      .menu {
        position: relative;
      }
      .menu > div {
        position: absolute;
        right: 0;
        z-index: 5;
        background: var(--ground);
        border: 1px solid var(--line);
        padding: 8px;
        display: grid;
        gap: 4px;
        min-width: 220px;
      }
      summary {
        cursor: pointer;
        padding: 3px 8px;
        border: 1px solid var(--line);
        border-radius: 3px;
        list-style: none;
      }
      summary::-webkit-details-marker {
        display: none;
      }
      @media (max-width: 1180px) {
        .panes {
          grid-template-columns: minmax(0, 1fr) minmax(0, 1fr);
          grid-template-rows: minmax(0, 1fr) minmax(0, 1fr) minmax(140px, 24%);
        }
        coracle-inspector {
          grid-column: 1 / -1;
          border-top: 1px solid var(--line);
        }
      }
      @media (max-width: 760px) {
        :host {
          height: auto;
          min-height: 100dvh;
        }
        .switch {
          display: flex;
          gap: 4px;
          overflow-x: auto;
        }
        .panes {
          grid-template-columns: minmax(0, 1fr);
          grid-template-rows: minmax(60dvh, 1fr);
        }
        .panes > * {
          border-right: 0;
          min-height: 60dvh;
        }
        .panes > :not([data-shown]) {
          display: none !important;
        }
      }
    `,
  ];

  declare view: View | undefined;
  declare path: string;
  declare of: string;
  declare layer: number | null;
  declare tab: string;
  declare file: string;
  declare pane: PaneName;
  declare said: string;
  declare listing: boolean;
  declare dead: string;
  declare dropping: boolean;
  #client: Client | undefined;

  constructor() {
    super();
    this.path = "Dockerfile";
    this.of = "build";
    this.layer = null;
    this.tab = "tree";
    this.file = "";
    this.pane = "files";
    this.said = "";
    this.listing = false;
    this.dead = "";
    this.dropping = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    void this.#start();
    // In a page of the book, what stands behind # is a place of that page.
    if (!this.#embedded) window.addEventListener("hashchange", this.#hash);
    // Keys that are typed here are not for a book around the page.
    this.addEventListener("keydown", (event) => event.stopPropagation());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.removeEventListener("hashchange", this.#hash);
  }

  async #start(): Promise<void> {
    if (typeof WebAssembly !== "object") {
      this.dead = "This browser has no WebAssembly, which the engine needs. A current Firefox, Chrome, Edge or Safari has it.";
      return;
    }
    try {
      this.#client = new Client();
      await this.#call({ call: "view" });
      const log = this.querySelector("script[type='text/plain']")?.textContent?.trimStart();
      if (log) await this.#call({ call: "open", log: log.replaceAll("<\\/", "</") });
      else if (this.view && !this.#embedded) await this.#hash();
    } catch (error) {
      this.dead = `The engine cannot be started: ${(error as Error).message}. Reload the page; it has to come from a server, not from a folder.`;
    }
  }

  get #embedded(): boolean {
    return this.hasAttribute("embedded");
  }

  /** What stands behind # in the address: a session, or a level. */
  #hash = async (): Promise<void> => {
    const fragment = location.hash.slice(1);
    if (fragment.startsWith("level=")) await this.#call({ call: "level", id: fragment.slice(6) });
    else if (fragment !== "") {
      const before = this.view;
      await this.#call({ call: "unshare", fragment });
      if (before && this.view && this.view.status.startsWith("This link")) this.said = this.view.status;
    }
  };

  async #call(call: ViewCall): Promise<View | undefined> {
    try {
      this.view = await this.#client!.view(call);
      return this.view;
    } catch (error) {
      await this.#revive(error as Error);
      return undefined;
    }
  }

  /** The engine has died: it is started anew, with all that had been done. */
  async #revive(error: Error): Promise<void> {
    if (!this.view) throw error;
    this.said = `The engine stopped (${error.message}). It was started anew with all that had been done before.`;
    this.view = await this.#client!.restart();
  }

  override render(): TemplateResult {
    // In a page of the book the table that it was printed with is shown until this lives.
    if (this.#embedded && !this.view) return html`<slot></slot>`;
    if (this.dead !== "") return html`<p class="said" role="alert">${this.dead}</p>`;
    if (!this.view) return html`<p class="said">The engine is being loaded…</p>`;
    const level = this.view.level;
    return html`
      <header class="row">
        <h1>Coracle playground</h1>
        <span class="fill"></span>
        <button ?disabled=${this.view.position === 0} @click=${() => this.#call({ call: "undo" })}>Undo</button>
        <button ?disabled=${this.view.position === this.view.timeline.length} @click=${() => this.#call({ call: "redo" })}>Redo</button>
        <button aria-pressed=${this.listing ? "true" : "false"} @click=${() => (this.listing = !this.listing)}>Levels</button>
        ${this.#archives()}
        <button @click=${this.#share}>Share</button>
        <label class="row"><span class="visually-hidden">Theme</span>
          <select @change=${(event: Event) => theme.set((event.target as HTMLSelectElement).value)}>
            ${["system", "light", "dark"].map((name) => html`<option value=${name} ?selected=${theme.get() === name}>${name}</option>`)}
          </select>
        </label>
        <a href="../book/index.html">Book</a>
      </header>
      <div>
        ${this.said === "" ? nothing : html`<div class="said row" role="alert"><span class="fill">${this.said}</span><button class="quiet" @click=${() => (this.said = "")}>close</button></div>`}
        ${this.listing || level
          ? html`<coracle-level .view=${this.view} .client=${this.#client} .listing=${this.listing}></coracle-level>`
          : this.view.position <= 3 && location.hash === ""
            ? html`<p class="invite">A Dockerfile, already built into layers. Change <code>hello from a layer</code> in <button class="quiet mono" @click=${() => this.#open("greet.sh")}>greet.sh</button> and watch which steps have to be made again.</p>`
            : nothing}
        <div class="visually-hidden" role="status" aria-live="polite">${this.view.status}</div>
      </div>
      <nav class="switch" aria-label="Panes">
        ${PANES.map((name) => html`<button aria-pressed=${this.pane === name ? "true" : "false"} @click=${() => (this.pane = name)}>${name}</button>`)}
      </nav>
      ${this.#panes(this.view)}
    `;
  }

  #panes(view: View): TemplateResult {
    const client = this.#client;
    const shown = (name: PaneName): boolean => this.pane === name;
    return html`
      <main
        class="panes"
        @wish-run=${(event: CustomEvent<Wishes["run"]>) => this.#run(event.detail)}
        @wish-write=${(event: CustomEvent<Wishes["write"]>) => this.#write(event.detail.path, event.detail.text)}
        @wish-open=${(event: CustomEvent<Wishes["open"]>) => this.#open(event.detail)}
        @wish-inspect=${(event: CustomEvent<Wishes["inspect"]>) => this.#inspect(event.detail)}
        @wish-go=${(event: CustomEvent<Wishes["go"]>) => this.#call({ call: "go", position: event.detail })}
        @mend=${(event: CustomEvent<{ edits: EditView[] }>) => this.#mend(event.detail.edits)}
        @say=${(event: CustomEvent<string>) => (this.said = event.detail)}
        @dragover=${(event: DragEvent) => event.preventDefault()}
        @drop=${this.#drop}
      >
        <coracle-files .view=${view} .path=${this.path} ?data-shown=${shown("files")}></coracle-files>
        <coracle-steps .view=${view} ?data-shown=${shown("steps")}></coracle-steps>
        <coracle-inspector
          .view=${view}
          .client=${client}
          .tab=${this.tab}
          .of=${this.of}
          .layer=${this.layer}
          .path=${this.file}
          ?data-shown=${shown("inspect")}
        ></coracle-inspector>
        <coracle-console .view=${view} ?data-shown=${shown("console")}></coracle-console>
      </main>
    `;
  }

  protected override firstUpdated(): void {
    this.renderRoot.addEventListener("wish-level", ((event: CustomEvent<string>) => {
      this.listing = false;
      if (!this.#embedded) history.replaceState(null, "", event.detail === "" ? "#" : `#level=${event.detail}`);
      void this.#call({ call: "level", id: event.detail });
    }) as EventListener);
    this.renderRoot.addEventListener("wish-inspect", (() => (this.listing = false)) as EventListener);
    this.renderRoot.addEventListener("say", (event) => {
      this.said = (event as CustomEvent<string>).detail;
    });
  }

  protected override updated(changed: PropertyValues): void {
    if (changed.has("view") && this.view) {
      if (!this.#embedded) document.title = this.view.level ? `${this.view.level.title} – Coracle playground` : "Coracle playground";
    }
  }

  async #run(line: string): Promise<void> {
    const before = this.view?.timeline.length ?? 0;
    const view = await this.#call({ call: "run", script: `${line}\n` });
    const log = this.renderRoot.querySelector<Console>("coracle-console");
    if (view && log) log.add({ line, output: view.output, code: view.timeline.length === before ? 0 : view.code });
    // What only prints is seen in the console; what builds, in the steps.
    if (this.pane === "files" && line.startsWith("coracle build")) this.pane = "steps";
  }

  async #write(path: string, text: string): Promise<void> {
    try {
      this.view = await this.#client!.write(path, text);
    } catch (error) {
      await this.#revive(error as Error);
    }
  }

  #open(path: string): void {
    this.path = path;
    this.pane = "files";
    const files = this.renderRoot.querySelector<Files>("coracle-files");
    void files?.updateComplete.then(() => files.focus());
  }

  #inspect(detail: Wishes["inspect"]): void {
    if (detail.of !== undefined) this.of = detail.of;
    if (detail.layer !== undefined) this.layer = detail.layer;
    if (detail.tab !== undefined) this.tab = detail.tab;
    if (detail.path !== undefined) {
      this.file = detail.path;
      this.tab = "file";
    }
    if (detail.of !== undefined && detail.tab === undefined && !["tree", "overlay"].includes(this.tab)) this.tab = "tree";
    if (Object.keys(detail).length > 0) this.pane = "inspect";
  }

  #mend(edits: EditView[]): void {
    const text = this.view?.files.find((file) => file.path === "Dockerfile")?.text;
    if (text === null || text === undefined) return;
    const mended = edits.reduce((t, edit) => t.slice(0, edit.from) + edit.text + t.slice(edit.to), text);
    void this.#write("Dockerfile", mended);
  }

  #archives(): TemplateResult {
    const names = ["build", ...(this.view?.images ?? []).flatMap((image) => image.references)];
    const field = (event: Event, name: string): string => {
      const form = (event.currentTarget as HTMLElement).closest("div");
      return form?.querySelector<HTMLSelectElement>(`[name=${name}]`)?.value ?? "";
    };
    const leave = (event: KeyboardEvent): void => {
      if (event.key === "Escape") this.#closeMenu();
    };
    return html`<details class="menu" @keydown=${leave}>
      <summary>Files</summary>
      <div>
        <label>Import what docker save, Podman or Skopeo wrote
          <input type="file" accept=".tar,.tgz,.gz,.zst,application/x-tar,application/gzip" @change=${(event: Event) => this.#import((event.target as HTMLInputElement).files?.[0])} />
        </label>
        <label>Export <select name="image">${names.map((name) => html`<option value=${name}>${name === "build" ? "what the Dockerfile makes" : name}</option>`)}</select></label>
        <label>as <select name="format"><option value="docker">docker load reads it</option><option value="oci">an OCI layout</option></select></label>
        <label>packed <select name="gzip"><option value="">not</option><option value="1">with gzip</option></select></label>
        <button @click=${(event: Event) => this.#export(field(event, "image"), field(event, "format"), field(event, "gzip") !== "")}>Export</button>
        <button @click=${this.#saveLog}>Save the session as a script</button>
        <label>Open such a script <input type="file" accept=".sh,text/plain" @change=${(event: Event) => this.#openLog((event.target as HTMLInputElement).files?.[0])} /></label>
      </div>
    </details>`;
  }

  /** The menu lies over the inspector, so it goes once something was chosen. */
  #closeMenu(): void {
    this.renderRoot.querySelector("details.menu")?.removeAttribute("open");
  }

  async #import(file: File | undefined): Promise<void> {
    if (!file) return;
    this.#closeMenu();
    if (file.size > MOST_FILE) {
      this.said = `${file.name} has ${size(file.size)}, more than this page reads (${size(MOST_FILE)}). Load it with coracle load -i ${file.name} on a machine of your own.`;
      return;
    }
    this.said = `${file.name} is being read…`;
    const view = await this.#call({ call: "load", file });
    this.said = view && view.code !== 0 ? view.output.map((o) => o.text).join("") : "";
    if (view?.code === 0) this.#inspect({ tab: "images" });
    const log = this.renderRoot.querySelector<Console>("coracle-console");
    if (view && log) log.add({ line: `coracle load -i ${file.name}`, output: view.output, code: view.code });
  }

  async #export(reference: string, format: string, gzip: boolean): Promise<void> {
    this.#closeMenu();
    try {
      const kind = format === "oci" ? "oci" : "docker";
      const blob = await this.#client!.save({ call: "save", reference, format: kind, gzip });
      download(blob, `${reference.replaceAll(/[^\w.-]/g, "-")}.tar${gzip ? ".gz" : ""}`);
    } catch (error) {
      this.said = (error as Error).message;
    }
  }

  #saveLog = async (): Promise<void> => {
    const log = await this.#client!.text({ call: "log" });
    download(new Blob([log], { type: "text/plain" }), "session.sh");
  };

  async #openLog(file: File | undefined): Promise<void> {
    if (file) await this.#call({ call: "open", log: await file.text() });
  }

  #share = async (): Promise<void> => {
    const fragment = await this.#client!.text({ call: "share" });
    if (fragment === "") {
      this.said = "This session is too long for a link. It was saved as a script instead; whoever gets it opens it here.";
      await this.#saveLog();
      return;
    }
    const link = new URL(`./index.html#${fragment}`, import.meta.url).href;
    if (!this.#embedded) history.replaceState(null, "", `#${fragment}`);
    try {
      await navigator.clipboard.writeText(link);
      this.said = "The link is in the clipboard, and in the address above.";
    } catch {
      this.said = this.#embedded ? link : "The link is in the address above.";
    }
  };

  #drop = (event: DragEvent): void => {
    event.preventDefault();
    void this.#import(event.dataTransfer?.files[0]);
  };
}

/** Gives a file to whoever sits before the page. */
function download(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

customElements.define("coracle-playground", Playground);
