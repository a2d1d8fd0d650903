/**
 * Files in a ZIP archive, as reporters make them: one file, stored or deflated. Of the format (PKWARE's APPNOTE) only
 * that is read; archives in parts, with passwords, or beyond 4 GiB are not.
 *
 * What fails: {@link PackFault}. What a file says of its size is not believed: more than there is room for is not
 * unpacked.
 *
 * @module
 */

import { crc32, inflateRawSync } from "node:zlib";
import { latin1 } from "./latin1.ts";

/** Why something cannot be unpacked, in words. */
export class PackFault extends Error {
  override readonly name = "PackFault";
}

/** A file in an archive. */
export interface ZippedFile {
  readonly name: string;
  /** @throws {PackFault} where it cannot be unpacked into so many octets. */
  unpack(limit: number): Uint8Array;
}

const END = 0x06054b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const END_SIZE = 22;
const CENTRAL_SIZE = 46;
const LOCAL_SIZE = 30;
/** A comment may stand behind the end. */
const MAX_COMMENT = 0xffff;
/** A report is one file; some archives have folders, or a note. */
const MAX_FILES = 100;

/** The files of an archive. @throws {PackFault} where it is none, or a kind that is not known here. */
export function listZip(octets: Uint8Array): ZippedFile[] {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const end = findEnd(view);
  const count = view.getUint16(end + 10, true);
  if (count > MAX_FILES) throw new PackFault(`the archive has ${count} files: a report is one`);
  const files: ZippedFile[] = [];
  let at = view.getUint32(end + 16, true);
  for (let index = 0; index < count; index++) {
    if (at + CENTRAL_SIZE > octets.length || view.getUint32(at, true) !== CENTRAL) {
      throw new PackFault("the archive's list of files is broken");
    }
    const [name, extra, comment] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
    const start = at + CENTRAL_SIZE;
    const entry = {
      flags: view.getUint16(at + 8, true),
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      packed: view.getUint32(at + 20, true),
      local: view.getUint32(at + 42, true),
    };
    files.push({
      name: latin1(octets.subarray(start, start + name!)),
      unpack: (limit) => unpack(view, entry, limit),
    });
    at = start + name! + extra! + comment!;
  }
  return files;
}

function findEnd(view: DataView): number {
  const last = view.byteLength - END_SIZE;
  for (let at = last; at >= Math.max(0, last - MAX_COMMENT); at--) {
    if (view.getUint32(at, true) === END) return at;
  }
  throw new PackFault("the archive has no end: it was cut");
}

interface Entry {
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly local: number;
}

function unpack(view: DataView, entry: Entry, limit: number): Uint8Array {
  const { flags, method, crc, packed, local } = entry;
  if ((flags & 1) !== 0) throw new PackFault("the file in the archive has a password");
  if (local + LOCAL_SIZE > view.byteLength || view.getUint32(local, true) !== LOCAL) {
    throw new PackFault("the archive's list names a file that is not there");
  }
  const start = local + LOCAL_SIZE + view.getUint16(local + 26, true) +
    view.getUint16(local + 28, true);
  if (start + packed > view.byteLength) throw new PackFault("the archive is cut");
  const data = new Uint8Array(view.buffer, view.byteOffset + start, packed);
  const octets = content(data, method, limit);
  if (crc32(octets) !== crc) throw new PackFault("the file in the archive is damaged");
  return octets;
}

function content(data: Uint8Array, method: number, limit: number): Uint8Array {
  if (method === 0) {
    if (data.length > limit) throw new PackFault(TOO_LARGE);
    return data;
  }
  if (method !== 8) {
    throw new PackFault(`the archive is packed in a way (${method}) not known here`);
  }
  return inflated(() => inflateRawSync(data, { maxOutputLength: limit }));
}

const TOO_LARGE = "unpacked it is larger than any report";

/** Unpacks. @throws {PackFault} for what zlib throws. */
export function inflated(work: () => Uint8Array): Uint8Array {
  try {
    return work();
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message?: string };
    throw new PackFault(
      code === "ERR_BUFFER_TOO_LARGE" ? TOO_LARGE : `it cannot be unpacked: ${message}`,
    );
  }
}
