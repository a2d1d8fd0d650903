/**
 * Reads a file of the drop folder that is open. Its owner may still write to it, so it is read twice: first to
 * know what it is (the envelope, the head, a hash of all of it), then as the message that is handed on, which must
 * have the same hash, or nothing is taken.
 *
 * What fails: {@link FileChangedError} at the end of the second reading, and what the disk says.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";
import { concat } from "../../bytes.ts";
import { HeadCollector } from "../../message/head_collector.ts";
import { parseFields, type RawField } from "../../message/header.ts";
import type { FileHandle, FileIdentity } from "../../runtime/files.ts";
import { cursorOver } from "../../smtp/cursor.ts";
import { NewlineNormalizer } from "../../smtp/newline_normalizer.ts";
import { CR, LF } from "../../smtp/text_scan.ts";
import { type DropHeader, HEADER_LIMIT, type LaterDrop, parseDropHeader } from "./drop_file.ts";

/** Octets read at once. */
const CHUNK = 64 * 1024;

/** Whose file it is, and its name. */
export interface Whose {
  readonly name: string;
  readonly identity: Pick<FileIdentity, "owner">;
}

/** Somebody wrote to the file while it was read. */
export class FileChangedError extends Error {
  constructor() {
    super("it changes while it is read");
    this.name = "FileChangedError";
  }
}

/** A mail in the drop folder. */
export interface DroppedMail extends DropHeader {
  /** The fields of the head, as they will be taken. */
  readonly fields: readonly RawField[];
  /** The head, as it will be taken. */
  readonly head: Uint8Array;
  /** It begins neither with a field nor with the empty line: to put a field before it takes one. */
  readonly isBare: boolean;
  /** Of all octets of the file, its name and whose it is, in hexadecimal. */
  readonly digest: string;
}

/** What a file is, or what is wrong with it, in words. */
export async function readDroppedMail(
  file: FileHandle,
  whose: Whose,
  sizeLimit: number,
): Promise<DroppedMail | LaterDrop | string> {
  const header = await readHeader(file);
  if (typeof header === "string" || "laterVersion" in header) return header;
  const head = new HeadCollector();
  const newlines = new NewlineNormalizer();
  let size = 0;
  let first = 0;
  const digest = await readAll(file, whose, header.messageAt, (chunk) => {
    if (size === 0) first = chunk[0]!;
    size += chunk.length;
    if (head.state !== "collecting") return;
    const cursor = cursorOver(chunk);
    for (let piece; (piece = newlines.next(cursor)) !== null;) head.write(piece);
  }, header.messageAt + sizeLimit);
  if (digest === null) return `it is larger than ${sizeLimit} octets`;
  if (size === 0) return "its message is empty";
  if (head.state === "collecting") {
    head.write(newlines.finish());
    head.end();
  }
  if (head.state === "too-large") return "its header section is too large";
  const isBare = head.head.length === 0 && first !== CR && first !== LF;
  return { ...header, fields: parseFields(head.head), head: head.head, isBare, digest };
}

/** The message, octet for octet as it was when it was read first. A chunk is valid until the next. */
export async function* openDroppedMail(
  file: FileHandle,
  whose: Whose,
  { messageAt, digest }: DroppedMail,
): AsyncGenerator<Uint8Array, void, void> {
  const hash = hashOf(whose);
  for await (const { chunk, at } of chunksOf(file)) {
    hash.update(chunk);
    if (at + chunk.length > messageAt) yield chunk.subarray(Math.max(0, messageAt - at));
  }
  // Thrown before the end of the message is seen, so that nothing of it is taken.
  if (hash.digest("hex") !== digest) throw new FileChangedError();
}

async function readHeader(file: FileHandle): Promise<DropHeader | LaterDrop | string> {
  let start: Uint8Array = new Uint8Array();
  for await (const { chunk } of chunksOf(file)) {
    start = concat([start, chunk]);
    const header = parseDropHeader(start);
    if (header !== null) return header;
    if (start.length > HEADER_LIMIT + CHUNK) break;
  }
  return "it ends before its message";
}

/** Reads to the end or the limit; gives the hash, or `null` where the limit was passed. */
async function readAll(
  file: FileHandle,
  whose: Whose,
  messageAt: number,
  onMessage: (chunk: Uint8Array) => void,
  limit: number,
): Promise<string | null> {
  const hash = hashOf(whose);
  for await (const { chunk, at } of chunksOf(file)) {
    if (at + chunk.length > limit) return null;
    hash.update(chunk);
    if (at + chunk.length > messageAt) onMessage(chunk.subarray(Math.max(0, messageAt - at)));
  }
  return hash.digest("hex");
}

function hashOf({ name, identity }: Whose): Hash {
  return createHash("sha256").update(`${identity.owner} ${name}\n`);
}

async function* chunksOf(
  file: FileHandle,
): AsyncGenerator<{ readonly chunk: Uint8Array; readonly at: number }, void, void> {
  await file.seek(0);
  const buffer = new Uint8Array(CHUNK);
  for (let at = 0;;) {
    const length = await file.read(buffer);
    if (length === null) return;
    yield { chunk: buffer.subarray(0, length), at };
    at += length;
  }
}
