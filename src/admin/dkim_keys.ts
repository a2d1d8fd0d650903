/**
 * What DKIM keys of a domain do, step by step: a new one waits until its record is in DNS, then signs in place of those
 * of its kind; these are old from then on, and their records stay until mail that they signed has certainly arrived.
 * Pure: the files are for others.
 *
 * @module
 */

import type { DkimFolder, DomainKeyOnDisk } from "./dkim_folder.ts";
import type { ListedDkimKey } from "./dkim_key_list.ts";
import { sameSelector } from "./dkim_key_list.ts";
import type { PublishedKey } from "./dns_records.ts";

/** The keys whose records must be in DNS. */
export function publishedKeys({ keys }: Pick<DkimFolder, "keys">, now: number): PublishedKey[] {
  return keys.flatMap((key) => {
    const { selector, state, found } = key;
    if (found.status !== "key" || isOver(key, now)) return [];
    return [{ selector, key: found.key, state }];
  });
}

/** Whether nothing that the key has signed is on its way any more. */
export function isOver({ state, until }: ListedDkimKey, now: number): boolean {
  return state === "old" && until! <= now;
}

/** The keys that wait for their record; a line without a file is none. */
export function waitingKeys({ keys }: Pick<DkimFolder, "keys">): DomainKeyOnDisk[] {
  return keys.filter(({ state, found }) => state === "new" && found.status === "key");
}

/** Milliseconds in which a key is made whole: its line is there first, so that no key lies about that nobody knows. */
const MAKING = 10 * 60 * 1000;

/** Whether another command may be making the key just now: its line is there, its file is not yet. */
export function isBeingMade({ state, since, found }: DomainKeyOnDisk, now: number): boolean {
  return state === "new" && found.status === "none" && now - since < MAKING;
}

/** The lines of the list, but for keys that were never made whole, or are gone for good. */
export function keptLines({ keys }: Pick<DkimFolder, "keys">, now: number): ListedDkimKey[] {
  return keys.filter((key) =>
    key.found.status !== "none" || key.state === "signs" || isBeingMade(key, now) ||
    (key.state === "old" && !isOver(key, now))
  ).map(lineOf);
}

/**
 * The list when some keys begin to sign: each takes the place of those of its kind, and any of it the place of those
 * that cannot sign, whatever their kind was.
 *
 * @param ready keys that wait. @param lifetime milliseconds for which mail they signed may be on its way.
 */
export function startedKeys(
  folder: Pick<DkimFolder, "keys">,
  ready: readonly DomainKeyOnDisk[],
  now: number,
  lifetime: number,
): ListedDkimKey[] {
  const kindOf = ({ found }: DomainKeyOnDisk) => found.status === "key" ? found.key.kind : null;
  const kinds = new Set(ready.map(kindOf));
  const isReplaced = (key: DomainKeyOnDisk) =>
    kinds.has(kindOf(key)) || key.found.status === "none" || key.found.status === "bad";
  const time = Math.trunc(now / 1000) * 1000;
  const until = Math.ceil((now + lifetime) / 1000) * 1000;
  return folder.keys.filter((key) => keptLines({ keys: [key] }, now).length > 0).map((key) => {
    const line = lineOf(key);
    if (ready.some(({ selector }) => sameSelector(selector, key.selector))) {
      return { ...line, state: "signs", since: time };
    }
    if (key.state !== "signs" || !isReplaced(key)) return line;
    return { selector: key.selector, state: "old", since: time, until };
  });
}

function lineOf({ selector, state, since, until }: ListedDkimKey): ListedDkimKey {
  return { selector, state, since, ...(until !== undefined && { until }) };
}
