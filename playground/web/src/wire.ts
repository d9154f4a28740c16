// One worker, for however many sessions a page has: the page's own, or one for each element of a book's page.

import type { Answer, Call, Question } from "./calls.js";

interface Waiting {
  resolve: (answer: Answer) => void;
  reject: (error: Error) => void;
}

/** Carries calls to the worker and answers back. */
export class Wire {
  /** How many workers there have been: a session of an earlier one is gone. */
  generation = 0;
  #worker: Worker | null = null;
  #next = 0;
  #waiting = new Map<number, Waiting>();

  /** Asks; the worker is started by the first question. */
  ask(session: number, call: Call): Promise<Answer> {
    this.#worker ??= this.#start();
    const worker = this.#worker;
    const id = this.#next++;
    const question: Question = { id, session, call };
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.postMessage(question);
    });
  }

  /** Ends the worker; the next question starts another, in which no session is open. */
  restart(): void {
    this.#worker?.terminate();
    this.#worker = null;
    this.generation += 1;
    this.#fail(new Error("the engine was started anew"));
  }

  #start(): Worker {
    const worker = new Worker(new URL(WORKER, import.meta.url), { type: "module" });
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
}

/** The wire that all elements of a page share. */
export const shared = new Wire();
