/**
 * What `yizhan dkim` does with the keys of a domain: makes new ones, lets them sign once their records are there, and
 * takes away those that are over. The list is written before a key is: a key without its line would sign.
 *
 * What fails: {@link CommandError} for what makes no sense, and where somebody else changes keys at the same time; and
 * what `Files` throws.
 *
 * @module
 */

import {
  type DkimFolder,
  dkimKeyPath,
  type DomainKeyOnDisk,
  keyListPath,
  readDkimFolder,
  selectorOf,
} from "../admin/dkim_folder.ts";
import { formatKeyList, type ListedDkimKey, sameSelector } from "../admin/dkim_key_list.ts";
import { isBeingMade, isOver, keptLines, startedKeys, waitingKeys } from "../admin/dkim_keys.ts";
import type { Files } from "../runtime/files.ts";
import {
  type DkimAlgorithm,
  makeDkimKey,
  makeKeyFolder,
  replacePrivateFile,
  writeDkimKey,
} from "./dkim_key_file.ts";
import { CommandError, EXIT } from "./exit.ts";

/** Where keys lie, and what goes for all of them. */
export interface DkimPlace {
  readonly files: Files;
  /** Of all keys. */
  readonly folder: string;
  /** `dkim.selector`: what keys are named after. */
  readonly selector: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Milliseconds for which mail may be on its way after it was signed. */
  readonly lifetime: number;
}

/** Reads the keys of a domain. @throws {CommandError} where their list cannot be used. */
export async function readKeys(place: DkimPlace, domain: string): Promise<DkimFolder> {
  const found = await readDkimFolder(place.files, place.folder, domain, place.selector);
  if (found.trouble !== null) throw new CommandError(EXIT.dataError, found.trouble);
  return found;
}

/**
 * Demands that no new key of these kinds is there, or just being made: of two pairs the operator would know of one
 * only, and publish the records of that.
 *
 * @throws {CommandError} where one is.
 */
export function demandNoneWait(
  { now }: DkimPlace,
  found: DkimFolder,
  algorithms: readonly DkimAlgorithm[],
): void {
  const { domain, keys } = found;
  if (keys.some((key) => isBeingMade(key, now))) {
    const what = `another command makes keys of ${domain}, or was stopped just now`;
    throw new CommandError(EXIT.temporary, `${what}; see yizhan dkim list ${domain}`);
  }
  const waiting = waitingKeys(found).filter(({ found }) =>
    found.status === "key" && algorithms.includes(found.key.kind)
  );
  if (waiting.length === 0) return;
  const names = waiting.map(({ selector, since }) => `${selector}, made ${formatDay(since)}`);
  const what = `new keys of ${domain} wait for their records already (${names.join("; ")})`;
  const advice = `yizhan dkim rotate ${domain} says what is missing in DNS, and lets them sign`;
  throw new CommandError(EXIT.dataError, `${what}: ${advice}; --another makes more`);
}

/** A key to be made. */
export interface WantedKey {
  readonly algorithm: DkimAlgorithm;
  /** Of RSA. */
  readonly bits: number;
  readonly selector: string;
}

/** Makes keys that do not sign yet. @throws {CommandError} where one of that name is there already. */
export async function addKeys(
  place: DkimPlace,
  found: DkimFolder,
  wanted: readonly WantedKey[],
): Promise<void> {
  const { files, folder, now } = place;
  for (const { selector } of wanted) {
    const path = dkimKeyPath(folder, found.domain, selector);
    const listed = found.keys.some((key) => sameSelector(key.selector, selector));
    if (!listed && await files.stat(path) === null) continue;
    const what = `${path} is there already, and stays as it is`;
    throw new CommandError(EXIT.cantCreate, `${what}; name another by --selector`);
  }
  const since = Math.trunc(now / 1000) * 1000;
  const made = wanted.map(({ selector }) => ({ selector, state: "new", since } as const));
  await makeKeyFolder(files, folder, found.path);
  await writeList(place, found, [...made, ...keptLines(found, now)]);
  for (const { algorithm, bits, selector } of wanted) {
    const path = dkimKeyPath(folder, found.domain, selector);
    await writeDkimKey(files, folder, path, await makeDkimKey(algorithm, bits));
  }
}

/** Names for new keys, that no key of the domain has, or had by what is left of it. */
export async function freeSelectors(
  { files, folder, selector, now }: DkimPlace,
  { domain, keys }: DkimFolder,
  algorithms: readonly DkimAlgorithm[],
): Promise<(algorithm: DkimAlgorithm) => string> {
  const day = new Date(now).toISOString().slice(0, 10).replaceAll("-", "");
  // The first keys have the plain name; those that take their place the day.
  for (let number = keys.length === 0 ? 0 : 1;; number++) {
    const base = [selector, `${selector}-${day}`][number] ?? `${selector}-${day}-${number}`;
    const names = algorithms.map((algorithm) => selectorOf(base, algorithm));
    const taken = await Promise.all(
      names.map(async (name) =>
        keys.some((key) => sameSelector(key.selector, name)) ||
        await files.stat(dkimKeyPath(folder, domain, name)) !== null
      ),
    );
    if (!taken.includes(true)) return (algorithm) => selectorOf(base, algorithm);
  }
}

/** Lets keys sign from now on, each in place of those of its kind. */
export async function startKeys(
  place: DkimPlace,
  found: DkimFolder,
  ready: readonly DomainKeyOnDisk[],
): Promise<void> {
  await writeList(place, found, startedKeys(found, ready, place.now, place.lifetime));
}

/** Takes a key away that does not sign. @throws {CommandError} where it does, or its record is still wanted. */
export async function removeKey(
  place: DkimPlace,
  found: DkimFolder,
  selector: string,
  anyway: boolean,
): Promise<void> {
  const key = found.keys.find((one) => sameSelector(one.selector, selector));
  const whose = `${selector} of ${found.domain}`;
  if (key === undefined) throw new CommandError(EXIT.noInput, `there is no key ${whose}`);
  if (key.state === "signs") {
    const advice = `yizhan dkim rotate ${found.domain} puts another in its place`;
    throw new CommandError(EXIT.dataError, `the key ${whose} signs; ${advice}`);
  }
  if (key.state === "old" && !isOver(key, place.now) && !anyway) {
    const day = formatDay(key.until!);
    const what = `mail that the key ${whose} has signed may be on its way until ${day}`;
    throw new CommandError(EXIT.dataError, `${what}; wait until then, or say --now`);
  }
  const left = found.keys.filter((one) => one !== key);
  await writeList(place, found, keptLines({ keys: left }, place.now));
  if (key.found.status !== "none") await place.files.remove(key.path);
}

/** @throws {CommandError} where the list is not any more what was found: somebody else has changed it. */
async function writeList(
  place: DkimPlace,
  found: DkimFolder,
  keys: readonly ListedDkimKey[],
): Promise<void> {
  const { files, folder, now } = place;
  const path = keyListPath(folder, found.domain);
  await replacePrivateFile(files, path, formatKeyList(keys), async () => {
    const there = await readKeys(place, found.domain);
    if (formatKeyList(keptLines(there, now)) === formatKeyList(keptLines(found, now))) return;
    const what = `the keys of ${found.domain} have been changed meanwhile, and stay so`;
    throw new CommandError(EXIT.temporary, `${what}; try again`);
  });
}

/** A day, such as 2026-11-23. */
export function formatDay(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 10);
}
