// What the page may ask of the worker, and how a question and an answer look.

/** Calls that give a view. */
export type ViewCall =
  | { call: "view" }
  | { call: "run"; script: string }
  | { call: "write"; path: string; text: string }
  | { call: "undo" }
  | { call: "redo" }
  | { call: "go"; position: number }
  | { call: "open"; log: string }
  | { call: "unshare"; fragment: string }
  | { call: "level"; id: string }
  | { call: "load"; file: File };

/** Calls that give text: JSON of what is seen, a log, a link's end. */
export type TextCall = { call: "look"; wanted: string } | { call: "log" } | { call: "share" };

/** The call that gives a file. */
export type SaveCall = { call: "save"; reference: string; format: "oci" | "docker"; gzip: boolean };

export type Call = ViewCall | TextCall | SaveCall;

export interface Question {
  id: number;
  /** Which session: each is an engine of its own in the worker. */
  session: number;
  call: Call;
}

export interface Answer {
  id: number;
  text?: string;
  file?: Blob;
  error?: string;
}
