// How sizes, digests and counts are written, everywhere on the page.

const UNITS = ["B", "kB", "MB", "GB"];

/** A size as Docker writes it: three digits, in decimal units. */
export function size(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (Number(value.toPrecision(3)) >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${Number(value.toPrecision(3))}${UNITS[unit]}`;
}

/** The first twelve digits of a digest. */
export function short(digest: string): string {
  return digest.replace(/^sha256:/, "").slice(0, 12);
}

/** `1 file`, `2 files`. */
export function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}
