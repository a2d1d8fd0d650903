/**
 * A queue entry as one line of JSON, as it lies in segments, journals and `ID.json` files, and back. The
 * line carries the version of its form; a person can read it, and no character of it ends a line.
 *
 * What is read may be damaged or of another version: the parser is total and says why. It checks every
 * part that the program relies on, so that what it gives is an entry in all its depth. Fields it does not
 * know are passed over: adding one that may be ignored needs no new version, any other does.
 *
 * @module
 */

import type { Address } from "../../address.ts";
import type { Mailbox } from "../../directory/directory.ts";
import type { DsnNotify, OriginalRecipient } from "../../smtp/parameters.ts";
import type { Reply } from "../../smtp/reply.ts";
import type {
  Attempt,
  EntryOrigin,
  NoticeKind,
  QueuedRecipient,
  QueueEntry,
  RecipientStatus,
} from "../entry.ts";

/** The version of the line this program writes, and the only one it reads. */
export const ENTRY_VERSION = 1;

/** What was read: the entry, or why it is none. */
export type ParsedEntry =
  | { readonly entry: QueueEntry; readonly reason?: undefined }
  | { readonly entry?: undefined; readonly reason: string };

/** Ids as {@link QueueEntry.id} has them: nothing else becomes a file name. */
const ID = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/;

/** Whether a text may be the id of an entry, and so a file name. */
export function isEntryId(text: string): boolean {
  return ID.test(text);
}

/**
 * The line of an entry, without its line end.
 *
 * @example
 * ```ts
 * import { formatEntry, parseEntry } from "./entry_text.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const entry = {
 *   id: "m1",
 *   received: 1_700_000_000_000,
 *   sender: null,
 *   recipients: [],
 *   body: "7BIT" as const,
 *   smtputf8: false,
 *   requireTls: false,
 *   headSize: 20,
 *   bodySize: 3,
 *   origin: { kind: "submit" as const },
 * };
 * assertEquals(formatEntry(entry).slice(0, 22), '{"version":1,"id":"m1"');
 * assertEquals(parseEntry(formatEntry(entry)), { entry });
 * assertEquals(parseEntry("{}").reason, "version undefined is not known");
 * ```
 */
export function formatEntry(entry: QueueEntry): string {
  const { id, received, sender, headSize, bodySize, recipients, origin, held } = entry;
  const { body, smtputf8, requireTls, dsnReturn, dsnEnvelopeId } = entry;
  // JSON has no Infinity; an attempt that waits for something other than time is written as "never".
  const lasting = recipients.some(({ next }) => next === Infinity)
    ? recipients.map((r) => r.next === Infinity ? { ...r, next: "never" } : r)
    : recipients;
  return JSON.stringify({
    version: ENTRY_VERSION,
    id,
    received,
    sender,
    recipients: lasting,
    body,
    smtputf8,
    requireTls,
    dsnReturn,
    dsnEnvelopeId,
    headSize,
    bodySize,
    origin,
    held,
  });
}

/** Reads the line of an entry. Never throws. */
export function parseEntry(text: string): ParsedEntry {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { reason: "not JSON" };
  }
  try {
    return { entry: readEntry(value) };
  } catch (error) {
    if (error instanceof Malformed) return { reason: error.message };
    throw error;
  }
}

/**
 * Why an entry could not be read again if it were written; `null` when it can. Whoever is to answer for an entry
 * asks first: one that is only found out at the next start is lost.
 */
export function faultOf(entry: QueueEntry): string | null {
  try {
    readEntry({ ...entry, version: ENTRY_VERSION });
    return null;
  } catch (error) {
    if (error instanceof Malformed) return error.message;
    throw error;
  }
}

/** A part is not what it should be; the message says which. Never leaves this file. */
class Malformed extends Error {}

type Fields = Readonly<Record<string, unknown>>;
/** Reads one part; `where` names it. */
type Reader<T> = (value: unknown, where: string) => T;

function readEntry(value: unknown): QueueEntry {
  const fields = readFields(value, "entry");
  if (fields.version !== ENTRY_VERSION) {
    throw new Malformed(`version ${describe(fields.version)} is not known`);
  }
  const id = readText(fields.id, "id");
  if (!isEntryId(id)) throw new Malformed("id: not fit for a file name");
  return {
    id,
    received: readTime(fields.received, "received"),
    sender: fields.sender === null ? null : readAddress(fields.sender, "sender"),
    recipients: readList(readRecipient)(fields.recipients, "recipients"),
    body: readBodyType(fields.body, "body"),
    smtputf8: readFlag(fields.smtputf8, "smtputf8"),
    requireTls: readFlag(fields.requireTls, "requireTls"),
    ...optional(fields, "dsnReturn", readDsnReturn),
    ...optional(fields, "dsnEnvelopeId", readText),
    headSize: readCount(fields.headSize, "headSize"),
    bodySize: readCount(fields.bodySize, "bodySize"),
    origin: readOrigin(fields.origin, "origin"),
    ...optional(fields, "held", readHeld),
  };
}

function readRecipient(value: unknown, where: string): QueuedRecipient {
  const fields = readFields(value, where);
  return {
    address: readAddress(fields.address, `${where}.address`),
    ...optional(fields, "notify", readList(readNotify)),
    ...optional(fields, "originalRecipient", readOriginalRecipient),
    ...optional(fields, "mailbox", readMailbox),
    ...optional(fields, "forwardedBy", readAddress),
    status: readStatus(fields.status, `${where}.status`),
    next: fields.next === "never" || fields.next === Infinity
      ? Infinity
      : readTime(fields.next, `${where}.next`),
    attempts: readCount(fields.attempts, `${where}.attempts`),
    history: readList(readAttempt)(fields.history, `${where}.history`),
    ...optional(fields, "noticed", readList(readNoticeKind)),
    ...optional(fields, "dsnHandedOn", readFlag),
  };
}

function readAttempt(value: unknown, where: string): Attempt {
  const fields = readFields(value, where);
  return {
    time: readTime(fields.time, `${where}.time`),
    ...optional(fields, "host", readText),
    reply: readReply(fields.reply, `${where}.reply`),
    ...optional(fields, "tls", readText),
  };
}

function readReply(value: unknown, where: string): Reply {
  const fields = readFields(value, where);
  const code = readCount(fields.code, `${where}.code`);
  if (code < 100 || code > 999) throw new Malformed(`${where}.code: no reply code`);
  return {
    code,
    ...optional(fields, "enhanced", readText),
    lines: readList(readText)(fields.lines, `${where}.lines`),
  };
}

function readAddress(value: unknown, where: string): Address {
  const { local, domain } = readFields(value, where);
  return { local: readText(local, `${where}.local`), domain: readText(domain, `${where}.domain`) };
}

function readMailbox(value: unknown, where: string): Mailbox {
  const fields = readFields(value, where);
  return {
    domain: readText(fields.domain, `${where}.domain`),
    user: readText(fields.user, `${where}.user`),
    ...optional(fields, "quota", readQuota),
  };
}

function readQuota(value: unknown, where: string): NonNullable<Mailbox["quota"]> {
  const fields = readFields(value, where);
  return {
    ...optional(fields, "bytes", readLimit),
    ...optional(fields, "messages", readLimit),
  };
}

function readOriginalRecipient(value: unknown, where: string): OriginalRecipient {
  const { type, address } = readFields(value, where);
  return { type: readText(type, `${where}.type`), address: readText(address, `${where}.address`) };
}

function readOrigin(value: unknown, where: string): EntryOrigin {
  const fields = readFields(value, where);
  return {
    kind: readOriginKind(fields.kind, `${where}.kind`),
    ...optional(fields, "session", readText),
    ...optional(fields, "client", readText),
    ...optional(fields, "identity", readText),
  };
}

function readHeld(value: unknown, where: string): NonNullable<QueueEntry["held"]> {
  const { since, reason } = readFields(value, where);
  return { since: readTime(since, `${where}.since`), reason: readText(reason, `${where}.reason`) };
}

const readStatus = oneOf<RecipientStatus>("waiting", "delivered", "relayed", "failed");
const readNotify = oneOf<DsnNotify>("NEVER", "SUCCESS", "FAILURE", "DELAY");
const readNoticeKind = oneOf<NoticeKind>("failed", "delayed", "delivered", "relayed");
const readBodyType = oneOf<QueueEntry["body"]>("7BIT", "8BITMIME", "BINARYMIME");
const readDsnReturn = oneOf<"FULL" | "HDRS">("FULL", "HDRS");
const readOriginKind = oneOf<EntryOrigin["kind"]>("session", "submit", "notice");

function oneOf<T extends string>(...words: readonly T[]): Reader<T> {
  return (value, where) => {
    const word = words.find((known) => known === value);
    if (word === undefined) throw new Malformed(`${where}: ${describe(value)} is not known`);
    return word;
  };
}

function readList<T>(read: Reader<T>): Reader<T[]> {
  return (value, where) => {
    if (!Array.isArray(value)) throw new Malformed(`${where}: no list`);
    return value.map((item, index) => read(item, `${where}[${index}]`));
  };
}

function readFields(value: unknown, where: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Malformed(`${where}: no object`);
  }
  return value as Fields;
}

function readText(value: unknown, where: string): string {
  if (typeof value !== "string") throw new Malformed(`${where}: no text`);
  return value;
}

function readFlag(value: unknown, where: string): boolean {
  if (typeof value !== "boolean") throw new Malformed(`${where}: neither true nor false`);
  return value;
}

function readCount(value: unknown, where: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw new Malformed(`${where}: no count`);
  }
  return value as number;
}

/** A limit may be of any size, or none. */
function readLimit(value: unknown, where: string): number {
  if (typeof value !== "number" || !(value >= 0)) throw new Malformed(`${where}: no limit`);
  return value;
}

function readTime(value: unknown, where: string): number {
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw new Malformed(`${where}: no time`);
  }
  return value;
}

/** The field where it is there; nothing where it is not, or null: so JSON writes a limit of Infinity. */
function optional<K extends string, T>(
  fields: Fields,
  name: K,
  read: Reader<T>,
): { readonly [P in K]?: T } {
  const value = fields[name];
  return value === undefined || value === null
    ? {}
    : { [name]: read(value, name) } as { readonly [P in K]?: T };
}

/** A value in a few characters, for the reason. */
function describe(value: unknown): string {
  return (JSON.stringify(value) ?? "undefined").slice(0, 40);
}
