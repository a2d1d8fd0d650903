/**
 * From a mailbox to its folder, `domain/user`. Whatever an address holds, the path stays two plain
 * names deep, and one mailbox has exactly one folder: names are compared without case and in Unicode's
 * NFC, domains as DNS knows them (A-labels). What is not a letter, a digit or one of `+-.@[]_` is written
 * `=XX`, octet by octet. A name longer than file systems take is cut and ends in `==` and its SHA-256.
 *
 * So `alice` stays `alice` and `..` becomes `=2E=2E`. The encoding is one-to-one on normalised names,
 * also on a file system that itself ignores case or Unicode composition. Pure; nothing fails.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { domainKey } from "../../address.ts";
import { encode } from "../../bytes.ts";
import type { Mailbox } from "../../directory/directory.ts";

/** Longest name of a file in octets, on every common file system. */
const MAX_NAME = 255;

/** Paths remembered: the same mailboxes get mail again and again, and with a catch-all strangers choose which. */
const PATHS = new Map<string, string>();
const MAX_PATHS = 1000;
/** Longer ones are no use to anybody, and would make memory a stranger's to spend. */
const MAX_KEY = 512;

/** What closes a name that was cut: `==` and a SHA-256 in hex. */
const HASH_MARK = 2 + 64;

const PLAIN_ASCII = /^[a-z0-9_+@[\].-]$/;
const PLAIN_UNICODE = /^[\p{L}\p{M}\p{N}]$/u;

/**
 * The folder of a mailbox below the root, without a slash at either end.
 *
 * @example
 * ```ts
 * import { mailboxPath } from "./mailbox_path.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(mailboxPath({ domain: "example.org", user: "alice" }), "example.org/alice");
 * assertEquals(mailboxPath({ domain: "example.org", user: "../../etc" }), "example.org/=2E.=2F..=2Fetc");
 * ```
 */
export function mailboxPath({ domain, user }: Pick<Mailbox, "domain" | "user">): string {
  // The length tells where the domain ends, whatever is in it.
  const key = `${domain.length} ${domain} ${user}`;
  let path = PATHS.get(key);
  if (path === undefined) {
    path = `${encodeFolderName(domainKey(domain))}/${encodeFolderName(user)}`;
    if (PATHS.size >= MAX_PATHS) PATHS.clear();
    if (key.length <= MAX_KEY) PATHS.set(key, path);
  }
  return path;
}

/**
 * The folder for junk of a mailbox, as Maildir++ has it. No mailbox has such a path: its names begin with no dot.
 *
 * @param path as {@link mailboxPath} gives it.
 */
export function junkPath(path: string): string {
  return `${path}/.Junk`;
}

/** The mailbox in which a folder lies; `null` where the path is that of a mailbox itself. */
export function mailboxOfFolder(path: string): string | null {
  const dot = path.lastIndexOf("/.");
  return dot === -1 ? null : path.slice(0, dot);
}

/**
 * The form in which two names are the same name, as `mailboxKey` of `address.ts` has it: composed (NFC),
 * and in lower case character by character.
 */
export function normalizeName(name: string): string {
  const lower = name.normalize("NFC").replace(/./gsu, (character) => character.toLowerCase());
  return lower.normalize("NFC");
}

/** One name as the name of a folder: 1 to 255 octets, never `.` or `..`, no slash, no control. */
export function encodeFolderName(name: string): string {
  const normal = normalizeName(name);
  // A lone mark: no other name gives it, since `=` is else followed by two digits.
  if (normal === "") return "=";
  const pieces: string[] = [];
  const characters = [...normal];
  characters.forEach((character, index) => {
    const edge = index === 0 || index === characters.length - 1;
    pieces.push(isPlain(character, index === 0, edge) ? character : escape(character));
  });
  const whole = pieces.join("");
  return encode(whole).length <= MAX_NAME ? whole : shorten(pieces, normal);
}

/**
 * A dot at the front hides a folder or climbs out of it, one at the end is lost on some systems, and a
 * dash at the front is an option to whatever program the folder is named to.
 */
function isPlain(character: string, first: boolean, edge: boolean): boolean {
  if (character === "." && edge) return false;
  if (character === "-" && first) return false;
  if (character < "\x80") return PLAIN_ASCII.test(character);
  // Letters that fold onto others (ſ, ß, compatibility forms) would meet where the disk ignores case.
  return PLAIN_UNICODE.test(character) && character.normalize("NFKC") === character &&
    character.toUpperCase().toLowerCase() === character;
}

function escape(character: string): string {
  let text = "";
  for (const octet of octetsOf(character)) {
    text += `=${octet.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}

/** UTF-8; half a surrogate pair, which UTF-8 cannot say, in the same pattern, so that none meet. */
function octetsOf(character: string): Iterable<number> {
  const unit = character.charCodeAt(0);
  if (character.length > 1 || unit < 0xd800 || unit > 0xdfff) return encode(character);
  return [0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f)];
}

function shorten(pieces: readonly string[], normal: string): string {
  const hash = createHash("sha256");
  for (const character of normal) hash.update(Uint8Array.from(octetsOf(character)));
  let text = "";
  let room = MAX_NAME - HASH_MARK;
  for (const piece of pieces) {
    room -= encode(piece).length;
    if (room < 0) break;
    text += piece;
  }
  return `${text}==${hash.digest("hex")}`;
}
