// The page's side of the worker: one call after the other, and of keystrokes the latest.

import type { Answer, Call, Question, SaveCall, TextCall, ViewCall } from "./calls.js";
import type { Look, Seen, View } from "./types.js";

interface Waiting {
  resolve: (answer: Answer) => void;
  reject: (error: Error) => void;
}

/** Speaks to the engine. */
export class Client {
  #worker: Worker;
  #next = 0;
  #waiting = new Map<number, Waiting>();
  /** A write that has not been sent, because one before it is still under way. */
  #pending: { path: string; text: string; done: Promise<View>; go: () => void } | null = null;
  #writing = false;
  /** What has been done, so that a worker that dies takes nothing with it. */
  #log = "";

  constructor(worker: () => Worker = startWorker) {
    this.#start = worker;
    this.#worker = this.#listen();
  }

  #start: () => Worker;

  #listen(): Worker {
    const worker = this.#start();
    worker.onmessage = (event: MessageEvent<Answer>) => {
      const waiting = this.#waiting.get(event.data.id);
      this.#waiting.delete(event.data.id);
      if (event.data.error === undefined) waiting?.resolve(event.data);
      else waiting?.reject(new Error(event.data.error));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(new Error(event.message || "the engine cannot be started"));
    };
    return worker;
  }

  #fail(error: Error): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const one of waiting) one.reject(error);
  }

  #send(call: Call): Promise<Answer> {
    const id = this.#next++;
    const question: Question = { id, call };
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage(question);
    });
  }

  /** Asks for something that changes the session, and gives what is to be drawn then. */
  async view(call: ViewCall): Promise<View> {
    const answer = await this.#send(call);
    const view = JSON.parse(answer.text ?? "") as View;
    this.#log = (await this.#send({ call: "log" })).text ?? "";
    return view;
  }

  async text(call: TextCall): Promise<string> {
    return (await this.#send(call)).text ?? "";
  }

  async look(wanted: Look): Promise<Seen> {
    return JSON.parse(await this.text({ call: "look", wanted: JSON.stringify(wanted) })) as Seen;
  }

  async save(call: SaveCall): Promise<Blob> {
    return (await this.#send(call)).file ?? new Blob();
  }

  /** Writes a file; of writes that wait, only the latest of a file is sent. */
  write(path: string, text: string): Promise<View> {
    if (this.#pending?.path === path) {
      this.#pending.text = text;
      return this.#pending.done;
    }
    if (!this.#writing) return this.#write(path, text);
    let go = (): void => undefined;
    const ready = new Promise<void>((resolve) => (go = resolve));
    const before = this.#pending;
    const entry = { path, text, done: Promise.resolve({} as View), go };
    entry.done = ready.then(() => this.#write(path, entry.text));
    this.#pending = entry;
    before?.go();
    return entry.done;
  }

  async #write(path: string, text: string): Promise<View> {
    this.#writing = true;
    try {
      return await this.view({ call: "write", path, text });
    } finally {
      this.#writing = false;
      const next = this.#pending;
      this.#pending = null;
      next?.go();
    }
  }

  /** Starts the engine anew after it has died, with all that had been done. */
  async restart(): Promise<View> {
    this.#worker.terminate();
    this.#fail(new Error("the engine was started anew"));
    this.#worker = this.#listen();
    return this.view({ call: "open", log: this.#log });
  }
}

function startWorker(): Worker {
  return new Worker(new URL(WORKER, import.meta.url), { type: "module" });
}
