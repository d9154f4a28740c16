// Which levels are solved: kept in this browser, as far as it keeps anything.

const KEY = "coracle-levels";

type Solved = Record<string, number>;

let memory: Solved | null = null;

function read(): Solved {
  if (memory) return memory;
  try {
    memory = understand(localStorage.getItem(KEY) ?? "{}") ?? {};
  } catch {
    memory = {};
  }
  return memory;
}

/** A list of solved levels; `null` when the text is none. */
function understand(text: string): Solved | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
    const entries = Object.entries(value).filter((entry): entry is [string, number] => typeof entry[1] === "number");
    return Object.fromEntries(entries);
  } catch {
    return null;
  }
}

function write(solved: Solved): boolean {
  memory = solved;
  try {
    localStorage.setItem(KEY, JSON.stringify(solved));
    return true;
  } catch {
    return false;
  }
}

export const progress = {
  /** The levels that are solved. */
  all(): Set<string> {
    return new Set(Object.keys(read()));
  },

  /** Notes that a level is solved, and by how few acts. */
  solve(id: string, acts: number): void {
    const solved = read();
    const before = solved[id];
    if (before === undefined || acts < before) write({ ...solved, [id]: acts });
  },

  /** Gives a file with all of it. */
  save(): void {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(read())], { type: "application/json" }));
    link.download = "coracle-levels.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  },

  /** Takes such a file in; says in a sentence how that went. */
  restore(text: string): string {
    const solved = understand(text);
    if (!solved) return "That file holds no progress; choose one that this page has saved.";
    const kept = write({ ...read(), ...solved });
    const number = Object.keys(solved).length;
    return kept
      ? `${number} solved levels were taken in.`
      : `${number} solved levels were taken in, but this browser keeps nothing: save them to a file before you go.`;
  },
};
