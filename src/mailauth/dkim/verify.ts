/**
 * Verifying the DKIM signatures of a message (RFC 6376 §6), while its body comes: the keys are asked for when the head
 * is there, the body is hashed as it streams, and what is left for the end are the hash of the head and one power of
 * big numbers for each signature.
 *
 * What a signature says is `signature.ts`, keys are `key_record.ts`, the body `body_hashes.ts`. What follows from a
 * result is for policies.
 *
 * Nothing in a message or in DNS throws: what is malformed is `permerror`, DNS that fails `temperror`. The work is
 * bounded: so many signatures, one question for each key, each head hashed once for each signature.
 *
 * @module
 */

import { equal } from "../../bytes.ts";
import { isField, type RawField } from "../../message/header.ts";
import type { Resolver } from "../../runtime/resolver.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { withinTime } from "../../runtime/within_time.ts";
import type { AuthResult } from "../result.ts";
import { type BodyHash, BodyHashes } from "./body_hashes.ts";
import { fetchKey, type KeyAnswer } from "./key_record.ts";
import {
  type DkimSignature,
  parseDkimSignature,
  parseSignatureTags,
  readClaims,
  type SignatureClaims,
} from "./signature.ts";
import { isHeadSigned } from "./signed_head.ts";

/** What verifying takes. */
export interface DkimVerifyOptions {
  /** Who is asked for keys. */
  readonly resolver: Pick<Resolver, "txt">;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Aborts questions for keys: their signatures are then `temperror`. */
  readonly signal?: AbortSignal;
  /** Holds each question to `keyTimeout`; without it only `signal` does. */
  readonly clock?: Clock;
  /** Milliseconds for a key; 10,000. */
  readonly keyTimeout?: number;
  /** How many signatures are looked at, from the top; 8. */
  readonly maxSignatures?: number;
  /** Takes a signature that leaves the end of the body unsigned (`l=`) for good. */
  readonly acceptPartialBody?: boolean;
}

/** What became of one signature, and who is said to have made it. */
export interface DkimResult extends SignatureClaims {
  /** What the check came to. */
  readonly result: AuthResult;
  /** Why, in words that stand alone; for all but `pass`. */
  readonly reason?: string;
  /** The key says that its domain only tries DKIM out (`t=y`). Such a domain wants no failure held against it. */
  readonly testing: boolean;
}

/** What a check came to. */
type Outcome = Omit<DkimResult, keyof SignatureClaims>;

const DEFAULT_SIGNATURES = 8;
const DEFAULT_KEY_TIMEOUT = 10_000;
/** Seconds that clocks may differ by before a signature is from the future. */
const CLOCK_DRIFT = 3600;

/**
 * Verifies the signatures of one message, while its body comes.
 *
 * @example
 * ```ts
 * import { DkimVerifier } from "./verify.ts";
 * import { BodyHashes } from "./body_hashes.ts";
 * import { encode } from "../../bytes.ts";
 * import { parseFields } from "../../message/header.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const fields = parseFields(encode("DKIM-Signature: v=2\r\nFrom: a@b.example\r\n"));
 * const resolver = { txt: () => Promise.resolve({ status: "none", reason: "nxdomain" } as const) };
 * const hashes = new BodyHashes();
 * const verifier = new DkimVerifier(fields, hashes, { resolver, now: 0 });
 * hashes.write(encode("hello\r\n"));
 * hashes.end();
 * const [result] = await verifier.finish();
 * assertEquals(result?.result, "permerror");
 * assertEquals(result?.reason, "the signature is not of version 1 (v=)");
 * ```
 */
export class DkimVerifier {
  readonly #fields: readonly RawField[];
  readonly #options: DkimVerifyOptions;
  readonly #attempts: readonly Attempt[];

  /**
   * Begins when the head is there: reads the signatures, tells `hashes` what is wanted of the body, and asks for keys.
   *
   * @param fields of the whole head, as it came.
   */
  constructor(fields: readonly RawField[], hashes: BodyHashes, options: DkimVerifyOptions) {
    this.#fields = fields;
    this.#options = options;
    const keys = new Map<string, Promise<KeyAnswer>>();
    this.#attempts = findSignatures(fields, options.maxSignatures ?? DEFAULT_SIGNATURES)
      .map((field) => begin(field, hashes, keys, options));
  }

  /** Whether there is a signature to look at. */
  get signed(): boolean {
    return this.#attempts.length > 0;
  }

  /**
   * The results, one for each signature, from the top; none for a message without one. After `hashes.end()`, but for
   * a message that has no signature. Never rejects for what a message or DNS holds.
   */
  async finish(): Promise<DkimResult[]> {
    const results: DkimResult[] = [];
    for (const attempt of this.#attempts) {
      const outcome = attempt.status === "over"
        ? attempt.outcome
        : await conclude(attempt, this.#fields, this.#options);
      results.push({ ...outcome, ...attempt.claims });
    }
    return results;
  }
}

/**
 * Verifies a message that is there as a whole.
 *
 * @param body what stands behind the empty line.
 */
export async function verifyDkim(
  fields: readonly RawField[],
  body: Uint8Array,
  options: DkimVerifyOptions,
): Promise<DkimResult[]> {
  const hashes = new BodyHashes();
  const verifier = new DkimVerifier(fields, hashes, options);
  hashes.write(body);
  hashes.end();
  return await verifier.finish();
}

/** A signature that is being looked at: decided by its field alone, or waiting for body and key. */
type Attempt =
  | { readonly status: "over"; readonly claims: SignatureClaims; readonly outcome: Outcome }
  | Waiting;

interface Waiting {
  readonly status: "waiting";
  readonly claims: SignatureClaims;
  readonly field: RawField;
  readonly signature: DkimSignature;
  readonly body: BodyHash;
  readonly key: Promise<KeyAnswer>;
}

function findSignatures(fields: readonly RawField[], limit: number): RawField[] {
  const found: RawField[] = [];
  for (const field of fields) {
    if (found.length >= limit) break;
    if (isField(field, "DKIM-Signature")) found.push(field);
  }
  return found;
}

function begin(
  field: RawField,
  hashes: BodyHashes,
  keys: Map<string, Promise<KeyAnswer>>,
  options: DkimVerifyOptions,
): Attempt {
  const tags = parseSignatureTags(field);
  const claims = readClaims(tags);
  const signature = parseDkimSignature(tags, claims);
  if ("fault" in signature) {
    return { status: "over", claims, outcome: outcome("permerror", signature.fault) };
  }
  const { domain, selector, expires } = signature;
  // RFC 6376 §6.1.1. No key is needed to know it.
  if (expires !== null && expires * 1000 < options.now) {
    return { status: "over", claims, outcome: outcome("fail", "the signature has expired") };
  }
  const name = `${selector} ${domain}`;
  const key = keys.get(name) ?? askForKey(domain, selector, options);
  keys.set(name, key);
  const body = hashes.want(signature.bodyCanonicalization, signature.bodyLength);
  return { status: "waiting", claims, field, signature, body, key };
}

function askForKey(
  domain: string,
  selector: string,
  { resolver, signal, clock, keyTimeout = DEFAULT_KEY_TIMEOUT }: DkimVerifyOptions,
): Promise<KeyAnswer> {
  const ask = (until?: AbortSignal) => fetchKey(resolver, domain, selector, until);
  return clock === undefined ? ask(signal) : withinTime(clock, keyTimeout, ask, signal);
}

/** When the body has ended. */
async function conclude(
  { field, signature, body, key }: Waiting,
  fields: readonly RawField[],
  options: DkimVerifyOptions,
): Promise<Outcome> {
  // Whatever the key is, it did not sign this: nobody waits for DNS to hear so.
  if (!equal(body.digest, signature.bodyHash)) {
    return outcome("fail", "the body is not the one that was signed");
  }
  const answer = await key;
  if (answer.status !== "found") return outcome(answer.status, answer.reason);
  const { record } = answer;
  const fault = keyFault(signature, record.key.kind, record.strict);
  if (fault !== null) return outcome("permerror", fault, record.testing);
  if (!isHeadSigned(field, signature, fields, record.key)) {
    return outcome("fail", "the signature does not fit the head and the key", record.testing);
  }
  if (signature.bodyLength !== null && signature.bodyLength > body.octets) {
    // RFC 6376 §3.5, l=
    return outcome("permerror", "more of a body is signed than there is (l=)", record.testing);
  }
  const doubt = findDoubt(signature, body, fields, options);
  return doubt === null
    ? { result: "pass", testing: record.testing }
    : outcome("policy", doubt, record.testing);
}

/** Why a key is not for this signature (RFC 6376 §6.1.2), or `null`. */
function keyFault(signature: DkimSignature, kind: string, strict: boolean): string | null {
  if (signature.algorithm !== `${kind}-sha256`) {
    return "the key is of another kind than the signature (k=)";
  }
  if (strict && !signature.identity.endsWith(`@${signature.domain}`)) {
    return "the key allows no identity below its domain (t=s)";
  }
  return null;
}

/**
 * Why a signature that is sound proves less than readers would think, or `null`. RFC 8601 §2.7.1 calls that `policy`:
 * it does not count, and it is not held against anybody either.
 */
function findDoubt(
  { bodyLength, names, time }: DkimSignature,
  body: BodyHash,
  fields: readonly RawField[],
  { now, acceptPartialBody = false }: DkimVerifyOptions,
): string | null {
  // Whoever has one such message can put anything behind what is signed, and with MIME hide all that is signed: the
  // domain would vouch for words it never saw (RFC 6376 §8.2). Footers of lists, which `l=` was for, are not worth it.
  if (bodyLength !== null && bodyLength < body.octets && !acceptPartialBody) {
    return "the end of the body is not signed (l=)";
  }
  // The lowest From is signed, and readers may show the highest (RFC 6376 §8.15). A message has one (RFC 5322 §3.6).
  const authors = fields.filter((field) => isField(field, "From")).length;
  if (authors > names.filter((name) => name === "from").length) {
    return "there is a From field that is not signed";
  }
  if (time !== null && time * 1000 > now + CLOCK_DRIFT * 1000) {
    return "the signature is from the future (t=)";
  }
  return null;
}

function outcome(result: AuthResult, reason: string, testing = false): Outcome {
  return { result, reason, testing };
}
