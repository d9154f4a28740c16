// One session in the worker: one call after the other, and of keystrokes the latest.

import type { Answer, Call, SaveCall, TextCall, ViewCall } from "./calls.js";
import type { Look, Seen, View } from "./types.js";
import { shared, type Wire } from "./wire.js";

/** Every session has a number, by which the worker knows it. */
let sessions = 0;

interface Write {
  path: string;
  text: string;
  done: Promise<View>;
  resolve: (view: Promise<View>) => void;
}

/** Speaks to the engine. */
export class Client {
  #wire: Wire;
  #session = sessions++;
  /** The worker that has this session. */
  #generation: number;
  /** A write that has not been sent, because one before it is still under way. */
  #pending: Write | null = null;
  /** How many writes are under way. */
  #writing = 0;
  /** What has been done, so that a worker that dies takes nothing with it; `null` before the first call. */
  #log: string | null = null;

  constructor(wire: Wire = shared) {
    this.#wire = wire;
    this.#generation = wire.generation;
  }

  /** What has been done so far, as a script. */
  get log(): string {
    return this.#log ?? "";
  }

  async #send(call: Call): Promise<Answer> {
    // Another element may have had the worker replaced: then this session is opened in the new one.
    if (this.#generation !== this.#wire.generation) {
      this.#generation = this.#wire.generation;
      if (this.#log !== null) await this.#wire.ask(this.#session, { call: "open", log: this.#log });
    }
    return this.#wire.ask(this.#session, call);
  }

  /** Asks for something that changes the session, and gives what is to be drawn then. */
  async view(call: ViewCall): Promise<View> {
    if (call.call !== "write") this.#flush();
    const answer = await this.#send(call);
    const view = JSON.parse(answer.text ?? "") as View;
    this.#log = (await this.#send({ call: "log" })).text ?? "";
    return view;
  }

  async text(call: TextCall): Promise<string> {
    if (call.call !== "look") this.#flush();
    return (await this.#send(call)).text ?? "";
  }

  async look(wanted: Look): Promise<Seen> {
    return JSON.parse(await this.text({ call: "look", wanted: JSON.stringify(wanted) })) as Seen;
  }

  async save(call: SaveCall): Promise<Blob> {
    this.#flush();
    return (await this.#send(call)).file ?? new Blob();
  }

  /** Writes a file; of writes that wait, only the latest of a file is sent. */
  write(path: string, text: string): Promise<View> {
    if (this.#pending?.path === path) {
      this.#pending.text = text;
      return this.#pending.done;
    }
    this.#flush();
    if (this.#writing === 0) return this.#write(path, text);
    let resolve = (_: Promise<View>): void => undefined;
    const done = new Promise<View>((settle) => (resolve = settle));
    this.#pending = { path, text, done, resolve };
    return done;
  }

  /** Sends the write that waits: what is asked next has to see it. */
  #flush(): void {
    const pending = this.#pending;
    this.#pending = null;
    pending?.resolve(this.#write(pending.path, pending.text));
  }

  async #write(path: string, text: string): Promise<View> {
    this.#writing += 1;
    try {
      return await this.view({ call: "write", path, text });
    } finally {
      this.#writing -= 1;
      this.#flush();
    }
  }

  /** Starts the engine anew after it has died, with all that had been done. */
  async restart(): Promise<View> {
    this.#wire.restart();
    this.#generation = this.#wire.generation;
    return this.view(this.#log === null ? { call: "view" } : { call: "open", log: this.#log });
  }
}
