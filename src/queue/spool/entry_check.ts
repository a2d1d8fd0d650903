/**
 * Whether a value is an entry in all its depth: every part that the program relies on is what it should be. Asked of
 * what was read, which may be damaged, and of what is to be written, which must be read again: for each message, so
 * nothing is made here unless there is a fault.
 *
 * Pure and total. Fields it does not know are passed over.
 *
 * @module
 */

import type { DsnNotify } from "../../smtp/parameters.ts";
import type { EntryOrigin, NoticeKind, QueueEntry, RecipientStatus } from "../entry.ts";

/** Where the fault is and what it is, such as `.sender.local: no text`; `null` for none. */
type Fault = string | null;
type Check = (value: unknown) => Fault;
type Fields = Readonly<Record<string, unknown>>;

/** Ids as {@link QueueEntry.id} has them: nothing else becomes a file name. */
const ID = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/;

/** Whether a text may be the id of an entry, and so a file name. */
export function isEntryId(text: string): boolean {
  return ID.test(text);
}

/**
 * Why a value is no entry; `null` when it is one. An attempt that waits for something other than time may be
 * `Infinity`, or "never" as it is written.
 *
 * @example
 * ```ts
 * import { faultOf } from "./entry_check.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(faultOf({ id: "../m1" }), "id: not fit for a file name");
 * ```
 */
export function faultOf(entry: unknown): string | null {
  if (!isFields(entry)) return "entry: no object";
  const fault = faultOfFields(entry);
  return fault === null ? null : fault.slice(1);
}

function faultOfFields(entry: Fields): Fault {
  return text(entry.id, ".id") ??
    (isEntryId(entry.id as string) ? null : ".id: not fit for a file name") ??
    time(entry.received, ".received") ??
    (entry.sender === null ? null : under(".sender", address(entry.sender))) ??
    list(entry.recipients, ".recipients", recipient) ??
    oneOf(BODY_TYPES, entry.body, ".body") ??
    flag(entry.smtputf8, ".smtputf8") ??
    flag(entry.requireTls, ".requireTls") ??
    (absent(entry.dsnReturn) ? null : oneOf(DSN_RETURNS, entry.dsnReturn, ".dsnReturn")) ??
    (absent(entry.dsnEnvelopeId) ? null : text(entry.dsnEnvelopeId, ".dsnEnvelopeId")) ??
    count(entry.headSize, ".headSize") ??
    count(entry.bodySize, ".bodySize") ??
    under(".origin", origin(entry.origin)) ??
    (absent(entry.held) ? null : under(".held", held(entry.held))) ??
    (absent(entry.junk) ? null : text(entry.junk, ".junk"));
}

function recipient(value: unknown): Fault {
  if (!isFields(value)) return NO_OBJECT;
  const { notify, originalRecipient, mailbox: box, forwardedBy, next, noticed } = value;
  return under(".address", address(value.address)) ??
    (absent(notify) ? null : list(notify, ".notify", notifyWord)) ??
    (absent(originalRecipient) ? null : under(".originalRecipient", original(originalRecipient))) ??
    (absent(box) ? null : under(".mailbox", mailbox(box))) ??
    (absent(forwardedBy) ? null : under(".forwardedBy", address(forwardedBy))) ??
    oneOf(STATUSES, value.status, ".status") ??
    (next === Infinity || next === "never" ? null : time(next, ".next")) ??
    count(value.attempts, ".attempts") ??
    list(value.history, ".history", attempt) ??
    (absent(noticed) ? null : list(noticed, ".noticed", noticeKind)) ??
    (absent(value.dsnHandedOn) ? null : flag(value.dsnHandedOn, ".dsnHandedOn"));
}

function attempt(value: unknown): Fault {
  if (!isFields(value)) return NO_OBJECT;
  return time(value.time, ".time") ??
    (absent(value.host) ? null : text(value.host, ".host")) ??
    under(".reply", reply(value.reply)) ??
    (absent(value.tls) ? null : text(value.tls, ".tls"));
}

function reply(value: unknown): Fault {
  if (!isFields(value)) return NO_OBJECT;
  const code = value.code as number;
  return count(code, ".code") ??
    (code >= 100 && code <= 999 ? null : ".code: no reply code") ??
    (absent(value.enhanced) ? null : text(value.enhanced, ".enhanced")) ??
    list(value.lines, ".lines", line);
}

function address(value: unknown): Fault {
  if (!isFields(value)) return NO_OBJECT;
  return text(value.local, ".local") ?? text(value.domain, ".domain");
}

function mailbox(value: unknown): Fault {
  if (!isFields(value)) return NO_OBJECT;
  return text(value.domain, ".domain") ??
    text(value.user, ".user") ??
    (absent(value.quota) ? null : under(".quota", quota(value.quota)));
}

function quota(value: unknown): Fault {
  if (!isFields(value)) return NO_OBJECT;
  return (absent(value.bytes) ? null : limit(value.bytes, ".bytes")) ??
    (absent(value.messages) ? null : limit(value.messages, ".messages"));
}

function original(value: unknown): Fault {
  if (!isFields(value)) return NO_OBJECT;
  return text(value.type, ".type") ?? text(value.address, ".address");
}

function origin(value: unknown): Fault {
  if (!isFields(value)) return NO_OBJECT;
  return oneOf(ORIGINS, value.kind, ".kind") ??
    (absent(value.session) ? null : text(value.session, ".session")) ??
    (absent(value.client) ? null : text(value.client, ".client")) ??
    (absent(value.identity) ? null : text(value.identity, ".identity"));
}

function held(value: unknown): Fault {
  if (!isFields(value)) return NO_OBJECT;
  return time(value.since, ".since") ?? text(value.reason, ".reason");
}

const NO_OBJECT = ": no object";
const STATUSES: readonly RecipientStatus[] = ["waiting", "delivered", "relayed", "failed"];
const NOTIFY: readonly DsnNotify[] = ["NEVER", "SUCCESS", "FAILURE", "DELAY"];
const NOTICES: readonly NoticeKind[] = ["failed", "delayed", "delivered", "relayed"];
const BODY_TYPES: readonly QueueEntry["body"][] = ["7BIT", "8BITMIME", "BINARYMIME"];
const DSN_RETURNS: readonly QueueEntry["dsnReturn"][] = ["FULL", "HDRS"];
const ORIGINS: readonly EntryOrigin["kind"][] = ["session", "submit", "notice"];

const line: Check = (value) => text(value, "");
const notifyWord: Check = (value) => oneOf(NOTIFY, value, "");
const noticeKind: Check = (value) => oneOf(NOTICES, value, "");

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** So JSON writes a limit of Infinity: as null, which is read as no limit. */
function absent(value: unknown): boolean {
  return value === undefined || value === null;
}

/** The fault of a part, with where the part is in front. */
function under(where: string, fault: Fault): Fault {
  return fault === null ? null : where + fault;
}

function list(value: unknown, where: string, check: Check): Fault {
  if (!Array.isArray(value)) return `${where}: no list`;
  for (let index = 0; index < value.length; index++) {
    const fault = check(value[index]);
    if (fault !== null) return `${where}[${index}]${fault}`;
  }
  return null;
}

function oneOf(words: readonly unknown[], value: unknown, where: string): Fault {
  return words.includes(value) ? null : `${where}: ${describe(value)} is not known`;
}

function text(value: unknown, where: string): Fault {
  return typeof value === "string" ? null : `${where}: no text`;
}

function flag(value: unknown, where: string): Fault {
  return typeof value === "boolean" ? null : `${where}: neither true nor false`;
}

function count(value: unknown, where: string): Fault {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? null : `${where}: no count`;
}

/** A limit may be of any size, or none. */
function limit(value: unknown, where: string): Fault {
  return typeof value === "number" && value >= 0 ? null : `${where}: no limit`;
}

function time(value: unknown, where: string): Fault {
  return typeof value === "number" && Number.isFinite(value) ? null : `${where}: no time`;
}

/** A value in a few characters, for the reason. */
export function describe(value: unknown): string {
  return (JSON.stringify(value) ?? "undefined").slice(0, 40);
}
