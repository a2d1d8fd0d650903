/**
 * Verifying the Authenticated Received Chain of a message (RFC 8617 §5.2), while its body comes: the chain is looked at
 * and the keys are asked for when the head is there, the body is hashed as it streams, and what is left for the end are
 * the hashes of fields and one signature for each seal.
 *
 * What a chain that holds is worth is `trust.ts`: anybody can make one.
 *
 * Nothing in a message or in DNS throws. The work is bounded: fifty sets, a few keys asked for at once and each once,
 * fifty seals, ten message signatures; and a chain that is broken to see costs no question at all.
 *
 * @module
 */

import { equal } from "../../bytes.ts";
import { Gate } from "../../gate.ts";
import { isField, type RawField } from "../../message/header.ts";
import type { Resolver } from "../../runtime/resolver.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { withinTime } from "../../runtime/within_time.ts";
import { type BodyHash, BodyHashes } from "../dkim/body_hashes.ts";
import { canonicalField, headerHashInput } from "../dkim/canonical_field.ts";
import { fetchKey, type KeyAnswer } from "../dkim/key_record.ts";
import type { MessageSignature } from "../dkim/signature.ts";
import { withoutSignature } from "../dkim/signed_form.ts";
import { verifySignature } from "../dkim/verify_signature.ts";
import { type ArcSet, readChain, recordedResults } from "./chain.ts";
import { type ArcSealSignature, parseArcSignature, parseSeal } from "./read_set.ts";
import { sealedSet, sealingSet } from "./seal_input.ts";

/** What verifying takes. */
export interface ArcVerifyOptions {
  /** Who is asked for keys. */
  readonly resolver: Pick<Resolver, "txt">;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Aborts questions for keys. */
  readonly signal?: AbortSignal;
  /** Holds each question to `keyTimeout`; without it only `signal` does. */
  readonly clock?: Clock;
  /** Milliseconds for a key; 10,000. */
  readonly keyTimeout?: number;
}

/** What one station says of the message. */
export interface ArcSetFacts {
  /** 1 for the first station. */
  readonly instance: number;
  /** Who sealed: `d=` of the ARC-Seal, in lower case, with A-labels. */
  readonly domain: string;
  /** `s=` of the ARC-Seal. */
  readonly selector: string;
  /** Who signed the message: `d=` of the ARC-Message-Signature; `null` where that cannot be read. */
  readonly amsDomain: string | null;
  /** What it found out, as the value of Authentication-Results. A stranger's text, unread. */
  readonly authenticationResults: string;
}

/** What a chain came to. */
export interface ArcResult {
  /**
   * `none`: there is no chain. `pass`: all seals, and the newest signature of the message, are true. `temperror`: DNS
   * failed, and nothing else was wrong. RFC 8617 §5.2.1 calls that `fail`, for good: so it is written
   * (`result_text.ts`), nothing is believed because of it, and nobody seals after it.
   */
  readonly result: "none" | "pass" | "fail" | "temperror";
  /** Why, in words that stand alone; for `fail` and `temperror`. */
  readonly reason?: string;
  /** The sets of a `pass`, the oldest first; none for all else. */
  readonly sets: readonly ArcSetFacts[];
  /**
   * Of a `pass`: the instance of the oldest set from which on the message is known not to have changed; 0 where that is
   * all of them (RFC 8617 §5.2, step 5).
   */
  readonly oldestPass?: number;
  /** Of a `pass`: the newest signature covers From, each one that is there, and all of the body. */
  readonly boundToMessage?: boolean;
}

const DEFAULT_KEY_TIMEOUT = 10_000;
/** Keys that are asked for at once. */
const KEYS_AT_ONCE = 8;
/** Signatures of the message that are checked: each may hash the whole head. */
const MAX_SIGNATURES = 10;

/**
 * Verifies the chain of one message, while its body comes.
 *
 * @example
 * ```ts
 * import { ArcVerifier } from "./verify.ts";
 * import { BodyHashes } from "../dkim/body_hashes.ts";
 * import { encode } from "../../bytes.ts";
 * import { parseFields } from "../../message/header.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const fields = parseFields(encode("ARC-Seal: i=1; cv=pass\r\nFrom: a@b.example\r\n"));
 * const resolver = { txt: () => Promise.resolve({ status: "none", reason: "nxdomain" } as const) };
 * const hashes = new BodyHashes();
 * const verifier = new ArcVerifier(fields, hashes, { resolver, now: 0 });
 * hashes.write(encode("hello\r\n"));
 * hashes.end();
 * const { result, reason } = await verifier.finish();
 * assertEquals(result, "fail");
 * assertEquals(reason, "the ARC set 1 has no ARC-Authentication-Results");
 * ```
 */
export class ArcVerifier {
  readonly #fields: readonly RawField[];
  readonly #attempt: Attempt;

  /**
   * Begins when the head is there: reads the chain, tells `hashes` what is wanted of the body, and asks for keys.
   *
   * @param fields of the whole head, as it came.
   */
  constructor(fields: readonly RawField[], hashes: BodyHashes, options: ArcVerifyOptions) {
    this.#fields = fields;
    this.#attempt = begin(fields, hashes, options);
  }

  /** Whether there is anything to finish. */
  get sealed(): boolean {
    return this.#attempt.status !== "over" || this.#attempt.result.result !== "none";
  }

  /** The result; after `hashes.end()`, but for a message without a chain. Never rejects for what a message or DNS holds. */
  async finish(): Promise<ArcResult> {
    const attempt = this.#attempt;
    return attempt.status === "over" ? attempt.result : await conclude(attempt, this.#fields);
  }
}

/**
 * Verifies the chain of a message that is there as a whole.
 *
 * @param body what stands behind the empty line.
 */
export async function verifyArc(
  fields: readonly RawField[],
  body: Uint8Array,
  options: ArcVerifyOptions,
): Promise<ArcResult> {
  const hashes = new BodyHashes();
  const verifier = new ArcVerifier(fields, hashes, options);
  hashes.write(body);
  hashes.end();
  return await verifier.finish();
}

/** A chain that is being looked at: decided by its fields alone, or waiting for body and keys. */
type Attempt = { readonly status: "over"; readonly result: ArcResult } | Waiting;

interface Waiting {
  readonly status: "waiting";
  readonly seals: readonly WaitingSeal[];
  /** The newest first: that one decides, those behind it only say how old the message is as it is. */
  readonly signatures: readonly WaitingSignature[];
}

interface WaitingSeal {
  readonly set: ArcSet;
  readonly seal: ArcSealSignature;
  readonly key: Promise<KeyAnswer>;
}

interface WaitingSignature {
  readonly set: ArcSet;
  readonly signature: MessageSignature;
  readonly body: BodyHash;
  readonly key: Promise<KeyAnswer>;
}

function begin(
  fields: readonly RawField[],
  hashes: BodyHashes,
  options: ArcVerifyOptions,
): Attempt {
  const chain = readChain(fields);
  if (chain.status === "none") return { status: "over", result: { result: "none", sets: [] } };
  if (chain.status !== "whole") return failed(chain.reason);
  const { sets } = chain;
  const newest = parseArcSignature(sets.at(-1)!.signatureTags);
  if ("fault" in newest) return failed(newest.fault);
  // RFC 6376 §6.1.1. No key is needed to know it.
  if (isExpired(newest, options)) return failed("the newest ARC-Message-Signature has expired");
  const read = sets.map((set) => ({ set, seal: parseSeal(set.sealTags) }));
  const seals: { set: ArcSet; seal: ArcSealSignature }[] = [];
  for (const { set, seal } of read) {
    if ("fault" in seal) return failed(seal.fault);
    seals.push({ set, seal });
  }
  const ask = askerForKeys(options);
  // The newest first: most of what is wrong is wrong there.
  const newestKey = ask(newest);
  const waiting = seals.reverse().map(({ set, seal }) => ({ set, seal, key: ask(seal) })).reverse();
  const known = new Set(seals.map(({ seal }) => nameOf(seal)));
  const signatures: WaitingSignature[] = [{
    set: sets.at(-1)!,
    signature: newest,
    body: hashes.want(newest.bodyCanonicalization, newest.bodyLength),
    key: newestKey,
  }];
  for (const set of sets.slice(0, -1).reverse()) {
    const signature = parseArcSignature(set.signatureTags);
    // Looked at only where it costs no further question and no hash of a part of the body.
    const isCheap = !("fault" in signature) && signature.bodyLength === null &&
      known.has(nameOf(signature)) && !isExpired(signature, options);
    if (!isCheap || signatures.length === MAX_SIGNATURES) break;
    const body = hashes.want(signature.bodyCanonicalization, null);
    signatures.push({ set, signature, body, key: ask(signature) });
  }
  return { status: "waiting", seals: waiting, signatures };
}

function failed(reason: string): Attempt {
  return { status: "over", result: { result: "fail", reason, sets: [] } };
}

function isExpired({ expires }: MessageSignature, { now }: ArcVerifyOptions): boolean {
  return expires !== null && expires * 1000 < now;
}

interface KeyName {
  readonly domain: string;
  readonly selector: string;
}

function nameOf({ domain, selector }: KeyName): string {
  return `${selector} ${domain}`;
}

/** Asks for each key once, a few at once. */
function askerForKeys(
  { resolver, signal, clock, keyTimeout = DEFAULT_KEY_TIMEOUT }: ArcVerifyOptions,
): (name: KeyName) => Promise<KeyAnswer> {
  const gate = new Gate(KEYS_AT_ONCE);
  const asked = new Map<string, Promise<KeyAnswer>>();
  return (name) => {
    const { domain, selector } = name;
    const ask = (until?: AbortSignal) => fetchKey(resolver, domain, selector, until);
    const found = asked.get(nameOf(name)) ??
      gate.run(() =>
        clock === undefined ? ask(signal) : withinTime(clock, keyTimeout, ask, signal)
      );
    asked.set(nameOf(name), found);
    return found;
  };
}

/** When the body has ended (RFC 8617 §5.2, steps 4 to 7). */
async function conclude(
  { seals, signatures }: Waiting,
  fields: readonly RawField[],
): Promise<ArcResult> {
  const [newest, ...older] = signatures;
  let trouble = await signatureFault(newest!, fields);
  if (trouble?.result === "fail") return trouble;
  const sets = seals.map(({ set }) => sealedSet(set));
  for (const [index, { set, seal, key }] of [...seals.entries()].reverse()) {
    const input = [...sets.slice(0, index).flat(), ...sealingSet(set)];
    const found = await keyFault(key, seal, input, `the ARC-Seal ${set.instance} is not true`);
    if (found?.result === "fail") return found;
    trouble ??= found;
  }
  if (trouble !== null) return trouble;
  let oldestPass = newest!.set.instance;
  for (const one of older) {
    if (await signatureFault(one, fields) !== null) break;
    oldestPass = one.set.instance;
  }
  return {
    result: "pass",
    sets: seals.map(({ set, seal }) => factsOf(set, seal)),
    oldestPass: oldestPass === 1 ? 0 : oldestPass,
    boundToMessage: isBound(newest!, fields),
  };
}

/** Why a signature of the message does not count; `null` where it does. */
async function signatureFault(
  { set, signature, body, key }: WaitingSignature,
  fields: readonly RawField[],
): Promise<ArcResult | null> {
  const { instance } = set;
  const { bodyHash, bodyLength, names, headCanonicalization } = signature;
  // Whatever the key is, it did not sign this: nobody waits for DNS to hear so.
  if (!equal(body.digest, bodyHash)) {
    return fail(`the body is not the one that the ARC-Message-Signature ${instance} signed`);
  }
  if (bodyLength !== null && bodyLength > body.octets) {
    return fail("more of a body is signed than there is (l=)");
  }
  // It may have signed the signatures before it, never itself.
  const others = names.includes("arc-message-signature")
    ? fields.filter((field) => field !== set.signature)
    : fields;
  const input = headerHashInput(others, names, headCanonicalization);
  const own = canonicalField(withoutSignature(set.signature), headCanonicalization);
  input.push(own.subarray(0, -2));
  const reason = `the ARC-Message-Signature ${instance} is not of this head`;
  return await keyFault(key, signature, input, reason);
}

/** Why a signature over these octets does not count; `null` where it does. */
async function keyFault(
  key: Promise<KeyAnswer>,
  { signature, algorithm }: Pick<ArcSealSignature, "signature" | "algorithm">,
  input: readonly Uint8Array[],
  reason: string,
): Promise<ArcResult | null> {
  const answer = await key;
  if (answer.status !== "found") {
    const result = answer.status === "temperror" ? "temperror" : "fail";
    return { result, reason: answer.reason, sets: [] };
  }
  return verifySignature(input, signature, algorithm, answer.record.key) ? null : fail(reason);
}

function fail(reason: string): ArcResult {
  return { result: "fail", reason, sets: [] };
}

function isBound({ signature, body }: WaitingSignature, fields: readonly RawField[]): boolean {
  const authors = fields.filter((field) => isField(field, "From")).length;
  const signed = signature.names.filter((name) => name === "from").length;
  const { bodyLength } = signature;
  return signed > 0 && signed >= authors && (bodyLength === null || bodyLength >= body.octets);
}

function factsOf(set: ArcSet, { domain, selector }: ArcSealSignature): ArcSetFacts {
  const signature = parseArcSignature(set.signatureTags);
  return {
    instance: set.instance,
    domain,
    selector,
    amsDomain: "fault" in signature ? null : signature.domain,
    authenticationResults: recordedResults(set),
  };
}
