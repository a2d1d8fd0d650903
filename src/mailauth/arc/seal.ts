/**
 * Sealing: adding this station's set to a message that goes on from here (RFC 8617 §5.1), so that those who get it can
 * learn what it looked like when it came, though they no longer see that for themselves.
 *
 * What came of the checks, and whether the chain so far holds, is the caller's to say. All else that changes the message,
 * other signatures among it, must be done before.
 *
 * What fails: options that no signature can have throw; a message that cannot be sealed gets no set, which breaks
 * nothing (§5.1.5). Signing fails only as the runtime's cryptography does.
 *
 * @module
 */

import { concat, encode } from "../../bytes.ts";
import { isField, makeField, type RawField } from "../../message/header.ts";
import type { BodyHash } from "../dkim/body_hashes.ts";
import { canonicalField, headerHashInput } from "../dkim/canonical_field.ts";
import { namesToSign } from "../dkim/sign.ts";
import { checkFieldNames, checkSigner } from "../dkim/signer_names.ts";
import type { SigningKey } from "../dkim/signing_key.ts";
import { type ArcChain, MAX_SETS, readChain } from "./chain.ts";
import { formatTags, type SealForm, type Tag } from "./seal_field.ts";
import { sealedSet, sealingSet } from "./seal_input.ts";

/** How a message is sealed. */
export interface ArcSealOptions {
  /**
   * What the checks at this station came to: the value of Authentication-Results, our authserv-id and all
   * (RFC 8617 §4.1.1). See `ownResults` of `own_results.ts`.
   */
  readonly results: string;
  /** Who seals: `d=`, in A-labels. */
  readonly domain: string;
  /** Under what name at `_domainkey` of the domain the public key is found. */
  readonly selector: string;
  /** Of RSA, if others are to read it: of a set there is but one signature. */
  readonly key: SigningKey;
  /** What the chain so far came to, as `ArcResult` says it. Where there is no chain it is `none`, whatever this says. */
  readonly cv: "none" | "pass" | "fail";
  /** Milliseconds since 1970, for `t=`. */
  readonly now: number;
  /** `h=` of the signature; {@link namesToSeal} where it is not given. */
  readonly names?: readonly string[];
  /** How the fields are written; `usual`. */
  readonly form?: SealForm;
}

/**
 * Makes the set that seals a message: three fields for the top of its head, in this order.
 *
 * None where nothing may be added (§5.1): the newest seal says that the chain is broken, or there are fifty sets; and
 * where `cv` says `none` though there is a chain, for then it was not looked at. A chain that does not hold, or that is
 * broken to see, is sealed once, with `cv=fail`, to say so (§5.1.2).
 *
 * @param fields of the head, as it will be sent. @param bodyHash of the body, relaxed and of all of it, after its end.
 *
 * @throws {TypeError} for options that no signature can have.
 *
 * @example
 * ```ts
 * import { sealArc } from "./seal.ts";
 * import { BodyHashes } from "../dkim/body_hashes.ts";
 * import { openSigningKey } from "../dkim/signing_key.ts";
 * import { decode, encode } from "../../bytes.ts";
 * import { parseFields } from "../../message/header.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const opened = await openSigningKey(`-----BEGIN PRIVATE KEY-----
 * MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
 * -----END PRIVATE KEY-----`);
 * if (opened.status !== "key") throw new Error(opened.reason);
 *
 * const hashes = new BodyHashes();
 * const bodyHash = hashes.want("relaxed", null);
 * hashes.write(encode("Good news.\r\n"));
 * hashes.end();
 * const set = await sealArc(parseFields(encode("From: ann@example.net\r\n")), bodyHash, {
 *   results: "mx.example.org; dmarc=pass header.from=example.net",
 *   domain: "example.org",
 *   selector: "s1",
 *   key: opened.key,
 *   cv: "none",
 *   now: 1_700_000_000_000,
 * });
 * assertEquals(set.map(({ name }) => name), [
 *   "ARC-Seal",
 *   "ARC-Message-Signature",
 *   "ARC-Authentication-Results",
 * ]);
 * assertEquals(
 *   decode(set[2]!.raw),
 *   "ARC-Authentication-Results: i=1; mx.example.org; dmarc=pass\r\n header.from=example.net\r\n",
 * );
 * ```
 */
export async function sealArc(
  fields: readonly RawField[],
  bodyHash: BodyHash,
  options: ArcSealOptions,
): Promise<RawField[]> {
  checkOptions(bodyHash, options);
  const chain = readChain(fields);
  const instance = nextInstance(chain);
  if (instance === null) return [];
  const cv = chain.status === "none" ? "none" : chain.status === "broken" ? "fail" : options.cv;
  if (cv === "none" && chain.status !== "none") return [];
  const results = makeField("ARC-Authentication-Results", `i=${instance}; ${options.results}`);
  const signature = await sign(fields, bodyHash, instance, options);
  const before = chain.status === "whole" && cv === "pass" ? chain.sets.flatMap(sealedSet) : [];
  const seal = await make("ARC-Seal", sealTags(instance, cv, options), options, (unsigned) => [
    ...before,
    ...sealingSet({ results, signature, seal: unsigned }),
  ]);
  return [seal, signature, results];
}

/** §5.1, steps 2 and 3; `null` where the chain has ended. */
function nextInstance(chain: ArcChain): number | null {
  switch (chain.status) {
    case "none":
      return 1;
    case "too-long":
      return null;
    case "broken":
      return chain.sealed || chain.highest === MAX_SETS ? null : chain.highest + 1;
    case "whole":
      return chain.sets.length === MAX_SETS ? null : chain.sets.length + 1;
  }
}

function sign(
  fields: readonly RawField[],
  bodyHash: BodyHash,
  instance: number,
  options: ArcSealOptions,
): Promise<RawField> {
  const { names = namesToSeal(fields) } = options;
  const tags: Tag[] = [
    ...commonTags(instance, options),
    ["c", "relaxed/relaxed"],
    ["h", names.join(":")],
    ["bh", bodyHash.digest.toBase64()],
  ];
  return make("ARC-Message-Signature", tags, options, (unsigned) => [
    ...headerHashInput(fields, names, "relaxed"),
    canonicalField(unsigned.raw, "relaxed").subarray(0, -2),
  ]);
}

function sealTags(instance: number, cv: string, options: ArcSealOptions): Tag[] {
  return [...commonTags(instance, options), ["cv", cv]];
}

function commonTags(instance: number, { domain, selector, key, now }: ArcSealOptions): Tag[] {
  return [
    ["i", `${instance}`],
    ["a", key.algorithm],
    ["d", domain],
    ["s", selector],
    ["t", `${Math.floor(now / 1000)}`],
  ];
}

/** A field with its signature. @param inputOf what it signs, given the field without one. */
async function make(
  name: string,
  tags: readonly Tag[],
  { key, form = "usual" }: ArcSealOptions,
  inputOf: (unsigned: RawField) => Uint8Array[],
): Promise<RawField> {
  const field = (signature: string): RawField => ({
    name,
    raw: encode(`${formatTags(name, tags, signature, form)}\r\n`),
  });
  const signature = await key.sign(concat(inputOf(field(""))));
  return field(signature.toBase64());
}

/** DKIM-Signatures that are covered at most. */
const MOST_SIGNATURES = 16;

/**
 * The names of the fields that a signature had better cover, in lower case, for `h=`: those that DKIM signs, and the
 * DKIM-Signatures that are there (RFC 8617 §4.1.2). Never those of ARC, nor Authentication-Results.
 */
export function namesToSeal(fields: readonly RawField[]): string[] {
  const signatures = fields.filter((field) => isField(field, "DKIM-Signature"));
  const covered = signatures.slice(0, MOST_SIGNATURES).map(() => "dkim-signature");
  return [...namesToSign(fields), ...covered];
}

function checkOptions(bodyHash: BodyHash, options: ArcSealOptions): void {
  if (bodyHash.canonicalization !== "relaxed" || bodyHash.length !== null) {
    throw new TypeError("not the hash of a whole body, relaxed");
  }
  checkSigner(options);
  checkFieldNames(options.names ?? []);
}
