/**
 * Makes a message fit for a station that takes less than it was sent with (RFC 6152 §3, RFC 3030 §4):
 * 8-bit content for 7-bit transport, binary content (NUL, bare CR or LF, lines over 998 octets) for either.
 *
 * The parts that need it, and only they, get a transfer encoding: text quoted-printable, all else, text
 * that is binary and text that would grow more by it base64. What holds them is labelled anew. A body
 * without MIME is labelled: `utf-8` where it is well-formed UTF-8, else `unknown-8bit` (RFC 1428). What
 * every part decodes to stays the same, octet for octet; 8-bit octets around the parts, which nobody
 * shows, become `?`.
 *
 * Where nothing needs it, the message comes back untouched, its labels too: they promise no more than
 * that there may be 8-bit octets, and signatures hold.
 *
 * DKIM signatures do not survive, whoever made them; a signed or encrypted part (RFC 1847) is not
 * touched, so a message whose signed part is not 7-bit cannot be sent on.
 *
 * @module
 */

import { concat, encode } from "../bytes.ts";
import { findField, formatFields, parseFields, type RawField } from "./header.ts";
import { setField } from "./mime_fields.ts";
import { type Entity, type MimeHandler, MimeWalker } from "./mime_walker.ts";
import { Base64Encoder, formatQuotedPrintableLine } from "./transfer_encoding.ts";
import { LINE_LIMIT, type Plan, Survey, type Transport } from "./transcode_survey.ts";

/** A message as it streams: like `MessageSource` of the queue. */
export interface TranscodeSource {
  /** The header section: whole fields, each ending in CRLF, no empty line. */
  readonly head: Uint8Array;
  /** The body, from its start, as often as asked. A chunk is valid until the next is asked for. */
  openBody(): AsyncIterable<Uint8Array>;
}

/** The message as it may be sent; fits where a `MessageSource` is asked for. */
export interface Transcoded extends TranscodeSource {
  /** Octets of the new body. */
  readonly bodySize: number;
  /** Whether anything had to be re-encoded; `false`: it is as it was, octet for octet. */
  readonly changed: boolean;
  /**
   * The header section has octets beyond ASCII, which no transfer encoding can help: whether they may
   * pass is for SMTPUTF8 (RFC 6531) to say.
   */
  readonly headIs8bit: boolean;
}

const CRLF = encode("\r\n");
const CR = 0x0d;
const LF = 0x0a;
const QUESTION = 0x3f;

/**
 * Re-encodes what the next station does not take: with `7bit` all parts that are not 7-bit, with `8bit`
 * those that are binary. The body is read twice here, and again at each `openBody` of the result.
 *
 * @returns `null` where it cannot be done without changing what the message says (a signed part,
 * 8-bit octets in the header of a part, an encoding that is broken or unknown): to be returned with
 * 5.6.3, or 5.6.1 where it is binary.
 * @throws what reading the body throws.
 *
 * @example
 * ```ts
 * import { transcode } from "./transcode.ts";
 * import { decode, encode } from "../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const source = {
 *   head: encode("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"),
 *   openBody: async function* () {
 *     yield encode("Best wishes from the café\r\n");
 *   },
 * };
 * const made = await transcode(source, "7bit");
 * let body = "";
 * for await (const chunk of made!.openBody()) body += decode(chunk);
 * assertEquals(body, "Best wishes from the caf=C3=A9\r\n");
 * ```
 */
export async function transcode(
  source: TranscodeSource,
  to: Transport,
): Promise<Transcoded | null> {
  const survey = new Survey(to);
  const walker = new MimeWalker(source.head, survey);
  for await (const chunk of source.openBody()) {
    walker.write(chunk);
    if (survey.impossible) return null;
  }
  walker.end();
  if (survey.impossible) return null;
  const { plans } = survey;
  const headIs8bit = source.head.some((octet) => octet > 0x7f);
  const openBody = survey.needed ? () => rewrite(source, plans) : () => source.openBody();
  const head = survey.needed ? rewriteHead(source.head, plans[0]) : source.head;
  let bodySize = 0;
  for await (const chunk of openBody()) bodySize += chunk.length;
  return { head, openBody, bodySize, changed: survey.needed, headIs8bit };
}

/** The second reading: everything as it was but what the plans say. */
async function* rewrite(
  source: TranscodeSource,
  plans: readonly Plan[],
): AsyncGenerator<Uint8Array> {
  const rewriter = new Rewriter(plans);
  const walker = new MimeWalker(source.head, rewriter);
  for await (const chunk of source.openBody()) {
    walker.write(chunk);
    const ready = rewriter.take();
    if (ready.length > 0) yield ready;
  }
  walker.end();
  const rest = rewriter.take();
  if (rest.length > 0) yield rest;
}

class Rewriter implements MimeHandler {
  readonly #plans: readonly Plan[];
  #label: Plan["label"] = null;
  #base64 = new Base64Encoder();
  #lineOpen = false;
  /** Of filler. */
  #column = 0;
  #out: Uint8Array[] = [];

  constructor(plans: readonly Plan[]) {
    this.#plans = plans;
  }

  /** What has been made since it was last asked. */
  take(): Uint8Array {
    const made = concat(this.#out);
    this.#out = [];
    return made;
  }

  begin(entity: Entity, raw: Uint8Array): void {
    const plan = this.#plans[entity.index];
    this.#label = plan?.label ?? null;
    if (this.#label === "base64") this.#base64 = new Base64Encoder();
    this.#lineOpen = false;
    if (entity.index === 0) return; // written already
    this.#out.push(this.#label === null ? raw : formatFields(relabel(entity.fields, plan)));
  }

  content(octets: Uint8Array): void {
    this.#lineOpen = true;
    if (this.#label === "base64") this.#put(this.#base64.write(octets));
    else if (this.#label !== "quoted-printable") this.#out.push(octets.slice());
    else this.#out.push(formatQuotedPrintableLine(octets)); // whole: longer lines are binary
  }

  newline(): void {
    this.#lineOpen = false;
    this.#put(this.#label === "base64" ? this.#base64.write(CRLF) : CRLF);
  }

  end(final: boolean): void {
    if (this.#label === "base64") {
      this.#out.push(this.#base64.end());
      if (final) this.#out.push(CRLF);
    } else if (this.#label === "quoted-printable" && final && this.#lineOpen) {
      this.#out.push(encode("=\r\n")); // a line end that was not there
    }
  }

  #put(octets: Uint8Array): void {
    if (octets.length > 0) this.#out.push(octets);
  }

  /** Blotted, and cut where it is too long: a line end put in could make a boundary. */
  filler(octets: Uint8Array): void {
    const clean = octets.slice(0, LINE_LIMIT - this.#column).map((octet) =>
      octet > 0x7f || octet === 0 || octet === CR || octet === LF ? QUESTION : octet
    );
    this.#column += clean.length;
    this.#out.push(clean);
  }

  markup(octets: Uint8Array): void {
    this.#column = 0;
    this.#out.push(octets.slice());
  }
}

function rewriteHead(head: Uint8Array, plan: Plan | undefined): Uint8Array {
  const fields = relabel(parseFields(head), plan);
  const versioned = findField(fields, "MIME-Version") !== null;
  return formatFields(versioned ? fields : setField(fields, "MIME-Version", "1.0"));
}

function relabel(fields: readonly RawField[], plan: Plan | undefined): RawField[] {
  let changed = [...fields];
  if (plan?.charset) {
    changed = setField(changed, "Content-Type", `text/plain; charset=${plan.charset}`);
  }
  return plan?.label ? setField(changed, "Content-Transfer-Encoding", plan.label) : changed;
}
