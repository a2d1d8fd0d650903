/**
 * The DKIM keys of domains as they lie on the disk: `DOMAIN/SELECTOR.pem`, and `DOMAIN/keys`, which says what each does
 * (`dkim_key_list.ts`). Where no such file is, the key `dkim.selector` signs, and beside it the one whose name has
 * `-ed25519` behind it: so `yizhan init` makes them.
 *
 * What fails: nothing throws; what cannot be read is a value that says why.
 *
 * @module
 */

import { decode } from "../bytes.ts";
import { parseDomain } from "../address.ts";
import type { Files } from "../runtime/files.ts";
import { errorCode } from "../runtime/system_error.ts";
import { type DkimPublicKey, readDkimKey } from "./dkim_key.ts";
import { type ListedDkimKey, parseKeyList } from "./dkim_key_list.ts";
import { asciiDomain } from "./dns_records.ts";

/** What is behind the name of a second key, of Ed25519. */
const ED25519 = "-ed25519";

/** Octets of a file with a key, or of the list of keys. */
const MAX_FILE = 65_536;

/** A key that a file holds, or why it cannot be used. */
export type KeyOnDisk =
  | {
    readonly status: "key";
    readonly key: DkimPublicKey;
    readonly bits: number;
    /** The private half. */
    readonly pem: string;
  }
  /** `unreadable`: this user may not, or the disk failed. `bad`: what is there is no key of use. */
  | {
    readonly status: "none" | "unreadable" | "bad";
    /** Follows the path in a sentence. */
    readonly reason: string;
  };

/** A key of a domain. */
export interface DomainKeyOnDisk extends ListedDkimKey {
  readonly path: string;
  readonly found: KeyOnDisk;
}

/** All keys of a domain. */
export interface DkimFolder {
  /** In A-labels. */
  readonly domain: string;
  /** The folder. */
  readonly path: string;
  /** In the order of the list. */
  readonly keys: readonly DomainKeyOnDisk[];
  /** Why the list cannot be used, or the folder not be looked at: a sentence with its path. */
  readonly trouble: string | null;
}

/** Where the key of a domain lies in the folder of keys. */
export function dkimKeyPath(folder: string, domain: string, selector: string): string {
  return `${folder}/${asciiDomain(domain)}/${selector}.pem`;
}

/** Where the list of a domain's keys lies. */
export function keyListPath(folder: string, domain: string): string {
  return `${folder}/${asciiDomain(domain)}/keys`;
}

/** The name of a key of an algorithm, beside others of the same base. */
export function selectorOf(base: string, kind: DkimPublicKey["kind"]): string {
  return kind === "rsa" ? base : `${base}${ED25519}`;
}

/**
 * Reads the keys of a domain.
 *
 * @param folder of all keys. @param selector `dkim.selector` of the configuration.
 */
export async function readDkimFolder(
  files: Files,
  folder: string,
  domain: string,
  selector: string,
): Promise<DkimFolder> {
  const name = asciiDomain(domain);
  const path = `${folder}/${name}`;
  const list = await readList(files, keyListPath(folder, name));
  if (typeof list === "string") return { domain: name, path, keys: [], trouble: list };
  const listed = list ?? await usualKeys(files, folder, name, selector);
  const keys: DomainKeyOnDisk[] = [];
  for (const key of listed) {
    const at = dkimKeyPath(folder, name, key.selector);
    keys.push({ ...key, path: at, found: await readKeyFile(files, at) });
  }
  return { domain: name, path, keys, trouble: null };
}

/** Reads a key. */
export async function readKeyFile(files: Files, path: string): Promise<KeyOnDisk> {
  try {
    const pem = decode(await files.readFile(path, MAX_FILE));
    const read = readDkimKey(pem);
    if (read.status === "bad") return read;
    return { status: "key", key: read.key, bits: read.bits, pem };
  } catch (error) {
    if (errorCode(error) === "ENOENT") return { status: "none", reason: "does not exist" };
    return { status: "unreadable", reason: `cannot be read: ${whyNot(error)}` };
  }
}

/** The names of keys that lie in a folder, listed or not, sorted; none where it cannot be looked at. */
export async function findSelectors(files: Files, { path }: DkimFolder): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const { name } of files.list(path)) {
      if (name.endsWith(".pem")) found.push(name.slice(0, -".pem".length));
    }
  } catch { /* it is not there */ }
  return found.sort();
}

/** The domains that have a folder, sorted. @throws what the disk says, but where the folder of all is missing. */
export async function findKeyDomains(files: Files, folder: string): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const { name, kind } of files.list(folder)) {
      if (kind === "file" || parseDomain(name) === null || asciiDomain(name) !== name) continue;
      found.push(name);
    }
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
  return found.sort();
}

/** What the list says; `null` where there is none, and a sentence where it cannot be used. */
async function readList(
  files: Files,
  path: string,
): Promise<readonly ListedDkimKey[] | string | null> {
  try {
    const read = parseKeyList(decode(await files.readFile(path, MAX_FILE)));
    return read.status === "list" ? read.keys : `${path} ${read.reason}`;
  } catch (error) {
    return errorCode(error) === "ENOENT" ? null : `${path} cannot be read: ${whyNot(error)}`;
  }
}

/** Those that sign where nothing says so. When they began is not known; their files are as old at least. */
async function usualKeys(
  files: Files,
  folder: string,
  domain: string,
  selector: string,
): Promise<ListedDkimKey[]> {
  const keys: ListedDkimKey[] = [];
  for (const name of [selector, `${selector}${ED25519}`]) {
    const path = dkimKeyPath(folder, domain, name);
    const found = await files.stat(path, { follow: true }).catch(() => undefined);
    // What cannot be looked at may be there: reading it says why.
    if (found === null) continue;
    const since = Math.trunc((found?.modified ?? 0) / 1000) * 1000;
    keys.push({ selector: name, state: "signs", since });
  }
  return keys;
}

function whyNot(error: unknown): string {
  const code = errorCode(error);
  return code === "EACCES" || code === "EPERM" ? "permission denied" : code ?? "it failed";
}

/** A word for people: `RSA 2048`, `Ed25519`. */
export function describeKey(found: KeyOnDisk): string {
  if (found.status !== "key") return "?";
  return found.key.kind === "rsa" ? `RSA ${found.bits}` : "Ed25519";
}
