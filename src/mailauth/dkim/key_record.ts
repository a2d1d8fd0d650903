/**
 * Keys as DNS has them (RFC 6376 §3.6.1, RFC 8301, RFC 8463 §4.2).
 *
 * @module
 */

import type { Resolver } from "../../runtime/runtime.ts";
import type { DkimPublicKey } from "./verify_signature.ts";

/** A key record that may be used for mail. */
export interface DkimKeyRecord {
  readonly key: DkimPublicKey;
  /** `t=y`: the domain only tries DKIM out. */
  readonly testing: boolean;
  /** `t=s`: the domain of `i=` must be that of `d=`. */
  readonly strict: boolean;
}

/** What came of asking for a key. */
export type KeyAnswer =
  | { readonly status: "found"; readonly record: DkimKeyRecord }
  /** No key, or none that may be used (`permerror`); or nothing is known (`temperror`). Why, in words. */
  | { readonly status: "permerror" | "temperror"; readonly reason: string };

/** Reads the text of a record. */
export function parseKeyRecord(_text: string): DkimKeyRecord | { readonly fault: string } {
  return { fault: "not written yet" };
}

/** Asks for the key of a selector. Never rejects. */
export function fetchKey(
  _resolver: Pick<Resolver, "txt">,
  _domain: string,
  _selector: string,
  _signal?: AbortSignal,
): Promise<KeyAnswer> {
  return Promise.resolve({ status: "temperror", reason: "not written yet" });
}
