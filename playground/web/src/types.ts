// What the engine says, field for field as in playground/src/view.rs and playground/src/look/mod.rs.

export interface View {
  files: FileView[];
  build: BuildView;
  images: ImageView[];
  containers: ContainerView[];
  registries: RegistryView[];
  usage: { stored: number; unshared: number; cache: number };
  pretend: Record<string, string[]>;
  timeline: ActView[];
  position: number;
  output: OutputView[];
  code: number;
  status: string;
  level: LevelView | null;
}

export interface FileView {
  path: string;
  text: string | null;
  size: number;
  kind: "file" | "dir" | "symlink";
  mode: string;
  hidden_by: number | null;
}

export interface BuildView {
  diagnostics: DiagnosticView[];
  steps: StepView[];
  image: ImageView | null;
  error: string | null;
  cached: number;
  missed: number;
}

export interface DiagnosticView {
  severity: "error" | "warning";
  rule: string;
  message: string;
  notes: string[];
  from: number;
  to: number;
  line: number;
  fix: { title: string; edits: EditView[] } | null;
}

export interface EditView {
  from: number;
  to: number;
  text: string;
}

export interface StepView {
  stage: string;
  from: number;
  to: number;
  line: number;
  text: string;
  makes: "base" | "layer" | "metadata";
  state: "cached" | "missed" | "failed" | "unreached" | "none";
  why: string[];
  output: OutputView[];
  layer: LayerView | null;
  unsupported: string | null;
}

export interface OutputView {
  stream: 1 | 2;
  text: string;
}

export interface LayerView {
  digest: string;
  diff_id: string;
  chain_id: string;
  size: number;
  added: number;
  modified: number;
  deleted: number;
}

export interface ImageView {
  references: string[];
  digest: string;
  config: string;
  size: number;
  unique: number;
  history: HistoryView[];
}

export interface HistoryView {
  created_by: string;
  layer: LayerView | null;
  shared_with: string[];
}

export interface ContainerView {
  name: string;
  image: string;
  changes: string[];
}

export interface RegistryView {
  host: string;
  repositories: { name: string; tags: Record<string, string> }[];
  blobs: number;
  bytes: number;
  last: VoyageView | null;
}

export interface VoyageView {
  title: string;
  blobs: BlobView[];
  sent: number;
  received: number;
  exchanges: ExchangeView[];
}

export interface BlobView {
  digest: string;
  size: number;
  state: "exists" | "mounted" | "sent" | "received";
  from: string | null;
}

export interface ExchangeView {
  method: string;
  path: string;
  status: number;
  sent: number;
  received: number;
  why: string;
}

export interface ActView {
  text: string;
  title: string;
  code: number | null;
}

export interface LevelView {
  id: string;
  set: string;
  number: number;
  title: string;
  story: string[];
  asserts: AssertView[];
  solved: boolean;
  acts: number;
  par: number;
  hints: string[];
  solution: string;
  chapter: string;
  next: string | null;
}

export interface AssertView {
  name: string;
  text: string;
  holds: boolean;
  evidence: string;
}

export interface LevelEntry {
  id: string;
  set: string;
  title: string;
  teaches: string;
}

export type Look =
  | { look: "files"; of: string; layer?: number; filter?: string; start?: number; count?: number }
  | { look: "file"; of: string; path: string }
  | { look: "overlay"; of: string; filter?: string; all?: boolean }
  | { look: "digests"; of: string }
  | { look: "json"; of: string; document: string }
  | { look: "tar"; of: string; layer: number }
  | { look: "context" }
  | { look: "explain" }
  | { look: "levels" }
  | { look: "grid"; kind: string; of: string; layer: number };

export type Seen =
  | { seen: "files"; total: number; matched: number; rows: FileRow[] }
  | { seen: "file"; path: string; life: LifeRow[] }
  | { seen: "overlay"; layers: string[]; matched: number; rows: OverlayRow[] }
  | { seen: "digests"; rows: DigestRow[] }
  | { seen: "json"; digest: string; size: number; text: string }
  | { seen: "tar"; rows: TarRow[] }
  | { seen: "context"; rows: ContextRow[] }
  | { seen: "explain"; rows: ExplainRow[] }
  | { seen: "levels"; levels: LevelEntry[] }
  | { seen: "grid"; head: string[]; rows: Cell[][] }
  | { seen: "nothing"; why: string };

export interface Cell {
  text: string;
  tone: string;
}

export interface FileRow {
  path: string;
  kind: string;
  change: "" | "A" | "M" | "D" | "W";
  what: string[];
  mode: string;
  owner: string;
  size: number;
  target: string | null;
  layer: number | null;
}

export interface LifeRow {
  layer: number;
  created_by: string;
  change: "A" | "M" | "D";
  what: string[];
  mode: string;
  owner: string;
  size: number;
  digest: string | null;
  text: string | null;
  diff: { sign: string; text: string }[];
}

export interface OverlayRow {
  path: string;
  cells: string[];
  merged: string;
  from: number | null;
  copied_up: boolean;
}

export interface DigestRow {
  name: string;
  digest: string;
  formula: string;
  input: string | null;
  size: number;
}

export interface TarRow {
  name: string;
  kind: string;
  mode: string;
  owner: string;
  size: number;
  mtime: number;
  target: string | null;
  note: string;
}

export interface ContextRow {
  path: string;
  seen: boolean;
  why: string;
  taken_by: number[];
}

export interface ExplainRow {
  line: number;
  text: string;
  makes: string;
  depends_on: string[];
  used_by: string[];
}
