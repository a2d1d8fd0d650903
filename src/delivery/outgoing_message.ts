/**
 * One message on its way out, as different stations can take it: as it is, re-encoded for 7-bit or 8-bit
 * transport (RFC 6152 §3, RFC 3030 §4), with or without SMTPUTF8 (RFC 6531 §3.4). What it says is never
 * changed; where it cannot pass without that, the reply says why. Nor is it re-encoded where it has a signature of DKIM
 * or a seal of ARC: a signature that we know to be broken is not sent (RFC 6376 §5.3). Mail that is signed here is made
 * 7-bit before, where its route says so (`convert-first`). Two are no reason to return mail, and are taken out: the seal
 * that this station set, for mail gets through better without it than not at all; and the signature of a notice of ours,
 * for of a notice that is returned nobody hears.
 *
 * What was announced is not always what is there: much mail marked 8BITMIME or SMTPUTF8 is plain ASCII, and
 * goes to any station; and some that was not marked is 8-bit all the same, and is then treated as if it had
 * been. Where it matters the message is looked through, once.
 *
 * What fails: reading the message throws; everything else is a reply.
 *
 * @module
 */

import { type Address, toAsciiDomain } from "../address.ts";
import { formatFields, isField, parseFields, type RawField } from "../message/header.ts";
import { transcode, type Transcoded } from "../message/transcode.ts";
import type { QueueEntry } from "../queue/entry.ts";
import type { MessageSource } from "../queue/local_delivery.ts";
import type { RelaySettings } from "../routing/route.ts";
import type { Reply } from "../smtp/reply.ts";
import { has8bit } from "../smtp/simd_text.ts";
import { NO_BINARY, NO_EIGHT_BIT, NO_UTF8_HEAD, SIGNED_AS_IT_IS } from "../smtp/unsendable.ts";

/** What of a station's offers decides the form of a message. */
export interface TakenForms {
  /** RFC 6152. */
  readonly eightBitMime: boolean;
  /** RFC 3030; counts only together with `chunking`. */
  readonly binaryMime: boolean;
  /** RFC 3030. */
  readonly chunking: boolean;
  /** RFC 6531. */
  readonly smtputf8: boolean;
}

/** A message as a station can take it. */
export interface FittedMessage {
  /** What to send. */
  readonly source: MessageSource;
  /** What to say of it in MAIL; `7BIT` is not said. */
  readonly body: "7BIT" | "8BITMIME" | "BINARYMIME";
  /** Whether to say SMTPUTF8. */
  readonly smtputf8: boolean;
}

/** A message, and what has been found out about it. */
export class OutgoingMessage {
  readonly #entry: QueueEntry;
  readonly #source: MessageSource;
  readonly #eightBit: RelaySettings["eightBit"];
  #headIs8bit: boolean | null = null;
  #bodyIs8bit: boolean | Promise<boolean> | null = null;
  readonly #converted = new Map<"7bit" | "8bit", MessageSource | Reply | null>();

  /** @param eightBit what becomes of 8-bit content where a station takes none. */
  constructor(
    entry: QueueEntry,
    source: MessageSource,
    eightBit: RelaySettings["eightBit"] = "convert",
  ) {
    this.#entry = entry;
    this.#source = source;
    this.#eightBit = eightBit;
  }

  /** The message for a station that takes `forms`, or why it cannot be sent there. At once, where that can be. */
  fit(forms: TakenForms): FittedMessage | Reply | Promise<FittedMessage | Reply> {
    const { smtputf8: asked, body } = this.#entry;
    const smtputf8 = asked && forms.smtputf8;
    if (asked && !smtputf8 && this.#isHead8bit()) return NO_UTF8_HEAD;
    const { eightBitMime, binaryMime, chunking } = forms;
    const asItIs = (body: FittedMessage["body"]) => ({ source: this.#source, body, smtputf8 });
    if (body === "BINARYMIME" && binaryMime && chunking) return asItIs(body);
    if (body === "8BITMIME" && eightBitMime) return asItIs(body);
    if (body === "BINARYMIME") {
      return eightBitMime
        ? this.#convert("8bit", smtputf8, NO_BINARY)
        : this.#convert("7bit", smtputf8, NO_BINARY);
    }
    const decide = (is8bit: boolean) => {
      if (!is8bit) return asItIs("7BIT");
      if (eightBitMime) return asItIs("8BITMIME");
      if (this.#eightBit === "bounce") return NO_EIGHT_BIT;
      return this.#convert("7bit", smtputf8, NO_EIGHT_BIT);
    };
    const is8bit = this.#is8bit();
    return typeof is8bit === "boolean" ? decide(is8bit) : is8bit.then(decide);
  }

  async #convert(
    to: "7bit" | "8bit",
    smtputf8: boolean,
    otherwise: Reply,
  ): Promise<FittedMessage | Reply> {
    let source = this.#converted.get(to);
    if (source === undefined) {
      const made = await transcode(this.#source, to);
      source = made?.changed ? this.#unsigned(made) : made;
      this.#converted.set(to, source);
    }
    const body = to === "8bit" ? "8BITMIME" : "7BIT";
    if (source === null) return otherwise;
    return "code" in source ? source : { source, body, smtputf8 };
  }

  /** What was re-encoded, without signatures that would be broken now and that it may lose. */
  #unsigned(made: Transcoded): MessageSource | Reply {
    const fields = parseFields(made.head);
    const received = fields.findIndex((field) => isField(field, "Received"));
    const isNotice = this.#entry.origin.kind === "notice";
    // What was added here stands above the trace field of this station.
    const kept = fields.filter((field, index) =>
      !(index < received && isOneOf(field, SEAL)) && !(isNotice && isField(field, "DKIM-Signature"))
    );
    if (kept.some((field) => isOneOf(field, SIGNATURES))) return SIGNED_AS_IT_IS;
    return kept.length === fields.length ? made : { ...made, head: formatFields(kept) };
  }

  #is8bit(): boolean | Promise<boolean> {
    return this.#isHead8bit() || (this.#bodyIs8bit ??= isBody8bit(this.#source));
  }

  #isHead8bit(): boolean {
    return this.#headIs8bit ??= has8bit(this.#source.head);
  }
}

/** Over a body, or a hash of one (RFC 6376 §3.5, RFC 8617 §4.1.2). */
const SIGNATURES = ["DKIM-Signature", "ARC-Message-Signature"];
/** The set of a station that seals (RFC 8617 §4.1). */
const SEAL = ["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"];

function isOneOf(field: RawField, names: readonly string[]): boolean {
  return names.some((name) => isField(field, name));
}

function isBody8bit(source: MessageSource): boolean | Promise<boolean> {
  const parts = source.bodyParts?.() ?? null;
  return parts === null ? streams8bit(source) : parts.some(has8bit);
}

async function streams8bit(source: MessageSource): Promise<boolean> {
  for await (const chunk of source.openBody()) if (has8bit(chunk)) return true;
  return false;
}

/**
 * An address as it goes into MAIL or RCPT: where the station does not speak SMTPUTF8, with the domain in
 * A-labels; `null` where that is not enough, since the local part is beyond ASCII (RFC 6531 §3.2).
 *
 * @example
 * ```ts
 * import { wireAddress } from "./outgoing_message.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const address = { local: "info", domain: "bücher.example" };
 * assertEquals(wireAddress(address, true), address);
 * assertEquals(wireAddress(address, false)?.domain, "xn--bcher-kva.example");
 * assertEquals(wireAddress({ local: "用户", domain: "example.org" }, false), null);
 * ```
 */
export function wireAddress(address: Address, smtputf8: boolean): Address | null {
  if (smtputf8 || isAscii(address.local + address.domain)) return address;
  const domain = toAsciiDomain(address.domain);
  return domain === null || !isAscii(address.local) ? null : { ...address, domain };
}

function isAscii(text: string): boolean {
  return !/[\u0080-\uffff]/.test(text);
}
