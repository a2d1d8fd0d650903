/**
 * The first reading of a message that is to be transcoded: what the content of each part is like, and so
 * what is to be done with it. Changes nothing.
 *
 * @module
 */

import { encode } from "../bytes.ts";
import { findField } from "./header.ts";
import { isIdentity } from "./mime_fields.ts";
import { LineSplitter } from "./mime_lines.ts";
import type { Entity, MimeHandler } from "./mime_walker.ts";

/** What a station takes. */
export type Transport = "7bit" | "8bit";

/** RFC 5322 §2.1.1. */
export const LINE_LIMIT = 998;
/** Entities whose plan is kept. */
const MAX_ENTITIES = 10_000;
const CRLF = encode("\r\n");
const CR = 0x0d;
const LF = 0x0a;

/** What is to be done with an entity. */
export interface Plan {
  /** The label it gets; `null`: it stays as it is. */
  readonly label: "7bit" | "8bit" | "quoted-printable" | "base64" | null;
  /** The character set of text that says nothing of itself. */
  readonly charset: "utf-8" | "unknown-8bit" | null;
}

/** Told of a message by a walker, it makes the plans. */
export class Survey implements MimeHandler {
  /** By the index of the entity. */
  readonly plans: Plan[] = [];
  /** Something must change. */
  needed = false;
  readonly #to: Transport;
  #forbidden = false;
  #tooMany = false;
  #entity: Entity | null = null;
  #traits = new Traits(false);

  /** A survey that begins. @param to what the next station takes. */
  constructor(to: Transport) {
    this.#to = to;
  }

  /** Something must change that must not. */
  get impossible(): boolean {
    return this.#forbidden || (this.needed && this.#tooMany);
  }

  /** As {@link MimeHandler} says. */
  begin(entity: Entity, raw: Uint8Array): void {
    this.#entity = entity;
    const { kind, encoding, index } = entity;
    this.#traits = new Traits(findField(entity.fields, "Content-Type") === null);
    if (index >= MAX_ENTITIES) {
      this.#tooMany = true;
      return;
    }
    const excessive = encoding === "binary" || (encoding === "8bit" && this.#to === "7bit");
    const label = excessive && kind !== "opaque" ? this.#to : null;
    this.plans.push({ label, charset: null });
    if (index > 0) this.#checkHeader(raw); // that of the message itself is not looked at here
  }

  /** Nothing can be done for the header of a part. */
  #checkHeader(raw: Uint8Array): void {
    const header = new Traits(false);
    const splitter = new LineSplitter((piece, _, ends) => {
      header.content(ends ? piece.subarray(0, -2) : piece);
      if (ends) header.newline();
    });
    splitter.write(raw);
    splitter.end();
    this.#forbidden ||= this.#tooMuch(header);
  }

  /** As {@link MimeHandler} says. */
  content(octets: Uint8Array): void {
    this.#traits.content(octets);
  }

  /** As {@link MimeHandler} says. */
  newline(): void {
    this.#traits.newline();
  }

  /** As {@link MimeHandler} says. */
  end(): void {
    const traits = this.#traits;
    const entity = this.#entity;
    if (entity === null || !this.#tooMuch(traits)) return;
    this.needed = true;
    if (entity.kind !== "leaf" || !isIdentity(entity.encoding)) {
      this.#forbidden = true;
      return;
    }
    const type = entity.contentType?.type;
    const charset = traits.findCharset();
    const text = type === "text" || type === "message" || charset !== null;
    // Where more than one octet in six is escaped, base64 is shorter.
    const readable = text && !traits.binary && traits.high * 6 <= traits.octets;
    this.plans[entity.index] = {
      label: readable ? "quoted-printable" : "base64",
      charset: traits.high > 0 ? charset : null,
    };
  }

  /** As {@link MimeHandler} says. */
  filler(octets: Uint8Array): void {
    const traits = new Traits(false);
    traits.content(octets);
    this.needed ||= this.#tooMuch(traits);
  }

  /** As {@link MimeHandler} says. */
  markup(): void {}

  #tooMuch({ binary, high }: Traits): boolean {
    return binary || (this.#to === "7bit" && high > 0);
  }
}

/** What some content is like. */
class Traits {
  octets = 0;
  /** Octets beyond ASCII. */
  high = 0;
  /** NUL, CR or LF alone, a line too long. */
  binary = false;
  #line = 0;
  /** Whether it is UTF-8; not asked where it says itself what it is. */
  #utf8: TextDecoder | null;
  readonly #unlabelled: boolean;

  constructor(unlabelled: boolean) {
    this.#unlabelled = unlabelled;
    this.#utf8 = unlabelled ? new TextDecoder("utf-8", { fatal: true }) : null;
  }

  /** The character set to name, at the end; `null` where the content has a type of its own. */
  findCharset(): Plan["charset"] {
    if (!this.#unlabelled) return null;
    this.#decode(new Uint8Array(), false);
    return this.#utf8 === null ? "unknown-8bit" : "utf-8";
  }

  content(octets: Uint8Array): void {
    this.#line += octets.length;
    this.octets += octets.length;
    if (this.#line > LINE_LIMIT) this.binary = true;
    for (const octet of octets) {
      if (octet > 0x7f) this.high++;
      else if (octet === 0 || octet === CR || octet === LF) this.binary = true;
    }
    this.#decode(octets, true);
  }

  newline(): void {
    this.octets += 2;
    this.#line = 0;
    this.#decode(CRLF, true);
  }

  #decode(octets: Uint8Array, stream: boolean): void {
    try {
      this.#utf8?.decode(octets, { stream });
    } catch {
      this.#utf8 = null;
    }
  }
}
