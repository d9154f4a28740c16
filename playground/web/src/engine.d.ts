// The engine as wasm-bindgen writes it; `#engine` is its JavaScript, found by the build.

declare module "#engine" {
  export default function init(options: { module_or_path: URL }): Promise<unknown>;
  export class Engine {
    constructor();
    view(): string;
    run(script: string): string;
    write(path: string, text: string): string;
    undo(): string;
    redo(): string;
    go(position: number): string;
    look(wanted: string): string;
    log(): string;
    open(log: string): string;
    share(): string;
    unshare(fragment: string): string;
    level(id: string): string;
    load(name: string, size: number, read: (offset: number, length: number) => Uint8Array): string;
    save(reference: string, format: string, gzip: boolean, write: (bytes: Uint8Array) => void): string;
  }
}

/** The worker's file, seen from the page's. */
declare const WORKER: string;
/** The engine's file, seen from the worker's. */
declare const ENGINE: string;
