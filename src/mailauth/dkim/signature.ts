/**
 * The DKIM-Signature field (RFC 6376 §3.5): what it says, and what is wrong with it. Whether it is true is `verify.ts`.
 *
 * A field is a stranger's text, up to a whole head long. Whatever is wrong with it is a value that says why.
 *
 * @module
 */

import { parseDomain, toAsciiDomain } from "../../address.ts";
import { decodeStrict } from "../../bytes.ts";
import type { RawField } from "../../message/header.ts";
import { parseTagList, splitTagValue, type TagList } from "../tag_list.ts";
import type { Canonicalization } from "./canonical_field.ts";
import type { DkimAlgorithm } from "./verify_signature.ts";

/** What a field says of who signed, whether or not the rest of it can be read. */
export interface SignatureClaims {
  /** `d=`, in lower case, with A-labels; `null` where it cannot be read. The same for the others. */
  readonly domain: string | null;
  /** `s=`, the same. */
  readonly selector: string | null;
  /** `i=`, its domain as above, or `@` and the domain. */
  readonly identity: string | null;
  /** `a=`, in lower case, where it is a word. */
  readonly algorithm: string | null;
  /** The beginning of `b=`, which tells signatures of one message apart (RFC 6008). */
  readonly signature: string | null;
}

/** What DKIM-Signature and ARC-Message-Signature both have (RFC 8617 §4.1.2). */
export interface MessageSignature {
  readonly algorithm: DkimAlgorithm;
  /** `d=`, in lower case, with A-labels. */
  readonly domain: string;
  /** `s=`, the same. */
  readonly selector: string;
  readonly headCanonicalization: Canonicalization;
  readonly bodyCanonicalization: Canonicalization;
  /** The names of `h=`, in lower case, in their order. */
  readonly names: readonly string[];
  /** `bh=`: 32 octets. */
  readonly bodyHash: Uint8Array;
  /** `l=`: octets of the canonical body that are signed; `null` for all. */
  readonly bodyLength: number | null;
  /** `b=`. */
  readonly signature: Uint8Array;
  /** `t=`: seconds since 1970. */
  readonly time: number | null;
  /** `x=`: seconds since 1970. */
  readonly expires: number | null;
}

/** A signature as its field describes it. */
export interface DkimSignature extends MessageSignature {
  /** `i=` with its domain in lower case and A-labels; `@` and the domain where there is none. */
  readonly identity: string;
}

/** Why a field cannot be used, in words that stand alone. */
export interface SignatureFault {
  readonly fault: string;
}

/** Names in `h=`. Signers that name all they know, and each twice, have a hundred; more only make work. */
const MAX_NAMES = 512;
/** Characters of `i=`. */
const MAX_IDENTITY = 512;
/** Characters of `b=` that RFC 6008 §4 wants at least. */
const SIGNATURE_PREFIX = 8;
const SHA256_OCTETS = 32;
const FIELD_NAME = /^[!-9;-~]+$/;
const COLON = 0x3a;

/** The tags of a field, which may be folded; `null` where it is no list of tags. */
export function parseSignatureTags(field: RawField): TagList | null {
  const text = decodeStrict(field.raw.subarray(field.raw.indexOf(COLON) + 1));
  return text === null ? null : parseTagList(text);
}

/** Who is said to have signed: what can be read of it. */
export function readClaims(tags: TagList | null): SignatureClaims {
  const domain = readName(tags?.get("d"));
  const algorithm = tags?.get("a")?.toLowerCase() ?? "";
  const signature = tags?.get("b")?.slice(0, SIGNATURE_PREFIX) ?? "";
  return {
    domain,
    selector: readName(tags?.get("s")),
    identity: domain === null ? null : readIdentity(tags?.get("i"), domain),
    algorithm: /^[a-z0-9-]{1,40}$/.test(algorithm) ? algorithm : null,
    signature: /^[A-Za-z0-9+/]{8}$/.test(signature) ? signature : null,
  };
}

/**
 * Reads the tags of a DKIM-Signature.
 *
 * @param claims of the same tags.
 *
 * @example
 * ```ts
 * import { parseDkimSignature, parseSignatureTags, readClaims } from "./signature.ts";
 * import { makeField } from "../../message/header.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const value = "v=1; a=rsa-sha1; d=a.example; s=s; h=from; bh=YQ==; b=YQ==";
 * const tags = parseSignatureTags(makeField("DKIM-Signature", value));
 * const claims = readClaims(tags);
 * assertEquals([claims.domain, claims.identity], ["a.example", "@a.example"]);
 * assertEquals(parseDkimSignature(tags, claims), {
 *   fault: "rsa-sha1 no longer proves anything (RFC 8301)",
 * });
 * ```
 */
export function parseDkimSignature(
  tags: TagList | null,
  claims: SignatureClaims,
): DkimSignature | SignatureFault {
  if (tags === null) return { fault: "the signature is no list of tags" };
  if (tags.get("v") !== "1") return { fault: "the signature is not of version 1 (v=)" };
  const read = parseMessageSignature(tags, claims);
  if ("fault" in read) return read;
  const { identity } = claims;
  if (identity === null) return { fault: "the identity (i=) cannot be read" };
  const below = identity.slice(identity.lastIndexOf("@") + 1);
  if (below !== read.domain && !below.endsWith(`.${read.domain}`)) {
    return { fault: "the identity (i=) is not of the domain that signs (d=)" };
  }
  return { ...read, identity };
}

/** Reads what DKIM-Signature and ARC-Message-Signature both have. */
export function parseMessageSignature(
  tags: TagList,
  { domain, selector }: SignatureClaims,
): MessageSignature | SignatureFault {
  const missing = ["a", "b", "bh", "d", "h", "s"].find((tag) => !tags.has(tag));
  if (missing !== undefined) return { fault: `the signature has no ${missing}=` };
  const algorithm = parseAlgorithm(tags.get("a")!);
  if (typeof algorithm !== "string") return algorithm;
  // RFC 6376 §3.5: of two labels at least, so that nobody signs for a whole top-level domain.
  if (domain?.includes(".") !== true) return { fault: "the domain (d=) is none" };
  if (selector === null) return { fault: "the selector (s=) is none" };
  // RFC 1035 §2.3.4: what is asked for has 253 characters.
  if (`${selector}._domainkey.${domain}`.length > 253) {
    return { fault: "domain and selector are too long" };
  }
  const canonicalizations = parseCanonicalizations(tags.get("c") ?? "simple");
  if (canonicalizations === null) return { fault: "the canonicalization (c=) is unknown" };
  const query = splitTagValue(tags.get("q")?.toLowerCase() ?? "dns/txt", ":");
  if (!query.includes("dns/txt")) return { fault: "the key is not in DNS (q=)" };
  const names = splitTagValue(tags.get("h")!.toLowerCase(), ":");
  if (names.length > MAX_NAMES) return { fault: "too many fields are signed (h=)" };
  if (!names.every((name) => FIELD_NAME.test(name))) return { fault: "h= cannot be read" };
  // RFC 6376 §5.4: who wrote it is the least that is signed.
  if (!names.includes("from")) return { fault: "From is not signed (h=)" };
  const bodyHash = parseExactBase64(tags.get("bh")!);
  if (bodyHash?.length !== SHA256_OCTETS) return { fault: "the body hash (bh=) is none" };
  const signature = parseExactBase64(tags.get("b")!);
  if (signature === null || signature.length === 0) return { fault: "b= is no signature" };
  const [bodyLength, time, expires] = ["l", "t", "x"].map((tag) => parseNumber(tags.get(tag)));
  if (bodyLength === undefined) return { fault: "l= is no number" };
  if (time === undefined) return { fault: "t= is no time" };
  if (expires === undefined) return { fault: "x= is no time" };
  if (time !== null && expires !== null && expires < time) {
    return { fault: "the signature expired before it was made (x=)" };
  }
  return {
    algorithm,
    domain,
    selector,
    ...canonicalizations,
    names,
    bodyHash,
    bodyLength,
    signature,
    time,
    expires,
  };
}

/** Reads `a=`. */
export function parseAlgorithm(text: string): DkimAlgorithm | SignatureFault {
  const name = text.toLowerCase();
  if (name === "rsa-sha256" || name === "ed25519-sha256") return name;
  return {
    fault: name === "rsa-sha1"
      ? "rsa-sha1 no longer proves anything (RFC 8301)"
      : "the algorithm (a=) is unknown",
  };
}

/** `c=`: that of the head, and perhaps that of the body (RFC 6376 §3.5). */
function parseCanonicalizations(
  text: string,
): Pick<MessageSignature, "headCanonicalization" | "bodyCanonicalization"> | null {
  const [head, body = "simple", ...rest] = splitTagValue(text.toLowerCase(), "/");
  if (rest.length > 0 || !isCanonicalization(head) || !isCanonicalization(body)) return null;
  return { headCanonicalization: head, bodyCanonicalization: body };
}

function isCanonicalization(text: string | undefined): text is Canonicalization {
  return text === "simple" || text === "relaxed";
}

/** A domain or a selector, in lower case and A-labels (RFC 8616 §4), or `null`. */
function readName(text: string | undefined): string | null {
  const domain = text === undefined ? null : parseDomain(text, { smtputf8: true });
  return domain === null ? null : toAsciiDomain(domain);
}

/** `i=`, or `null`. The local part is as written, in quoted-printable (RFC 6376 §2.11): it is not ours to use. */
function readIdentity(text: string | undefined, domain: string): string | null {
  if (text === undefined) return `@${domain}`;
  if (text.length > MAX_IDENTITY) return null;
  const identity = text.replaceAll(/[ \t\r\n]/g, "");
  const at = identity.lastIndexOf("@");
  const own = readName(identity.slice(at + 1));
  return at < 0 || own === null ? null : `${identity.slice(0, at)}@${own}`;
}

/** Decimal digits, as many as RFC 6376 §3.5 allows; `null` without a value, `undefined` where it is none. */
function parseNumber(text: string | undefined): number | null | undefined {
  if (text === undefined) return null;
  return /^[0-9]{1,76}$/.test(text) ? Number(text) : undefined;
}

/** Base64 with white space anywhere, and in all else just as it is made: nobody can change it and have it mean the same. */
export function parseExactBase64(text: string): Uint8Array | null {
  try {
    return Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
  } catch {
    return null;
  }
}
