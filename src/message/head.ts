/**
 * A header section as it travels: its octets, and what is asked of it. Its fields are taken apart only when
 * somebody wants to see them; what every message is asked (how many fields, how many stations, which subject, whether
 * there are results of checks) is found in one pass over the line starts. So a message that nobody edits goes on as it
 * came, octet by octet.
 *
 * Pure; whatever the octets are, nothing fails.
 *
 * @module
 */

import { concat } from "../bytes.ts";
import { endOfField, formatFields, parseFields, type RawField } from "./header.ts";

const LF = 0x0a;
const CR = 0x0d;
const SP = 0x20;
const HT = 0x09;
const COLON = 0x3a;

/** What one pass finds. */
interface Findings {
  /** Lines that begin a field. */
  count: number;
  /** Fields named Received: stations the message has passed. */
  received: number;
  /** Where the first Subject begins; -1 for none. */
  subject: number;
  /** Whether a field is named Authentication-Results. */
  results: boolean;
}

/**
 * A header section.
 *
 * @example
 * ```ts
 * import { Head } from "./head.ts";
 * import { fieldValue, makeField } from "./header.ts";
 * import { decode, encode } from "../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const head = new Head(encode("Received: from a\r\n\tby b\r\nSubject: hello\r\n"));
 * assertEquals([head.count, head.received], [2, 1]);
 * assertEquals(fieldValue(head.subject!), "hello");
 * const topped = head.below(makeField("X-Seen", "yes"));
 * assertEquals(decode(topped.octets).split("\r\n")[0], "X-Seen: yes");
 * assertEquals(topped.fields.map(({ name }) => name), ["X-Seen", "Received", "Subject"]);
 * ```
 */
export class Head {
  /** The fields with their line ends, without the empty line. */
  readonly octets: Uint8Array;
  #fields: readonly RawField[] | null = null;
  #findings: Findings | null = null;

  /** Of a header section as {@link HeadCollector} gives it. */
  constructor(octets: Uint8Array) {
    this.octets = octets;
  }

  /** Of fields. */
  static of(fields: readonly RawField[]): Head {
    const head = new Head(formatFields(fields));
    head.#fields = Object.freeze([...fields]);
    return head;
  }

  /** The fields, raw and in order; taken apart once, when they are first asked for. */
  get fields(): readonly RawField[] {
    return this.#fields ??= Object.freeze(parseFields(this.octets));
  }

  /** How many fields there are at most: lines that do not go on with the one before. */
  get count(): number {
    return this.#found().count;
  }

  /** How many stations the message has passed (RFC 5321 §6.3). */
  get received(): number {
    return this.#found().received;
  }

  /** The first Subject, or `null`. */
  get subject(): RawField | null {
    const { subject } = this.#found();
    if (subject === -1) return null;
    const raw = this.octets.subarray(subject, endOfField(this.octets, subject));
    return { name: "Subject", raw };
  }

  /** Whether there are fields named Authentication-Results, which may be forged (RFC 8601 §5). */
  get hasResults(): boolean {
    return this.#found().results;
  }

  /** The same with a field on top. */
  below(field: RawField): Head {
    const head = new Head(concat([field.raw, this.octets]));
    if (this.#findings !== null) head.#findings = findingsBelow(field.raw, this.#findings);
    if (this.#fields !== null) head.#fields = Object.freeze([field, ...this.#fields]);
    return head;
  }

  #found(): Findings {
    return this.#findings ??= lookThrough(this.octets);
  }
}

function lookThrough(head: Uint8Array): Findings {
  const found: Findings = { count: 0, received: 0, subject: -1, results: false };
  let afterCrlf = true; // what follows a bare LF begins no field, though it counts as one
  for (let at = 0; at < head.length;) {
    const first = head[at]!;
    if (first !== SP && first !== HT) {
      found.count++;
      if (afterCrlf && isNamed(head, at, "received")) found.received++;
      if (afterCrlf && found.subject === -1 && isNamed(head, at, "subject")) found.subject = at;
      if (afterCrlf && isNamed(head, at, "authentication-results")) found.results = true;
    }
    const end = head.indexOf(LF, at);
    if (end === -1) break;
    afterCrlf = end > at && head[end - 1] === CR;
    at = end + 1;
  }
  return found;
}

/** What a pass finds once a field stands on top: that field is looked at only. */
function findingsBelow(field: Uint8Array, rest: Findings): Findings {
  const top = lookThrough(field);
  const { subject } = rest;
  return {
    count: top.count + rest.count,
    received: top.received + rest.received,
    subject: top.subject !== -1 || subject === -1 ? top.subject : field.length + subject,
    results: top.results || rest.results,
  };
}

/** Whether the field that begins there has this name, given in lower case. */
function isNamed(head: Uint8Array, start: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    if ((head[start + i]! | 0x20) !== name.charCodeAt(i)) return false;
  }
  let at = start + name.length;
  while (head[at] === SP || head[at] === HT) at++; // RFC 5322 §4.5
  return head[at] === COLON;
}
