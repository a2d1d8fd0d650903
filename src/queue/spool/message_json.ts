/**
 * `ID.json`: the entry of a message and its head, as a JSON document that a person can read; the head line by
 * line. The first line holds the SHA-256 of all that follows it, so that a file that is not as it was
 * written is known (`tail -n +2 ID.json | sha256sum` tells the same):
 *
 *     {"sha256":"…",
 *     "entry":{"version":1,"id":"…",…},
 *     "head":[
 *     "Received: from …",
 *     "Subject: …",
 *     ""]}
 *
 * A head that is not UTF-8 is `head8bit`, each octet a character. The version is the entry's. The
 * parser is total and says why.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { concat, decodeStrict, encode } from "../../bytes.ts";
import type { QueueEntry } from "../entry.ts";
import { formatEntry, parseEntry } from "./entry_text.ts";

/** A message less its body. */
export interface MessageRecord {
  readonly entry: QueueEntry;
  /** The header section, every field with its CRLF. */
  readonly head: Uint8Array;
}

/** What was read: the message, or why it is none. */
export type ParsedMessageJson =
  | (MessageRecord & { readonly reason?: undefined })
  | { readonly entry?: undefined; readonly reason: string };

const FIRST_LINE = /^\{"sha256":"([0-9a-f]{64})",$/;
// A line ends with LF; to `.` also U+2028 ends one, which JSON leaves as it is.
const CONTENT = /^"entry":(\{[^\n]*\}),\n"(head|head8bit)":(\[[^]*\])\}\n$/;

/**
 * The file of a message.
 *
 * @example
 * ```ts
 * import { formatMessageJson, parseMessageJson } from "./message_json.ts";
 * import { decode, encode } from "../../bytes.ts";
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
 *   headSize: 13,
 *   bodySize: 3,
 *   origin: { kind: "submit" as const },
 * };
 * const head = encode("Subject: hi\r\n");
 * const file = formatMessageJson({ entry, head });
 * assertEquals(JSON.parse(decode(file)).head, ["Subject: hi", ""]);
 * assertEquals(parseMessageJson(file), { entry, head });
 * ```
 */
export function formatMessageJson({ entry, head }: MessageRecord): Uint8Array {
  const text = decodeStrict(head);
  const lines = (text ?? formatOctets(head)).split("\r\n").map((line) => JSON.stringify(line));
  const name = text === null ? "head8bit" : "head";
  const content = encode(`"entry":${formatEntry(entry)},\n"${name}":[\n${lines.join(",\n")}]}\n`);
  return concat([encode(`{"sha256":"${digest(content)}",\n`), content]);
}

/** Reads the file of a message. Never throws. */
export function parseMessageJson(file: Uint8Array): ParsedMessageJson {
  const end = file.indexOf(0x0a);
  const first = end === -1 ? null : decodeStrict(file.subarray(0, end));
  const sum = FIRST_LINE.exec(first ?? "")?.[1];
  if (sum === undefined) return { reason: "the first line holds no checksum" };
  const content = file.subarray(end + 1);
  if (digest(content) !== sum) return { reason: "the checksum does not fit" };
  const [, entryText, name, lines] = CONTENT.exec(decodeStrict(content) ?? "") ?? [];
  if (lines === undefined) return { reason: "not an entry and a head" };
  const { entry, reason } = parseEntry(entryText!);
  if (entry === undefined) return { reason };
  const text = parseLines(lines);
  if (text === null) return { reason: "the head is no list of lines" };
  return { entry, head: name === "head" ? encode(text) : parseOctets(text) };
}

function parseLines(text: string): string | null {
  try {
    // It is an array: the brackets are in the pattern.
    const lines: unknown[] = JSON.parse(text);
    return lines.every((line) => typeof line === "string") ? lines.join("\r\n") : null;
  } catch {
    return null;
  }
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Each octet as the character of that number. */
function formatOctets(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += 4096) {
    parts.push(String.fromCharCode(...bytes.subarray(at, at + 4096)));
  }
  return parts.join("");
}

function parseOctets(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
