/**
 * Walks through the parts of a MIME message as it streams (RFC 2046 §5.1): which octets are header,
 * content, boundary, or what stands around the parts. Every octet is told once, in order, so that whoever
 * copies what is told has the message again.
 *
 * What is not to be looked into (signed and encrypted parts, RFC 1847), what cannot be (a multipart
 * without boundary, a broken header) and what lies too deep comes as one opaque content. Nothing here
 * fails, whatever the octets; memory is bounded by the greatest header of a part and the greatest depth.
 *
 * @module
 */

import { concat, decode, encode } from "../bytes.ts";
import { fieldValue, findField, parseFields, type RawField } from "./header.ts";
import {
  type ContentType,
  isIdentity,
  parseContentType,
  transferEncodingOf,
} from "./mime_fields.ts";
import { LineSplitter, WHOLE_LINE } from "./mime_lines.ts";

/** Parts within parts that are looked into. */
const MAX_DEPTH = 20;
/** Octets of a part's header. */
const MAX_HEADER = 64 * 1024;

const CRLF = encode("\r\n");
const HYPHEN = 0x2d;

/** A message or a part of one. */
export interface Entity {
  /** Its number, in the order of beginnings; the message itself is 0. */
  readonly index: number;
  /**
   * `multipart` and `message` hold others, whose turn comes next; a `leaf` has content; `opaque` has
   * content that must stay as it is.
   */
  readonly kind: "leaf" | "multipart" | "message" | "opaque";
  /** Its header; no fields where that is broken. */
  readonly fields: readonly RawField[];
  /** `null`: not said, or malformed. */
  readonly contentType: ContentType | null;
  /** Its Content-Transfer-Encoding in lower case. */
  readonly encoding: string;
}

/** Is told what the message consists of. Octets are valid during the call. */
export interface MimeHandler {
  /** An entity begins. @param raw its header section, without the empty line; that follows as markup. */
  begin(entity: Entity, raw: Uint8Array): void;
  /** Content of the entity that began last: a line or a piece of one, without its line end. */
  content(octets: Uint8Array): void;
  /** A line end in that content. */
  newline(): void;
  /** That content is over. @param final whether the whole message is. */
  end(final: boolean): void;
  /** Octets around the parts, which nobody shows (RFC 2046 §5.1.1): a line or a piece, without its end. */
  filler(octets: Uint8Array): void;
  /** What holds it together: boundaries, empty lines, line ends around parts. */
  markup(octets: Uint8Array): void;
}

/** One multipart that has begun and not ended. */
interface Level {
  readonly delimiter: string;
  readonly depth: number;
  readonly digest: boolean;
}

/** Walks through one message. */
export class MimeWalker {
  readonly #handler: MimeHandler;
  readonly #splitter = new LineSplitter((...piece) => this.#piece(...piece));
  #levels: Level[] = [];
  #place: "header" | "content" | "filler" = "content";
  /** The last line's CRLF: content, unless a boundary follows (RFC 2046 §5.1.1). */
  #pending = false;
  #header: Uint8Array[] = [];
  #headerSize = 0;
  /** Of the entity that began last or whose header is being read. */
  #depth = 0;
  #count = 0;

  /** A walk that begins. @param head the message's header section, without the empty line. */
  constructor(head: Uint8Array, handler: MimeHandler) {
    this.#handler = handler;
    this.#begin(head);
  }

  /** The next octets of the body. */
  write(chunk: Uint8Array): void {
    this.#splitter.write(chunk);
  }

  /** The body is over. */
  end(): void {
    this.#splitter.end();
    if (this.#place === "header") this.#endHeader(null);
    else this.#flushPending();
    if (this.#place === "content") this.#handler.end(true);
  }

  #piece(piece: Uint8Array, starts: boolean, ends: boolean): void {
    if (starts && this.#boundary(piece)) return;
    if (this.#place === "header") {
      this.#headerLine(piece, starts, ends);
      return;
    }
    this.#flushPending();
    const text = ends ? piece.subarray(0, -2) : piece;
    if (text.length > 0) {
      if (this.#place === "content") this.#handler.content(text);
      else this.#handler.filler(text);
    }
    this.#pending = ends;
  }

  #flushPending(): void {
    if (!this.#pending) return;
    this.#pending = false;
    if (this.#place === "content") this.#handler.newline();
    else this.#handler.markup(CRLF);
  }

  /** Whether a line is the boundary of a multipart we are in; that of an outer one ends the inner ones. */
  #boundary(line: Uint8Array): boolean {
    if (line[0] !== HYPHEN || line[1] !== HYPHEN || line.length > WHOLE_LINE) return false;
    if (this.#levels.length === 0) return false;
    const text = decode(line).replace(/[ \t]*(?:\r\n)?$/, "");
    const at = this.#levels.findLastIndex(({ delimiter }) =>
      text === delimiter || text === `${delimiter}--`
    );
    const level = this.#levels[at];
    if (level === undefined) return false;
    if (this.#place === "header") this.#endHeader(null);
    if (this.#place === "content") this.#handler.end(false);
    if (this.#pending) this.#handler.markup(CRLF);
    this.#handler.markup(line);
    this.#pending = false;
    const closes = text !== level.delimiter;
    this.#levels.length = closes ? at : at + 1;
    this.#depth = level.depth + 1;
    this.#place = closes ? "filler" : "header";
    return true;
  }

  #headerLine(line: Uint8Array, starts: boolean, ends: boolean): void {
    if (starts && ends && line.length === 2) {
      this.#endHeader(line);
      return;
    }
    const sound = starts && ends && isHeaderLine(line, this.#header.length === 0);
    this.#headerSize += line.length;
    if (sound && this.#headerSize <= MAX_HEADER) {
      this.#header.push(line.slice());
      return;
    }
    // Where its content begins is anybody's guess: all of it is content, from the first line on.
    this.#emit(
      { kind: "opaque", fields: [], contentType: null, encoding: "7bit" },
      new Uint8Array(),
    );
    const lines = this.#takeHeader();
    this.#place = "content";
    for (const kept of lines) this.#piece(kept, true, true);
    this.#piece(line, starts, ends);
  }

  /** @param blank the empty line that ended it; `null`: the part has no body. */
  #endHeader(blank: Uint8Array | null): void {
    this.#begin(concat(this.#takeHeader()), blank);
  }

  #takeHeader(): Uint8Array[] {
    const lines = this.#header;
    this.#header = [];
    this.#headerSize = 0;
    return lines;
  }

  #begin(raw: Uint8Array, blank: Uint8Array | null = new Uint8Array()): void {
    const level = this.#levels.at(-1);
    // A part of the digest itself, not a message within such a part (RFC 2046 §5.1.5).
    const inDigest = level?.digest === true && this.#depth === level.depth + 1;
    const entity = describe(raw, inDigest, this.#depth);
    this.#emit(entity, raw);
    this.#place = "filler";
    this.#pending = false;
    if (blank === null) return;
    if (blank.length > 0) this.#handler.markup(blank);
    const { kind, contentType } = entity;
    if (kind === "message") {
      this.#depth++;
      this.#place = "header";
    } else if (kind === "multipart") {
      this.#levels.push({
        delimiter: `--${contentType?.boundary}`,
        depth: this.#depth,
        digest: contentType?.subtype === "digest",
      });
    } else {
      this.#place = "content";
    }
  }

  #emit(entity: Omit<Entity, "index">, raw: Uint8Array): void {
    this.#handler.begin({ index: this.#count++, ...entity }, raw);
  }
}

/** A field's first line, or one that continues it. */
function isHeaderLine(line: Uint8Array, first: boolean): boolean {
  if (line[0] === 0x20 || line[0] === 0x09) return !first;
  return /^[!-9;-~]+[ \t]*:/.test(decode(line));
}

function describe(raw: Uint8Array, inDigest: boolean, depth: number): Omit<Entity, "index"> {
  const fields = parseFields(raw);
  const field = findField(fields, "Content-Type");
  const value = field === null ? (inDigest ? "message/rfc822" : null) : fieldValue(field);
  const contentType = value === null ? null : parseContentType(value);
  const encoding = transferEncodingOf(fields);
  const kind = kindOf(value, contentType, encoding, depth);
  return { kind, fields, contentType, encoding };
}

function kindOf(
  value: string | null,
  contentType: ContentType | null,
  encoding: string,
  depth: number,
): Entity["kind"] {
  if (contentType === null) {
    return /^\s*(?:multipart|message)\b/i.test(value ?? "") ? "opaque" : "leaf";
  }
  const { type, subtype, boundary } = contentType;
  const open = isIdentity(encoding) && depth < MAX_DEPTH;
  if (type === "multipart") {
    const sealed = subtype === "signed" || subtype === "encrypted" || boundary === null;
    return open && !sealed ? "multipart" : "opaque";
  }
  if (type !== "message") return "leaf";
  // Of the message types these may not be encoded (RFC 2046 §5.2); later ones may, as message/global.
  if (subtype === "rfc822" || subtype === "news") return open ? "message" : "opaque";
  return subtype === "partial" || subtype === "external-body" ? "opaque" : "leaf";
}
