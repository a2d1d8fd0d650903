/**
 * What the signatures of an ARC set say (RFC 8617 §4.1.2, §4.1.3), and what is wrong with them. Whether they are true is
 * `verify.ts`.
 *
 * Pure; whatever is wrong is a value that says why.
 *
 * @module
 */

import {
  type MessageSignature,
  parseAlgorithm,
  parseExactBase64,
  parseMessageSignature,
  readClaims,
  type SignatureFault,
} from "../dkim/signature.ts";
import { splitTagValue, type TagList } from "../tag_list.ts";

/** What an ARC-Seal says of who sealed. */
export type ArcSealSignature = Pick<
  MessageSignature,
  "algorithm" | "domain" | "selector" | "signature"
>;

/** Reads the tags of an ARC-Seal. */
export function parseSeal(tags: TagList): ArcSealSignature | SignatureFault {
  // RFC 8617 §4.1.3: what it signs is not to be chosen.
  if (tags.has("h")) return { fault: "the ARC-Seal names fields (h=)" };
  const { domain, selector } = readClaims(tags);
  const algorithm = parseAlgorithm(tags.get("a") ?? "");
  if (typeof algorithm !== "string") return algorithm;
  if (domain === null) return { fault: "the domain of the ARC-Seal (d=) is none" };
  if (selector === null) return { fault: "the selector of the ARC-Seal (s=) is none" };
  // RFC 1035 §2.3.4
  if (`${selector}._domainkey.${domain}`.length > 253) {
    return { fault: "domain and selector are too long" };
  }
  const signature = parseExactBase64(tags.get("b") ?? "");
  if (signature === null || signature.length === 0) return { fault: "b= is no signature" };
  if (tags.has("t") && !/^\d{1,76}$/.test(tags.get("t")!)) return { fault: "t= is no time" };
  return { algorithm, domain, selector, signature };
}

/**
 * Reads the tags of an ARC-Message-Signature: those of a DKIM-Signature, but for `v=` and `i=`. What chains are made of
 * outside RFC 8617 is read as the published suite of ARC wants it: `h=` may lack From and hold empty names (whether From
 * is signed is told by `boundToMessage` of a result), and without `c=` all is relaxed, as it is for seals.
 */
export function parseArcSignature(tags: TagList): MessageSignature | SignatureFault {
  const listed = tags.get("h");
  if (listed === undefined) return { fault: "the signature has no h=" };
  const names = splitTagValue(listed.toLowerCase(), ":").filter((name) => name !== "");
  // RFC 8617 §4.1.2: a seal comes later, and others come later still.
  if (names.includes("arc-seal")) return { fault: "the signature covers ARC-Seal (h=)" };
  const forgiven = new Map([["c", "relaxed/relaxed"], ...tags]);
  forgiven.set("h", ["from", ...names].join(":"));
  const read = parseMessageSignature(forgiven, readClaims(tags));
  return "fault" in read ? read : { ...read, names };
}
