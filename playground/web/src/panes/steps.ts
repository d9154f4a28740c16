// The steps of the build: hit or miss, why, what each made and printed.

import { css, html, nothing, type TemplateResult } from "lit";
import { base } from "../style.js";
import { changes } from "../parts.js";
import type { StepView } from "../types.js";
import { count, size } from "../words.js";
import { Pane, quote } from "./pane.js";

const STATES: Record<StepView["state"], string> = {
  cached: "CACHED",
  missed: "NEW",
  failed: "FAILED",
  unreached: "NOT REACHED",
  none: "",
};

export class Steps extends Pane {
  static override properties = { ...Pane.properties, selected: { type: Number } };
  static override styles = [
    base,
    css`
      :host {
        display: flex;
        flex-direction: column;
        min-height: 0;
      }
      header {
        padding: 8px 12px;
        border-bottom: 1px solid var(--line);
      }
      ol {
        list-style: none;
        margin: 0;
        padding: 0;
      }
      li {
        border-bottom: 1px solid var(--faint);
        padding: 6px 12px;
        border-left: 3px solid transparent;
      }
      li[data-state="missed"] {
        border-left-color: var(--accent);
      }
      li[data-state="failed"] {
        border-left-color: var(--bad);
      }
      li[aria-current="true"] {
        background: var(--mark);
      }
      .head {
        display: grid;
        grid-template-columns: 1fr auto;
        gap: 4px 8px;
        align-items: baseline;
      }
      .text {
        text-align: left;
        font-family: var(--mono);
        font-size: 12.5px;
        border: 0;
        background: none;
        padding: 0;
        min-height: 24px;
        overflow-wrap: anywhere;
        white-space: pre-wrap;
      }
      .text:hover {
        text-decoration: underline;
      }
      .metadata .text {
        color: var(--muted);
      }
      .why {
        color: var(--muted);
        margin: 0;
      }
      .stage {
        font-weight: 600;
        padding: 6px 12px;
        background: var(--panel);
        border-bottom: 1px solid var(--faint);
      }
      details pre {
        max-height: 160px;
        overflow: auto;
        padding: 4px 8px;
        background: var(--panel);
      }
      summary {
        cursor: pointer;
        color: var(--muted);
      }
      footer {
        padding: 8px 12px;
        border-top: 1px solid var(--line);
      }
      .error {
        padding: 8px 12px;
        color: var(--bad);
        overflow-wrap: anywhere;
      }
    `,
  ];

  declare selected: number;

  constructor() {
    super();
    this.selected = -1;
  }

  override render(): TemplateResult | typeof nothing {
    const build = this.view?.build;
    if (!build) return nothing;
    const image = build.image;
    return html`
      <header class="row">
        <h2>Steps</h2>
        <span class="muted fill">${build.cached} cached, ${build.missed} to be made</span>
        <button class="main" @click=${() => this.wish("run", `coracle build -t ${this.#nextTag()} .`)}>
          Build ${this.#nextTag()}
        </button>
      </header>
      ${build.error === null ? nothing : html`<div class="error">${build.error}</div>`}
      <div class="scroll fill">
        <ol>
          ${build.steps.map((step, index) => this.#step(step, index, build.steps))}
        </ol>
        ${build.steps.length === 0 && build.error === null
          ? html`<p class="error">The Dockerfile says nothing yet. Begin with <code>FROM alpine:3.20</code>.</p>`
          : nothing}
      </div>
      ${image
        ? html`<footer class="row muted">
            <span>The image would be</span>
            <button class="quiet mono" title=${image.digest} @click=${() => this.wish("inspect", { of: "build", tab: "digests" })}>
              ${image.digest.slice(7, 19)}
            </button>
          </footer>`
        : nothing}
    `;
  }

  /** A name that nothing has yet, one up from the last: `app:v2`. */
  #nextTag(): string {
    const versions = (this.view?.images ?? [])
      .flatMap((image) => image.references)
      .map((name) => /^app:v(\d+)$/.exec(name)?.[1])
      .filter((number) => number !== undefined)
      .map(Number);
    return `app:v${Math.max(0, ...versions) + 1}`;
  }

  #step(step: StepView, index: number, steps: StepView[]): TemplateResult {
    const stages = new Set(steps.map((s) => s.stage));
    const first = steps.findIndex((s) => s.stage === step.stage) === index;
    const look = (): void => {
      this.selected = index;
      this.wish("inspect", { of: `step ${index}`, layer: null });
    };
    return html`
      ${first && stages.size > 1 ? html`<li class="stage">${step.stage}</li>` : nothing}
      <li class=${step.makes} data-state=${step.state} aria-current=${this.selected === index ? "true" : "false"}>
        <div class="head">
          <button class="text" @click=${look} title="Look at the files after this step">${step.text}</button>
          <span class="state" data-state=${step.state}>${STATES[step.state]}</span>
          ${this.#about(step)}
        </div>
        ${step.why.map((why) => html`<p class=${step.state === "failed" ? "bad" : "why"}>${why}</p>`)}
        ${step.unsupported === null ? nothing : this.#pretend(step.unsupported)}
        ${this.#output(step)}
      </li>
    `;
  }

  #about(step: StepView): TemplateResult {
    if (step.layer) {
      return html`<span>${changes(step.layer)}</span><span class="mono muted" title="${step.layer.size} bytes">${size(step.layer.size)}</span>`;
    }
    const words = { base: "the base", metadata: "config only, no layer", layer: "" }[step.makes];
    return html`<span class="muted">${words}</span><span></span>`;
  }

  #pretend(command: string): TemplateResult {
    const input = (event: Event): HTMLInputElement | null =>
      (event.currentTarget as HTMLElement).parentElement?.querySelector("input") ?? null;
    return html`
      <div class="row">
        <span>The browser does not run <code>${command}</code>. Take it</span>
        <button @click=${() => this.wish("run", `pretend ${quote(command)}`)}>to do nothing</button>
        <span>or</span>
        <input aria-label="The file that it is to write" value="/app/out" size="14" />
        <button
          @click=${(event: Event) =>
            this.wish("run", `pretend ${quote(command)} ${quote(input(event)?.value ?? "/app/out")}`)}
        >
          to write this file
        </button>
      </div>
    `;
  }

  #output(step: StepView): TemplateResult | typeof nothing {
    if (step.output.length === 0) return nothing;
    const lines = step.output.map((o) => o.text).join("");
    const number = lines.split("\n").filter((line) => line !== "").length;
    return html`<details ?open=${step.state === "failed"}>
      <summary>${count(number, "line")} printed (RUN is simulated here)</summary>
      <pre tabindex="0">${step.output.map((o) => html`<span class=${o.stream === 2 ? "bad" : ""}>${o.text}</span>`)}</pre>
    </details>`;
  }
}

customElements.define("coracle-steps", Steps);
