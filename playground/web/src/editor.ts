// The editor: CodeMirror with the engine's findings in it. A chunk of its own, loaded when it can be.

import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { HighlightStyle, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { forceLinting, linter, lintKeymap, type Diagnostic } from "@codemirror/lint";
import { Compartment, EditorState } from "@codemirror/state";
import { EditorView, drawSelection, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import type { DiagnosticView } from "./types.js";

/** What the page needs of an editor. */
export interface Editor {
  /** Shows another text, or the same file after somebody else has changed it. */
  show(text: string, path: string): void;
  /** Marks what is wrong. */
  mark(diagnostics: DiagnosticView[]): void;
  /** Puts the cursor at an offset. */
  jump(offset: number): void;
  focus(): void;
  destroy(): void;
}

/** Instructions, comments, variables and strings: enough to read a Dockerfile by. */
const dockerfile = StreamLanguage.define<{ start: boolean }>({
  startState: () => ({ start: true }),
  token(stream, state) {
    if (stream.sol()) state.start = true;
    if (stream.eatSpace()) return null;
    if (state.start && stream.match(/#.*/)) return "comment";
    if (state.start && stream.match(/[A-Za-z]+/)) {
      state.start = false;
      return "keyword";
    }
    state.start = false;
    if (stream.match(/--[a-z-]+=?/)) return "attributeName";
    if (stream.match(/\$\{[^}]*\}?|\$\w+/)) return "variableName";
    if (stream.match(/"(?:[^"\\]|\\.)*"?|'[^']*'?/)) return "string";
    stream.next();
    return null;
  },
});

const colours = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--accent)", fontWeight: "600" },
  { tag: tags.comment, color: "var(--muted)", fontStyle: "italic" },
  { tag: tags.variableName, color: "var(--good)" },
  { tag: tags.attributeName, color: "var(--muted)" },
]);

const look = EditorView.theme({
  "&": { height: "100%", fontSize: "13px", backgroundColor: "var(--ground)", color: "var(--ink)" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "-2px" },
  ".cm-content": { fontFamily: "var(--mono)", caretColor: "var(--ink)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-gutters": { backgroundColor: "var(--panel)", color: "var(--muted)", border: "none" },
  ".cm-activeLine": { backgroundColor: "var(--mark)" },
  ".cm-activeLineGutter": { backgroundColor: "var(--mark)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--faint)" },
  ".cm-tooltip": { backgroundColor: "var(--ground)", color: "var(--ink)", border: "1px solid var(--line)" },
});

/** Makes an editor in `parent`; `changed` is told every change that a person makes. */
export function makeEditor(
  parent: HTMLElement,
  root: ShadowRoot,
  changed: (text: string) => void,
): Editor {
  let diagnostics: DiagnosticView[] = [];
  let shown = "";
  let quiet = false;
  const language = new Compartment();
  const label = new Compartment();
  const view = new EditorView({
    parent,
    root,
    state: EditorState.create({
      extensions: [
        lineNumbers(),
        history(),
        drawSelection(),
        highlightActiveLine(),
        EditorView.lineWrapping,
        language.of([]),
        label.of([]),
        syntaxHighlighting(colours),
        linter(() => diagnostics.map(found), { delay: 0 }),
        // Tab moves on, as everywhere on the page: whoever has only a keyboard must get out again.
        keymap.of([...lintKeymap, ...historyKeymap, ...defaultKeymap]),
        look,
        EditorView.updateListener.of((update) => {
          if (update.docChanged && !quiet) changed(update.state.doc.toString());
        }),
      ],
    }),
  });
  const found = (d: DiagnosticView): Diagnostic => {
    const end = view.state.doc.length;
    return {
      from: Math.min(d.from, end),
      to: Math.min(d.to, end),
      severity: d.severity,
      message: [d.message, ...d.notes].join("\n"),
      source: d.rule,
    };
  };
  return {
    show(text, path) {
      if (path !== shown) {
        shown = path;
        const name = path.split("/").pop() ?? "";
        const isDockerfile = /dockerfile/i.test(name) && !name.endsWith("ignore");
        view.dispatch({
          effects: [
            language.reconfigure(isDockerfile ? dockerfile : []),
            label.reconfigure(EditorView.contentAttributes.of({ "aria-label": `Text of ${path}` })),
          ],
        });
      }
      if (view.state.doc.toString() === text) return;
      quiet = true;
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
      quiet = false;
    },
    mark(next) {
      diagnostics = next;
      forceLinting(view);
    },
    jump(offset) {
      const at = Math.min(offset, view.state.doc.length);
      view.dispatch({ selection: { anchor: at }, effects: EditorView.scrollIntoView(at, { y: "center" }) });
      view.focus();
    },
    focus: () => view.focus(),
    destroy: () => view.destroy(),
  };
}
