/**
 * Whose mail is next: where many files lie in the folder, each user's in the order they came, and one of each user
 * in turn, so that whoever leaves very many, or large ones, holds up their own mail and not that of others. Pure.
 *
 * @module
 */

/** What is known of a file before it is opened. */
export interface FoundFile {
  readonly name: string;
  readonly owner: number;
  /** Octets. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly modified: number;
}

/** How much is taken in one go. */
export interface TurnLimit {
  readonly files: number;
  /** Octets of all together, beyond which no further file is added. */
  readonly octets: number;
}

/**
 * The files to be looked at now, in this order.
 *
 * @example
 * ```ts
 * import { takeTurns } from "./drop_turns.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const file = (name: string, owner: number, modified: number) => ({ name, owner, size: 1, modified });
 * const found = [file("a", 33, 1), file("b", 33, 2), file("c", 33, 3), file("d", 1000, 9)];
 * const names = takeTurns(found, { files: 3, octets: 1000 }).map(({ name }) => name);
 * assertEquals(names, ["a", "d", "b"]);
 * ```
 */
export function takeTurns(found: readonly FoundFile[], limit: TurnLimit): FoundFile[] {
  const byAge = found.toSorted((a, b) => a.modified - b.modified || (a.name < b.name ? -1 : 1));
  const queues = Map.groupBy(byAge, ({ owner }) => owner);
  const chosen: FoundFile[] = [];
  let octets = 0;
  for (let turn = 0; queues.size > 0; turn++) {
    for (const [owner, queue] of queues) {
      const file = queue[turn];
      if (file === undefined) {
        queues.delete(owner);
        continue;
      }
      if (chosen.length === limit.files || octets >= limit.octets) return chosen;
      chosen.push(file);
      octets += file.size;
    }
  }
  return chosen;
}
