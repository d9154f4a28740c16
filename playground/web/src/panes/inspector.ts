// The inspector: one stack of layers, looked at from many sides.

import { css, html, nothing, type PropertyValues, type TemplateResult } from "lit";
import * as draw from "../draw/tables.js";
import { base } from "../style.js";
import type { DigestRow, Look, OverlayRow, Seen } from "../types.js";
import { count, size } from "../words.js";
import { Pane, quote } from "./pane.js";
import "./tree.js";

const TABS = ["tree", "file", "overlay", "digests", "images", "registry", "context", "lint", "json", "tar", "explain"] as const;
type Tab = (typeof TABS)[number];

const TITLES: Record<Tab, string> = {
  tree: "Tree",
  file: "File",
  overlay: "Overlay",
  digests: "Digests",
  images: "Images",
  registry: "Registry",
  context: "Context",
  lint: "Lint",
  json: "JSON",
  tar: "Tar",
  explain: "Explain",
};

export class Inspector extends Pane {
  static override properties = {
    ...Pane.properties,
    tab: { type: String },
    of: { type: String },
    layer: { attribute: false },
    path: { type: String },
    document: { state: true },
    filter: { state: true },
    all: { state: true },
    seen: { state: true },
  };
  static override styles = [
    base,
    css`
      :host {
        display: grid;
        grid-template-rows: auto auto minmax(0, 1fr);
        min-height: 0;
      }
      [role="tablist"] {
        display: flex;
        flex-wrap: wrap;
        gap: 0;
        padding: 6px 8px 0;
        border-bottom: 1px solid var(--line);
      }
      [role="tab"] {
        border-color: transparent;
        background: none;
        padding: 2px 8px;
      }
      .of {
        padding: 6px 12px;
        border-bottom: 1px solid var(--faint);
      }
      [role="tabpanel"] {
        padding: 8px 12px;
        overflow: auto;
        min-height: 0;
      }
      section {
        margin-bottom: 12px;
      }
      pre {
        background: var(--panel);
        padding: 6px 8px;
        max-height: 320px;
        overflow: auto;
      }
      h3 {
        margin: 8px 0 4px;
      }
      select {
        max-width: 24ch;
      }
    `,
  ];

  declare tab: Tab;
  declare of: string;
  declare layer: number | null;
  declare path: string;
  declare document: string;
  declare filter: string;
  declare all: boolean;
  declare seen: Seen | null;
  #digests = new Map<string, string>();
  #latest: DigestRow[] = [];
  #asked = 0;

  constructor() {
    super();
    this.tab = "tree";
    this.of = "build";
    this.layer = null;
    this.path = "";
    this.document = "config";
    this.filter = "";
    this.all = false;
    this.seen = null;
  }

  protected override willUpdate(changed: PropertyValues): void {
    const asked = ["tab", "of", "layer", "path", "document", "filter", "all", "view", "client"];
    if (asked.some((name) => changed.has(name))) void this.#look(changed.has("tab") || changed.has("of"));
  }

  async #look(fresh: boolean): Promise<void> {
    const wanted = this.#wanted();
    if (fresh) this.seen = null;
    if (!wanted || !this.client) return;
    const number = ++this.#asked;
    const seen = await this.client.look(wanted).catch((error: Error): Seen => ({ seen: "nothing", why: error.message }));
    if (number !== this.#asked) return;
    if (seen.seen === "digests") {
      this.#digests = fresh ? new Map() : new Map(this.#latest.map((row) => [row.name, row.digest]));
      this.#latest = seen.rows;
    }
    this.seen = seen;
  }

  #wanted(): Look | null {
    const of = this.of;
    switch (this.tab) {
      case "file":
        return this.path === "" ? null : { look: "file", of, path: this.path };
      case "overlay":
        return { look: "overlay", of, filter: this.filter, all: this.all };
      case "digests":
        return { look: "digests", of };
      case "json":
        return { look: "json", of, document: this.document };
      case "tar":
        return { look: "tar", of, layer: this.layer ?? 0 };
      case "context":
        return { look: "context" };
      case "explain":
        return { look: "explain" };
      default:
        return null;
    }
  }

  override render(): TemplateResult | typeof nothing {
    if (!this.view) return nothing;
    return html`
      <div role="tablist" aria-label="What to look at" @keydown=${this.#key}>
        ${TABS.map(
          (tab) => html`<button
            role="tab"
            id="tab-${tab}"
            aria-selected=${tab === this.tab ? "true" : "false"}
            aria-controls="panel"
            tabindex=${tab === this.tab ? "0" : "-1"}
            @click=${() => this.wish("inspect", { tab })}
          >
            ${TITLES[tab]}${tab === "lint" && this.view!.build.diagnostics.length > 0 ? ` ${this.view!.build.diagnostics.length}` : nothing}
          </button>`,
        )}
      </div>
      ${this.#chooser()}
      <div role="tabpanel" id="panel" aria-labelledby="tab-${this.tab}" tabindex="0">${this.#panel()}</div>
    `;
  }

  /** Which stack, and which layer of it. */
  #chooser(): TemplateResult {
    const ofStack = ["tree", "file", "overlay", "digests", "json", "tar"].includes(this.tab);
    if (!ofStack) return html`<div hidden></div>`;
    const view = this.view!;
    const steps = view.build.steps.map((step, i) => ({ value: `step ${i}`, text: `after ${step.text.slice(0, 40)}` }));
    const images = view.images.flatMap((image) => (image.references.length > 0 ? image.references : [image.digest]));
    const containers = view.containers.map((container) => `container ${container.name}`);
    const option = (value: string, text = value): TemplateResult => html`<option value=${value} ?selected=${value === this.of}>${text}</option>`;
    const layers = this.#layers();
    return html`<div class="of row">
      <label class="row">of
        <select @change=${(event: Event) => this.wish("inspect", { of: (event.target as HTMLSelectElement).value, layer: null })}>
          ${option("build", "what the Dockerfile makes now")}
          ${this.tab === "json" || this.tab === "digests" ? nothing : steps.map((s) => option(s.value, s.text))}
          ${images.map((name) => option(name, `image ${name.startsWith("sha256:") ? name.slice(7, 19) : name}`))}
          ${containers.map((name) => option(name))}
        </select>
      </label>
      ${this.tab === "tree" || this.tab === "tar"
        ? html`<label class="row">layer
            <select @change=${(event: Event) => {
              const value = (event.target as HTMLSelectElement).value;
              this.wish("inspect", { layer: value === "" ? null : Number(value) });
            }}>
              ${this.tab === "tree" ? html`<option value="" ?selected=${this.layer === null}>all, merged</option>` : nothing}
              ${layers.map((by, i) => html`<option value=${i} ?selected=${this.layer === i}>${i}: ${by.slice(0, 36)}</option>`)}
            </select>
          </label>`
        : nothing}
      ${this.tab === "json"
        ? html`<label class="row">document
            <select @change=${(event: Event) => (this.document = (event.target as HTMLSelectElement).value)}>
              <option value="config">config</option><option value="manifest">manifest</option>
            </select></label>`
        : nothing}
    </div>`;
  }

  /** What made each layer of the stack, as far as the page knows. */
  #layers(): string[] {
    const view = this.view!;
    const image = this.of === "build" || this.of.startsWith("step ")
      ? view.build.image
      : view.images.find((one) => one.references.includes(this.of) || one.digest === this.of);
    if (image) return image.history.filter((line) => line.layer).map((line) => line.created_by);
    const container = view.containers.find((one) => `container ${one.name}` === this.of);
    const from = view.images.find((one) => container && one.references.includes(container.image));
    const lower = from?.history.filter((line) => line.layer).map((line) => line.created_by) ?? [];
    return container ? [...lower, "changes of the container"] : [];
  }

  #panel(): TemplateResult | typeof nothing {
    const view = this.view!;
    switch (this.tab) {
      case "tree":
        return html`<coracle-tree .client=${this.client} .view=${view} .of=${this.of} .layer=${this.layer}></coracle-tree>`;
      case "images":
        return this.#images();
      case "registry":
        return html`${view.registries.map((one) => html`<section>${draw.registry(one)}</section>`)}`;
      case "lint":
        return this.#lint();
      case "file":
        if (this.path === "") return html`<p class="muted">Choose a file in Tree: its life over the layers is shown here.</p>`;
        break;
      default:
    }
    return this.seen ? this.#seen(this.seen) : html`<p class="muted">…</p>`;
  }

  #seen(seen: Seen): TemplateResult | typeof nothing {
    switch (seen.seen) {
      case "file":
        return html`<h3 class="mono">/${seen.path}</h3>${draw.life(seen.life)}`;
      case "overlay":
        return this.#overlay(seen.layers, seen.rows, seen.matched);
      case "digests":
        return html`<p class="muted">Change a file, and see which digests follow it. What has changed since your last change is marked.</p>${draw.digests(seen.rows, this.#digests)}`;
      case "json":
        return html`<p class="muted">${seen.size} bytes, ${seen.digest}; indented here for reading.</p><pre tabindex="0">${seen.text}</pre>`;
      case "tar":
        return draw.tar(seen.rows);
      case "context":
        return seen.rows.length === 0 ? html`<p class="muted">The project has no file.</p>` : draw.context(seen.rows);
      case "explain":
        return draw.explain(seen.rows);
      case "nothing":
        return html`<p class="muted">${seen.why}</p>`;
      default:
        return nothing;
    }
  }

  #overlay(layers: string[], rows: OverlayRow[], matched: number): TemplateResult {
    const container = this.of.startsWith("container ") ? this.of.slice(10) : null;
    const edit = (row: OverlayRow): TemplateResult | typeof nothing => {
      if (container === null || row.merged === "") return nothing;
      const run = (...words: string[]): void =>
        this.wish("run", `coracle exec ${quote(container)} ${words.map(quote).join(" ")}`);
      return html`
        ${row.merged === "file" ? html`<button class="quiet" @click=${() => run("sh", "-c", `echo changed >> /${row.path}`)}>append</button>` : nothing}
        <button class="quiet" @click=${() => run("rm", "-r", `/${row.path}`)}>rm</button>
      `;
    };
    return html`
      <div class="row">
        <input type="search" aria-label="Only paths that contain" placeholder="filter paths" @input=${(event: Event) => (this.filter = (event.target as HTMLInputElement).value)} />
        <label><input type="checkbox" .checked=${this.all} @change=${(event: Event) => (this.all = (event.target as HTMLInputElement).checked)} /> also what only the lowest layer has</label>
      </div>
      ${container === null
        ? html`<p class="muted">To change what is merged, make a container: <code>coracle run --name box app:v1 true</code>, and choose it above.</p>`
        : nothing}
      ${rows.length === 0 ? html`<p class="muted">Nothing but the lowest layer has a say.</p>` : draw.overlay(layers, rows, edit)}
      ${matched > rows.length ? html`<p class="muted">${matched - rows.length} more; filter them.</p>` : nothing}
    `;
  }

  #images(): TemplateResult {
    const { images, usage } = this.view!;
    const most = Math.max(...images.map((image) => image.size), 1);
    if (images.length === 0) {
      return html`<p class="muted">No image is here yet. Press Build, or type <code>coracle pull alpine:3.20</code>.</p>`;
    }
    return html`
      <p>${size(usage.stored)} are stored for ${count(images.length, "image")}; without sharing it would be ${size(usage.unshared)}. The build cache holds ${size(usage.cache)} more.</p>
      ${images.map((image) => {
        const name = image.references[0] ?? image.digest;
        return html`<section>
          <h3>${image.references.join(", ") || "no tag"} <span class="muted mono" title=${image.config}>${image.config.slice(7, 19)}</span></h3>
          <p class="muted">${size(image.size)}: ${size(image.size - image.unique)} shared, ${size(image.unique)} its own</p>
          ${draw.bar(image, most)}
          ${draw.stack(image.history, (layer) => this.wish("inspect", { of: name, tab: "tree", layer }))}
        </section>`;
      })}
    `;
  }

  #lint(): TemplateResult {
    const { diagnostics } = this.view!.build;
    if (diagnostics.length === 0) return html`<p class="muted">Nothing to say about the Dockerfile.</p>`;
    return html`<ul class="plain">
      ${diagnostics.map(
        (found) => html`<li>
          <p>
            <strong class=${found.severity === "error" ? "bad" : ""}>${found.severity}</strong>
            line ${found.line}: ${found.message} <span class="muted">${found.rule}</span>
            ${found.fix
              ? html`<button @click=${() => this.dispatchEvent(new CustomEvent("mend", { detail: found.fix, bubbles: true, composed: true }))}>${found.fix.title}</button>`
              : nothing}
          </p>
          ${found.notes.map((note) => html`<p class="muted">${note}</p>`)}
        </li>`,
      )}
    </ul>`;
  }

  #key = (event: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const at = (TABS.indexOf(this.tab) + step + TABS.length) % TABS.length;
    this.wish("inspect", { tab: TABS[at]! });
    void this.updateComplete.then(() => this.renderRoot.querySelector<HTMLElement>(`#tab-${TABS[at]}`)?.focus());
  };
}

customElements.define("coracle-inspector", Inspector);
