/**
 * What a program leaves in the drop folder: a mail with its envelope, as text.
 *
 * ```text
 * # yizhan drop 1
 * {"sender":"alice@example.org","recipients":["bob@example.net"]}
 * Subject: hello
 *
 * Hello.
 * ```
 *
 * The first line is the version, the second the envelope as JSON, the rest the message as it was handed in:
 * lines may end with LF. Anybody on the machine may write such a file, so nothing in it is believed but its
 * octets: counts and lengths are bounded, every address is read, and a key that is not known refuses the file,
 * lest an order go unheard. Pure; nothing here throws for what it reads.
 *
 * @module
 */

import { formatAddress, parseAddress } from "../../address.ts";
import { concat, decodeStrict, encode } from "../../bytes.ts";
import type { DsnNotify, OriginalRecipient } from "../../smtp/parameters.ts";
import type { SubmitEnvelope } from "../submit.ts";

/** The name of a mail that is whole, and of one that is being written. The digits are chance: nobody guesses them. */
export const MAIL_NAME = /^mail-[0-9a-f]{32}$/;

/** What the name of a file begins with while it is written. */
export const UNFINISHED = "tmp-";

/** The mode of a mail in the folder, whose group is the server's. */
export const MAIL_MODE = 0o640;

/** The same where it has another group (see `drop_folder.ts`): the server must read it; who cannot guess its name cannot. */
export const MAIL_MODE_WITHOUT_GROUP = 0o644;

/** Recipients of one file; more are left in several. */
export const DROP_RECIPIENTS = 1000;

/** Octets that the first two lines may have. */
export const HEADER_LIMIT = 1024 * 1024;

const VERSION = "# yizhan drop 1";
const ANY_VERSION = /^# yizhan drop (\d{1,9})$/;
const LF = 0x0a;

/** The first two lines of a file. */
export interface DropHeader {
  readonly envelope: SubmitEnvelope;
  /** Where the message begins, in octets from the start of the file. */
  readonly messageAt: number;
}

/**
 * Writes the first two lines.
 *
 * @example
 * ```ts
 * import { formatDropHeader, parseDropHeader } from "./drop_file.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const envelope = { sender: "alice@example.org", recipients: [{ address: "bob@example.net" }] };
 * const header = formatDropHeader(envelope);
 * assertEquals(parseDropHeader(header), { envelope, messageAt: header.length });
 * ```
 */
export function formatDropHeader(envelope: SubmitEnvelope): Uint8Array {
  return encode(`${VERSION}\n${JSON.stringify(envelope)}\n`);
}

/** A file that a later program left: what it means is not for this one to say. */
export interface LaterDrop {
  /** Its version. */
  readonly laterVersion: number;
}

/** Octets that a first line may have. */
const FIRST_LINE_LIMIT = 40;

/**
 * Reads the first two lines off the beginning of a file; gives what is wrong, in words, where they are none, and
 * `null` where they may go on beyond these octets.
 */
export function parseDropHeader(start: Uint8Array): DropHeader | LaterDrop | string | null {
  const first = start.indexOf(LF);
  if (first === -1 && start.length < FIRST_LINE_LIMIT) return null;
  const line = decodeStrict(start.subarray(0, Math.max(0, first)));
  if (line !== VERSION) {
    const version = Number(ANY_VERSION.exec(line ?? "")?.[1] ?? 0);
    return version > 1 ? { laterVersion: version } : `its first line is not "${VERSION}"`;
  }
  const second = start.indexOf(LF, first + 1);
  if (second === -1) return start.length < HEADER_LIMIT ? null : "its second line has no end";
  if (second >= HEADER_LIMIT) return "its second line is too long";
  const envelope = parseEnvelope(start.subarray(first + 1, second));
  return typeof envelope === "string" ? envelope : { envelope, messageAt: second + 1 };
}

/** An envelope, or what is wrong with it. */
function parseEnvelope(line: Uint8Array): SubmitEnvelope | string {
  const text = decodeStrict(line);
  if (text === null) return "its second line is not UTF-8";
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return "its second line is not JSON";
  }
  if (!isObject(value)) return "its envelope is no object";
  const { sender, recipients, requireTls, dsnReturn, dsnEnvelopeId, ...unknown } = value;
  if (Object.keys(unknown).length > 0) return "its envelope has keys that are not known";
  const from = sender === null ? null : readAddress(sender);
  if (from === null && sender !== null) return "its sender is not a mail address";
  if (!Array.isArray(recipients) || recipients.length === 0) return "it names no recipients";
  if (recipients.length > DROP_RECIPIENTS) return `it has more than ${DROP_RECIPIENTS} recipients`;
  const to = recipients.map(readRecipient);
  if (!to.every((recipient) => recipient !== null)) return "a recipient is not a mail address";
  if (requireTls !== undefined && typeof requireTls !== "boolean") return "its requireTls is wrong";
  if (dsnReturn !== undefined && dsnReturn !== "FULL" && dsnReturn !== "HDRS") {
    return "its dsnReturn is neither FULL nor HDRS";
  }
  if (dsnEnvelopeId !== undefined && !isEnvelopeId(dsnEnvelopeId)) {
    return "its dsnEnvelopeId is wrong";
  }
  return {
    sender: from,
    recipients: to,
    ...(requireTls && { requireTls }),
    ...(dsnReturn && { dsnReturn }),
    ...(dsnEnvelopeId !== undefined && { dsnEnvelopeId }),
  };
}

function readRecipient(value: unknown): SubmitEnvelope["recipients"][number] | null {
  if (typeof value === "string") value = { address: value };
  if (!isObject(value)) return null;
  const { address, notify, originalRecipient, ...unknown } = value;
  const read = readAddress(address);
  if (read === null || Object.keys(unknown).length > 0) return null;
  if (notify !== undefined && !isNotify(notify)) return null;
  if (originalRecipient !== undefined && !isOriginal(originalRecipient)) return null;
  return {
    address: read,
    ...(notify && { notify }),
    ...(originalRecipient && { originalRecipient }),
  };
}

function readAddress(value: unknown): string | null {
  if (typeof value !== "string" || value.length > 1024) return null;
  const address = parseAddress(value, { smtputf8: true });
  return address === null ? null : formatAddress(address);
}

const NOTIFY: readonly unknown[] = ["NEVER", "SUCCESS", "FAILURE", "DELAY"];

/** RFC 3461 §4.1: NEVER alone, or some of the others, each once. */
function isNotify(value: unknown): value is DsnNotify[] {
  return Array.isArray(value) && value.length > 0 && value.length <= 3 &&
    value.every((word) => NOTIFY.includes(word)) && new Set(value).size === value.length &&
    (!value.includes("NEVER") || value.length === 1);
}

/** RFC 3461 §4.2: a type, which is an atom, and an address of it. */
function isOriginal(value: unknown): value is OriginalRecipient {
  if (!isObject(value) || Object.keys(value).length !== 2) return false;
  const { type, address } = value;
  return typeof type === "string" && /^[\w-]{1,40}$/.test(type) && typeof address === "string" &&
    /^[^\p{Cc}\p{Zl}\p{Zp}]{1,500}$/u.test(address);
}

/** RFC 3461 §4.4: printable ASCII, at most 100 octets. */
export function isEnvelopeId(value: unknown): value is string {
  return typeof value === "string" && /^[ -~]{1,100}$/.test(value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A whole file of a small message. */
export function formatDropFile(envelope: SubmitEnvelope, message: Uint8Array): Uint8Array {
  return concat([formatDropHeader(envelope), message]);
}
