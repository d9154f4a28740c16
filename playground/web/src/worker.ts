// The worker: the engines work here, one for each session, so that the page never waits for them.

import init, { Engine } from "#engine";
import type { Answer, Call, Question } from "./calls.js";

const scope = self as unknown as DedicatedWorkerGlobalScope;

const started = init({ module_or_path: new URL(ENGINE, import.meta.url) });

const engines = new Map<number, Engine>();

/** The engine of a session; there is one as soon as somebody asks. */
function engineOf(session: number): Engine {
  const known = engines.get(session);
  if (known) return known;
  const engine = new Engine();
  engines.set(session, engine);
  return engine;
}

scope.onmessage = async (event: MessageEvent<Question>) => {
  const { id, session, call } = event.data;
  let answer: Answer;
  try {
    await started;
    answer = { id, ...perform(engineOf(session), call) };
  } catch (error) {
    answer = { id, error: String(error) };
  }
  scope.postMessage(answer);
};

function perform(engine: Engine, call: Call): { text: string } | { file: Blob } {
  switch (call.call) {
    case "view":
      return { text: engine.view() };
    case "run":
      return { text: engine.run(call.script) };
    case "write":
      return { text: engine.write(call.path, call.text) };
    case "undo":
      return { text: engine.undo() };
    case "redo":
      return { text: engine.redo() };
    case "go":
      return { text: engine.go(call.position) };
    case "open":
      return { text: engine.open(call.log) };
    case "unshare":
      return { text: engine.unshare(call.fragment) };
    case "level":
      return { text: engine.level(call.id) };
    case "look":
      return { text: engine.look(call.wanted) };
    case "log":
      return { text: engine.log() };
    case "share":
      return { text: engine.share() };
    case "load":
      return { text: load(engine, call.file) };
    case "save":
      return { file: save(engine, call.reference, call.format, call.gzip) };
  }
}

/** Gives the engine a file slice by slice: it need not be in memory as a whole. */
function load(engine: Engine, file: File): string {
  const reader = new FileReaderSync();
  return engine.load(file.name, file.size, (offset, length) => {
    const slice = file.slice(offset, offset + length);
    return new Uint8Array(reader.readAsArrayBuffer(slice));
  });
}

function save(engine: Engine, reference: string, format: string, gzip: boolean): Blob {
  const pieces: BlobPart[] = [];
  const said = engine.save(reference, format, gzip, (bytes) => {
    pieces.push(bytes as Uint8Array<ArrayBuffer>);
  });
  const { error } = JSON.parse(said) as { error: string | null };
  if (error !== null) throw new Error(error);
  return new Blob(pieces, { type: gzip ? "application/gzip" : "application/x-tar" });
}
