// The look that all elements share: type, colours, tables, buttons, focus.

import { css } from "lit";

export const base = css`
  :host {
    color: var(--ink);
    font: 14px/1.45 var(--sans);
    display: block;
  }
  * {
    box-sizing: border-box;
  }
  [hidden] {
    display: none !important;
  }
  code,
  pre,
  .mono,
  td.mono {
    font-family: var(--mono);
    font-size: 12.5px;
  }
  pre {
    margin: 0;
    white-space: pre-wrap;
    overflow-wrap: anywhere;
  }
  button,
  select,
  input,
  textarea {
    font: inherit;
    color: inherit;
    background: var(--ground);
    border: 1px solid var(--line);
    border-radius: 3px;
    padding: 3px 8px;
    min-height: 28px;
  }
  button {
    cursor: pointer;
  }
  button:hover {
    border-color: var(--accent);
  }
  button[aria-pressed="true"],
  button[aria-selected="true"] {
    border-color: var(--accent);
    box-shadow: inset 0 -2px var(--accent);
  }
  button.main {
    background: var(--accent);
    border-color: var(--accent);
    color: var(--on-accent);
  }
  button:disabled {
    color: var(--muted);
    cursor: default;
    border-color: var(--line);
  }
  button.quiet {
    border-color: transparent;
    background: none;
    padding: 2px 6px;
  }
  button.quiet:hover {
    border-color: var(--line);
  }
  :focus-visible {
    outline: 2px solid var(--accent);
    outline-offset: 1px;
  }
  h2,
  h3 {
    font-size: 13px;
    font-weight: 600;
    margin: 0;
  }
  p {
    margin: 0 0 8px;
  }
  .muted {
    color: var(--muted);
  }
  .bad {
    color: var(--bad);
  }
  .good {
    color: var(--good);
  }
  table {
    border-collapse: collapse;
    width: 100%;
    font-variant-numeric: tabular-nums;
  }
  th {
    text-align: left;
    font-weight: 500;
    color: var(--muted);
    white-space: nowrap;
  }
  th,
  td {
    padding: 2px 8px 2px 0;
    vertical-align: top;
    border-bottom: 1px solid var(--faint);
  }
  td.number,
  th.number {
    text-align: right;
    white-space: nowrap;
  }
  .scroll {
    overflow: auto;
    min-height: 0;
  }
  .letter {
    display: inline-block;
    width: 1.5em;
    text-align: center;
    font-family: var(--mono);
    font-size: 12px;
    border: 1px solid var(--line);
    border-radius: 2px;
  }
  .letter[data-letter="A"] {
    color: var(--good);
  }
  .letter[data-letter="M"] {
    color: var(--accent);
  }
  .letter[data-letter="D"],
  .letter[data-letter="W"] {
    color: var(--bad);
  }
  .state {
    font-size: 11px;
    font-weight: 600;
    letter-spacing: 0.03em;
    white-space: nowrap;
  }
  .state[data-state="cached"] {
    color: var(--muted);
  }
  .state[data-state="missed"] {
    color: var(--accent);
  }
  .state[data-state="failed"] {
    color: var(--bad);
  }
  .visually-hidden {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  .row {
    display: flex;
    gap: 8px;
    align-items: center;
    flex-wrap: wrap;
  }
  .fill {
    flex: 1;
    min-width: 0;
  }
`;
