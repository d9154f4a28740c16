// A level: what is wanted, what holds already, hints one at a time; and the list of all levels.

import { css, html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { progress } from "../progress.js";
import { base } from "../style.js";
import type { LevelEntry, LevelView } from "../types.js";
import { Pane } from "./pane.js";

export class Level extends Pane {
  static override properties = {
    ...Pane.properties,
    listing: { type: Boolean },
    levels: { state: true },
    hints: { state: true },
    solution: { state: true },
  };
  static override styles = [
    base,
    css`
      :host {
        padding: 8px 12px;
        border-bottom: 1px solid var(--line);
        background: var(--panel);
        max-height: 40vh;
        overflow: auto;
      }
      .columns {
        display: grid;
        grid-template-columns: minmax(0, 3fr) minmax(0, 2fr);
        gap: 8px 24px;
      }
      @media (max-width: 720px) {
        .columns {
          grid-template-columns: minmax(0, 1fr);
        }
      }
      ul {
        list-style: none;
        margin: 0;
        padding: 0;
      }
      li {
        margin-bottom: 4px;
      }
      .mark {
        display: inline-block;
        min-width: 5em;
        white-space: nowrap;
        font-size: 11px;
        font-weight: 600;
      }
      pre {
        background: var(--ground);
        padding: 6px 8px;
      }
      .sets {
        display: grid;
        grid-template-columns: repeat(auto-fill, minmax(220px, 1fr));
        gap: 12px;
      }
      .sets button {
        text-align: left;
        width: 100%;
      }
    `,
  ];

  declare listing: boolean;
  declare levels: LevelEntry[];
  declare hints: number;
  declare solution: boolean;
  #shown = "";

  constructor() {
    super();
    this.listing = false;
    this.levels = [];
    this.hints = 0;
    this.solution = false;
  }

  protected override willUpdate(changed: PropertyValues): void {
    const level = this.view?.level;
    if (level && level.id !== this.#shown) {
      this.#shown = level.id;
      this.hints = 0;
      this.solution = false;
    }
    if (level?.solved) progress.solve(level.id, level.acts);
    if (changed.has("listing") && this.listing && this.levels.length === 0) void this.#list();
  }

  async #list(): Promise<void> {
    const seen = await this.client?.look({ look: "levels" });
    if (seen?.seen === "levels") this.levels = seen.levels;
  }

  override render(): TemplateResult | typeof nothing {
    if (this.listing) return this.#all();
    const level = this.view?.level;
    return level ? this.#one(level) : nothing;
  }

  #one(level: LevelView): TemplateResult {
    return html`
      <div class="row">
        <h2 class="fill">${level.set} ${level.number}: ${level.title}</h2>
        <span class="muted">${level.acts} acts, par ${level.par}</span>
        <button @click=${() => this.wish("level", level.id)}>Begin again</button>
        <button @click=${() => this.wish("level", "")}>Leave</button>
        ${level.next === null ? nothing : html`<button class=${level.solved ? "main" : ""} @click=${() => this.wish("level", level.next ?? "")}>Next level</button>`}
      </div>
      <div class="columns">
        <div>
          ${level.story.map((paragraph) => html`<p>${code(paragraph)}</p>`)}
          <p><a href="../book/${level.chapter}.html">The chapter about it</a></p>
        </div>
        <div>
          <ul aria-label="What must hold">
            ${level.asserts.map(
              (one) => html`<li>
                <span class="mark ${one.holds ? "good" : "bad"}">${one.holds ? "HOLDS" : "NOT YET"}</span> ${code(one.text)}
                <div class="muted mono">${one.evidence}</div>
              </li>`,
            )}
          </ul>
          ${level.solved ? html`<p class="good"><strong>Solved</strong>${level.acts <= level.par ? ", and within par." : `; par is ${level.par}.`}</p>` : nothing}
          ${level.hints.slice(0, this.hints).map((hint) => html`<p>${code(hint)}</p>`)}
          <div class="row">
            ${this.hints < level.hints.length ? html`<button @click=${() => (this.hints += 1)}>${["A nudge", "A hint", "Nearly all of it"][this.hints] ?? "A hint"}</button>` : nothing}
            ${this.solution ? nothing : html`<button @click=${this.#solve}>Show a solution</button>`}
          </div>
          ${this.solution ? html`<pre tabindex="0">${level.solution}</pre>` : nothing}
        </div>
      </div>
    `;
  }

  #solve = (): void => {
    this.solution = window.confirm("Show a solution? What you have done stays as it is.");
  };

  #all(): TemplateResult {
    const sets = [...new Set(this.levels.map((level) => level.set))];
    const done = progress.all();
    return html`
      <div class="row">
        <h2 class="fill">Levels <span class="muted">${done.size} of ${this.levels.length} solved</span></h2>
        <button @click=${() => progress.save()}>Save progress to a file</button>
        <label class="row">or bring it back <input type="file" accept="application/json" @change=${this.#restore} /></label>
        <button @click=${() => this.wish("inspect", {})}>Close</button>
      </div>
      <div class="sets">
        ${sets.map(
          (set) => html`<section>
            <h3>${set}</h3>
            <ul>
              ${this.levels
                .filter((level) => level.set === set)
                .map(
                  (level) => html`<li>
                    <button class="quiet" title=${level.teaches} @click=${() => this.wish("level", level.id)}>
                      ${level.title} ${done.has(level.id) ? html`<span class="good">solved</span>` : nothing}
                    </button>
                  </li>`,
                )}
            </ul>
          </section>`,
        )}
      </div>
    `;
  }

  #restore = async (event: Event): Promise<void> => {
    const file = (event.target as HTMLInputElement).files?.[0];
    if (!file) return;
    const said = progress.restore(await file.text());
    this.dispatchEvent(new CustomEvent("say", { detail: said, bubbles: true, composed: true }));
    this.requestUpdate();
  };
}

/** A sentence in which `words` between backticks are code. */
function code(text: string): (TemplateResult | string)[] {
  return text.split("`").map((part, i) => (i % 2 === 1 ? html`<code>${part}</code>` : part));
}

customElements.define("coracle-level", Level);
