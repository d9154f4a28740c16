// What every pane is: an element that is given the view and asks the page to act.

import { LitElement, type PropertyDeclarations } from "lit";
import type { Client } from "../client.js";
import { base } from "../style.js";
import type { View } from "../types.js";

/** What panes ask for; the page listens. */
export interface Wishes {
  /** Run a line of the command line. */
  run: string;
  /** Make this the content of a file. */
  write: { path: string; text: string };
  /** Show a file in the editor. */
  open: string;
  /** Show a stack in the inspector. */
  inspect: { of?: string; tab?: string; layer?: number | null; path?: string };
  /** Play a level; the empty name ends it. */
  level: string;
  /** Go to where so many acts are in force. */
  go: number;
}

export abstract class Pane extends LitElement {
  static override properties: PropertyDeclarations = {
    view: { attribute: false },
    client: { attribute: false },
  };
  static override styles = [base];

  declare view: View | undefined;
  declare client: Client | undefined;

  /** Asks the page for something. */
  protected wish<K extends keyof Wishes>(kind: K, detail: Wishes[K]): void {
    this.dispatchEvent(new CustomEvent(`wish-${kind}`, { detail, bubbles: true, composed: true }));
  }
}

/** A word of the command line, quoted where that is needed. */
export function quote(word: string): string {
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
