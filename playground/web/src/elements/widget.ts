// What all elements in a page share: the log they stand for, an engine that starts late, a line to try.

import { LitElement, css, html, nothing, type PropertyDeclarations, type TemplateResult } from "lit";
import { Client } from "../client.js";
import { base } from "../style.js";
import type { View } from "../types.js";

export abstract class Widget extends LitElement {
  static override properties: PropertyDeclarations = {
    of: { type: String },
    view: { state: true },
    why: { state: true },
  };
  static override styles = [
    base,
    css`
      :host {
        margin: 16px 0;
      }
      .frame {
        border: 1px solid var(--line);
      }
      .tools {
        padding: 4px 8px;
        border-bottom: 1px solid var(--faint);
      }
      .body {
        padding: 8px;
        overflow: auto;
        max-height: 420px;
      }
      textarea {
        width: 100%;
        font-family: var(--mono);
        font-size: 12.5px;
      }
    `,
  ];

  declare of: string;
  declare view: View | undefined;
  declare why: string;
  protected client: Client | undefined;
  #log = "";

  constructor() {
    super();
    this.of = "build";
    this.why = "";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#log = content(this);
    // mdBook turns pages by arrow keys; what is typed here is not meant for it.
    this.addEventListener("keydown", (event) => event.stopPropagation());
    const seen = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      seen.disconnect();
      void this.#start();
    });
    seen.observe(this);
    // Whoever comes by keyboard may be here before it is seen.
    this.addEventListener("focusin", () => void this.#start(), { once: true });
  }

  /** Until the engine is there, and when it does not come, the table that the book wrote is shown. */
  override render(): TemplateResult {
    if (!this.view) return html`<slot></slot>${this.why === "" ? nothing : html`<p class="muted">${this.why}</p>`}`;
    return html`<div class="frame">
      <div class="tools row">${this.tools()}<span class="fill"></span><button class="quiet" @click=${this.#again}>begin again</button><a href="#" @click=${this.#open}>open in the playground</a></div>
      <div class="body">${this.body(this.view)}</div>
      <div class="visually-hidden" role="status" aria-live="polite">${this.view.status}</div>
    </div>`;
  }

  /** What stands above. */
  protected tools(): TemplateResult | typeof nothing {
    return nothing;
  }

  /** What is shown of the session. */
  protected abstract body(view: View): TemplateResult;

  /** The file that is changed here. */
  protected file(path: string): string {
    return this.view?.files.find((one) => one.path === path)?.text ?? "";
  }

  protected write(path: string, text: string): Promise<void> {
    return this.#ask((client) => client.write(path, text));
  }

  protected run(line: string): Promise<void> {
    return this.#ask((client) => client.view({ call: "run", script: `${line}\n` }));
  }

  /** Shows what the engine answers; one that has died is started anew, with what had been done. */
  async #ask(question: (client: Client) => Promise<View>): Promise<void> {
    if (!this.client) return;
    try {
      this.show(await question(this.client));
    } catch {
      this.show(await this.client.restart());
    }
  }

  /** Takes a new view, and looks closer where an element does. */
  protected show(view: View): void {
    this.view = view;
  }

  async #start(): Promise<void> {
    if (this.client) return;
    try {
      this.client = new Client();
      this.show(await this.client.view({ call: "open", log: this.#log }));
    } catch (error) {
      this.why = `This is the table that the book was printed with; the live one cannot be started: ${(error as Error).message}`;
    }
  }

  #again = (): Promise<void> => this.#ask((client) => client.view({ call: "open", log: this.#log }));

  #open = async (event: Event): Promise<void> => {
    event.preventDefault();
    const fragment = await this.client?.text({ call: "share" });
    location.href = new URL(`./index.html#${fragment ?? ""}`, import.meta.url).href;
  };
}

/** The log that an element stands for, as text inside it; a lone Dockerfile is one that writes it. */
function content(element: Element): string {
  const child = element.querySelector("script[type='text/plain'], pre");
  const text = (child?.textContent ?? "").trimStart().replaceAll("<\\/", "</");
  const first = text.split("\n").find((line) => line.trim() !== "" && !line.startsWith("#")) ?? "";
  if (!/^(FROM|ARG)\s/i.test(first)) return text;
  return `cat > Dockerfile <<'END_OF_DOCKERFILE'\n${text.trimEnd()}\nEND_OF_DOCKERFILE\n`;
}
