/**
 * Signs a message by DKIM (RFC 6376 §5): makes the DKIM-Signature field, which goes on top of the head. The body was
 * hashed before, as it streamed (`body_hashes.ts`). Who signs what with which key is for others.
 *
 * Fields that readers see, and that may stand in a message once only, are named once more than they are there:
 * one that somebody adds later breaks the signature (RFC 6376 §5.4.2, §8.15).
 *
 * What fails: options that no signature can have throw a `TypeError`. No message fails. Signing itself rejects as
 * {@link SigningKey.sign} does.
 *
 * @module
 */

import { encode } from "../../bytes.ts";
import type { RawField } from "../../message/header.ts";
import type { BodyHash } from "./body_hashes.ts";
import type { Canonicalization } from "./canonical_field.ts";
import { formatSigned, formatUnsigned, signingInput } from "./sign_field.ts";
import { checkFieldNames, checkSigner, isSigningDomain } from "./signer_names.ts";
import type { SigningKey } from "./signing_key.ts";

/** What a signature is to be. */
export interface SignOptions {
  /** `d=`: who takes responsibility, in A-labels. */
  readonly domain: string;
  /** `s=`: under what name at `_domainkey` of the domain the public key is found. */
  readonly selector: string;
  /** The private key of that. */
  readonly key: SigningKey;
  /** Milliseconds since 1970, for `t=`. */
  readonly now: number;
  /** Of the header fields; `relaxed`. That of the body is `bodyHash`'s. */
  readonly headCanonicalization?: Canonicalization;
  /** `h=`; {@link namesToSign} where it is not given. From must be there. */
  readonly names?: readonly string[];
  /** `i=`: for whom, an address at the domain or one below it, or `@` and such a domain. Left out unless given. */
  readonly identity?: string;
  /** Seconds for which it holds, for `x=`. For ever unless given. */
  readonly lifetime?: number;
  /**
   * Says in `l=` how long the body is, so that others may add to it. That is an invitation to forge (RFC 6376 §8.2); a
   * hash of a part of the body says its length anyway.
   */
  readonly bodyLength?: boolean;
}

/**
 * Signs a message.
 *
 * @param fields of its head, as they will be sent. @param bodyHash of its body, after the body's end.
 * @returns the field for the top of the head.
 *
 * @throws {TypeError} for options that no signature can have.
 *
 * @example
 * ```ts
 * import { signDkim } from "./sign.ts";
 * import { BodyHashes } from "./body_hashes.ts";
 * import { openSigningKey } from "./signing_key.ts";
 * import { decode, encode } from "../../bytes.ts";
 * import { parseFields } from "../../message/header.ts";
 * import { assertEquals, assertStringIncludes } from "@std/assert";
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
 * const fields = parseFields(encode("From: ann@example.org\r\nSubject: news\r\n"));
 * const field = await signDkim(fields, bodyHash, {
 *   domain: "example.org",
 *   selector: "s1",
 *   key: opened.key,
 *   now: 1_700_000_000_000,
 * });
 * assertEquals(field.name, "DKIM-Signature");
 * assertStringIncludes(
 *   decode(field.raw),
 *   "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.org; s=s1;\r\n" +
 *     " t=1700000000; h=from:to:cc:subject:reply-to:from:subject;\r\n bh=",
 * );
 * ```
 */
export async function signDkim(
  fields: readonly RawField[],
  bodyHash: BodyHash,
  options: SignOptions,
): Promise<RawField> {
  const { key, headCanonicalization = "relaxed", names = namesToSign(fields) } = options;
  checkOptions(options, names);
  const unsigned = formatUnsigned("DKIM-Signature", tagsOf(bodyHash, options, names));
  const input = signingInput(fields, names, unsigned, headCanonicalization);
  return formatSigned("DKIM-Signature", unsigned, await key.sign(input));
}

/** Named once more than they are there, even where there is none: another makes the message another to its reader. */
const SEALED = ["from", "to", "cc", "subject", "reply-to"];

/** Named once more than they are there, if they are: who sends the mail on may add one that is missing. */
const SEALED_IF_THERE = [
  "sender",
  "date",
  "message-id",
  "in-reply-to",
  "references",
  "mime-version",
  "content-type",
  "content-transfer-encoding",
  "content-disposition",
];

/** Named as often as they are there: who sends the mail on adds some (RFC 5322 §3.6.6, RFC 4021). */
const SIGNED = [
  "resent-date",
  "resent-from",
  "resent-sender",
  "resent-to",
  "resent-cc",
  "resent-message-id",
  "list-id",
  "list-help",
  "list-unsubscribe",
  "list-unsubscribe-post", // RFC 8058 §4 wants it signed.
  "list-subscribe",
  "list-post",
  "list-owner",
  "list-archive",
];

/** More fields of one name than this are not signed: nobody can say what they mean, and the list would grow with them. */
const MOST_OF_A_NAME = 16;

/**
 * The names of the fields that a signature had better cover (RFC 6376 §5.4.1), in lower case, for `h=`.
 *
 * @example
 * ```ts
 * import { namesToSign } from "./sign.ts";
 * import { encode } from "../../bytes.ts";
 * import { parseFields } from "../../message/header.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const fields = parseFields(encode("Received: x\r\nFrom: a\r\nTo: b\r\nDate: c\r\nList-Id: d\r\n"));
 * assertEquals(
 *   namesToSign(fields).join(":"),
 *   "from:to:cc:subject:reply-to:date:list-id:from:to:date",
 * );
 * ```
 */
export function namesToSign(fields: readonly RawField[]): string[] {
  const counts = new Map<string, number>();
  for (const { name } of fields) {
    const key = name.toLowerCase();
    counts.set(key, Math.min((counts.get(key) ?? 0) + 1, MOST_OF_A_NAME));
  }
  // One of each name first, then what makes them one more than there are: so the list reads best.
  const once: string[] = [];
  const again: string[] = [];
  const name = (names: readonly string[], always: boolean, extra: number) => {
    for (const name of names) {
      const count = counts.get(name) ?? 0;
      if (count === 0 && !always) continue;
      once.push(name);
      for (let i = 1; i < count + extra; i++) again.push(name);
    }
  };
  name(SEALED, true, 1);
  name(SEALED_IF_THERE, false, 1);
  name(SIGNED, false, 0);
  return [...once, ...again];
}

function tagsOf(
  bodyHash: BodyHash,
  options: SignOptions,
  names: readonly string[],
): (readonly [string, string])[] {
  const { key, headCanonicalization = "relaxed", domain, selector, identity, lifetime } = options;
  const time = Math.floor(options.now / 1000);
  const length = bodyHash.length === null
    ? (options.bodyLength ? bodyHash.octets : null)
    : Math.min(bodyHash.length, bodyHash.octets);
  return [
    ["v", "1"],
    ["a", key.algorithm],
    ["c", `${headCanonicalization}/${bodyHash.canonicalization}`],
    ["d", domain],
    ["s", selector],
    ...(identity === undefined ? [] : [["i", quoteIdentity(identity)] as const]),
    ["t", `${time}`],
    ...(lifetime === undefined ? [] : [["x", `${time + lifetime}`] as const]),
    ...(length === null ? [] : [["l", `${length}`] as const]),
    ["h", names.join(":")],
    ["bh", bodyHash.digest.toBase64()],
  ];
}

function checkOptions(options: SignOptions, names: readonly string[]): void {
  const { domain, identity, lifetime } = options;
  checkSigner(options);
  checkFieldNames(names);
  // RFC 6376 §5.4: it MUST be.
  if (!names.some((name) => name.toLowerCase() === "from")) {
    throw new TypeError("From is not signed");
  }
  if (lifetime !== undefined && !(Number.isSafeInteger(lifetime) && lifetime > 0)) {
    throw new TypeError(`not a number of seconds: ${lifetime}`);
  }
  if (identity === undefined) return;
  const at = identity.slice(identity.lastIndexOf("@") + 1).toLowerCase();
  // RFC 6376 §3.5: the same domain or one below it.
  if (
    !identity.includes("@") || !`.${at}`.endsWith(`.${domain.toLowerCase()}`) ||
    !isSigningDomain(at)
  ) {
    throw new TypeError(`not at ${domain}: "${identity}"`);
  }
}

/** RFC 6376 §2.11: what may not stand in a tag list as it is, as `=3B`. */
function quoteIdentity(identity: string): string {
  let text = "";
  for (const octet of encode(identity)) {
    const isSafe = octet > 0x20 && octet < 0x7f && octet !== 0x3b && octet !== 0x3d;
    text += isSafe
      ? String.fromCharCode(octet)
      : `=${octet.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}
