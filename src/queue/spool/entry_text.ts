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
import type { OriginalRecipient } from "../../smtp/parameters.ts";
import type { Attempt, QueuedRecipient, QueueEntry } from "../entry.ts";
import { describe, faultOf } from "./entry_check.ts";

/** The version of the line this program writes, and the only one it reads. */
export const ENTRY_VERSION = 1;

/** An attempt that waits for something other than time: JSON has no Infinity. */
const NEVER = "never";

/** What was read: the entry, or why it is none. */
export type ParsedEntry =
  | { readonly entry: QueueEntry; readonly reason?: undefined }
  | { readonly entry?: undefined; readonly reason: string };

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
  const { id, received, sender, headSize, bodySize, recipients, origin, held, junk } = entry;
  const { body, smtputf8, requireTls, dsnReturn, dsnEnvelopeId } = entry;
  return JSON.stringify({
    version: ENTRY_VERSION,
    id,
    received,
    sender,
    recipients: recipients.some(isLasting) ? recipients.map(writtenOf) : recipients,
    body,
    smtputf8,
    requireTls,
    dsnReturn,
    dsnEnvelopeId,
    headSize,
    bodySize,
    origin,
    held,
    junk,
  });
}

function isLasting({ next }: QueuedRecipient): boolean {
  return next === Infinity;
}

function writtenOf(recipient: QueuedRecipient): unknown {
  return isLasting(recipient) ? { ...recipient, next: NEVER } : recipient;
}

/** Reads the line of an entry. Never throws. */
export function parseEntry(text: string): ParsedEntry {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { reason: "not JSON" };
  }
  const reason = faultOfVersion(value) ?? faultOf(value);
  return reason === null ? { entry: entryOf(value as QueueEntry) } : { reason };
}

/** A line of another version is not looked into. */
function faultOfVersion(value: unknown): string | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const { version } = value as { readonly version?: unknown };
  return version === ENTRY_VERSION ? null : `version ${describe(version)} is not known`;
}

/** What is known of a value that was found to be an entry. */
function entryOf(entry: QueueEntry): QueueEntry {
  const { id, received, sender, recipients, origin, held } = entry;
  const { body, smtputf8, requireTls, headSize, bodySize } = entry;
  return {
    id,
    received,
    sender: sender && addressOf(sender),
    recipients: recipients.map(recipientOf),
    body,
    smtputf8,
    requireTls,
    ...known(entry, ["dsnReturn", "dsnEnvelopeId"]),
    headSize,
    bodySize,
    origin: { kind: origin.kind, ...known(origin, ["session", "client", "identity"]) },
    ...(held && { held: { since: held.since, reason: held.reason } }),
    ...known(entry, ["junk"]),
  };
}

function recipientOf(recipient: QueuedRecipient): QueuedRecipient {
  const { address, originalRecipient, mailbox, forwardedBy, status, next, attempts } = recipient;
  return {
    address: addressOf(address),
    ...known(recipient, ["notify"]),
    ...(originalRecipient && { originalRecipient: originalOf(originalRecipient) }),
    ...(mailbox && { mailbox: mailboxOf(mailbox) }),
    ...(forwardedBy && { forwardedBy: addressOf(forwardedBy) }),
    status,
    next: (next as unknown) === NEVER ? Infinity : next,
    attempts,
    history: recipient.history.map(attemptOf),
    ...known(recipient, ["noticed", "dsnHandedOn"]),
  };
}

function addressOf({ local, domain }: Address): Address {
  return { local, domain };
}

function originalOf({ type, address }: OriginalRecipient): OriginalRecipient {
  return { type, address };
}

function mailboxOf({ domain, user, quota }: Mailbox): Mailbox {
  return { domain, user, ...(quota && { quota: known(quota, ["bytes", "messages"]) }) };
}

function attemptOf(attempt: Attempt): Attempt {
  const { time, reply } = attempt;
  const { code, lines } = reply;
  return {
    time,
    ...known(attempt, ["host"]),
    reply: { code, ...known(reply, ["enhanced"]), lines },
    ...known(attempt, ["tls"]),
  };
}

/** The fields that are there; nothing where one is null: so JSON writes a limit of Infinity. */
function known<T, K extends keyof T>(value: T, names: readonly K[]): Pick<T, K> {
  const fields: Partial<Pick<T, K>> = {};
  for (const name of names) {
    if (value[name] !== undefined && value[name] !== null) fields[name] = value[name];
  }
  return fields as Pick<T, K>;
}
