/**
 * The name somebody meant when they mistyped one.
 *
 * @module
 */

/** The name most like `text`, or `null` when none is near enough to be meant. */
export function findNearestName(text: string, names: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(text.length / 3)) + 1;
  for (const name of names) {
    const distance = countEdits(text, name);
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** `; did you mean X?`, or nothing. */
export function hintNearestName(text: string, names: readonly string[]): string {
  const nearest = findNearestName(text, names);
  return nearest === null ? "" : `; did you mean ${nearest}?`;
}

/** Insertions, deletions, changes and swaps of neighbours that turn `a` into `b`. */
function countEdits(a: string, b: string): number {
  // Rows of the table for the last two characters of `a` and the present one.
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(change, last[j]! + 1, row[j - 1]! + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, beforeLast[j - 2]! + 1);
      }
      row.push(least);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
