/**
 * Keys as DNS has them (RFC 6376 §3.6, RFC 8301 §3.2, RFC 8463 §4.2): what a record says, whether it may be used for
 * mail, and how it is asked for. DKIM and ARC have the same.
 *
 * A record is a stranger's text. Whatever is wrong with it is a value that says why; nothing throws, nothing rejects.
 *
 * @module
 */

import type { Resolver } from "../../runtime/resolver.ts";
import { askDns } from "../ask_dns.ts";
import { parseTagList, splitTagValue } from "../tag_list.ts";
import { parseRsaKey } from "./rsa_key.ts";
import type { DkimPublicKey } from "./verify_signature.ts";

/** A key record that may be used for mail. */
export interface DkimKeyRecord {
  /** The key; what kind it is says which algorithm it is for. */
  readonly key: DkimPublicKey;
  /** `t=y`: the domain only tries DKIM out. */
  readonly testing: boolean;
  /** `t=s`: the domain of `i=` must be that of `d=`, not one below it. */
  readonly strict: boolean;
}

/** What came of asking for a key. */
export type KeyAnswer =
  | { readonly status: "found"; readonly record: DkimKeyRecord }
  /** No key, or none that may be used (`permerror`); or nothing is known (`temperror`). Why, in words. */
  | { readonly status: "permerror" | "temperror"; readonly reason: string };

/** Characters of a record. A key of 8192 bits has 1,400; strings of DNS could have 65,000. */
const MAX_RECORD = 8192;
/** The octets of an Ed25519 key (RFC 8032 §5.1.5). */
const ED25519_OCTETS = 32;

/**
 * Reads the text of a record, the strings of DNS joined.
 *
 * @returns the record, or a fault, in words that stand alone: also where it is sound but revoked, or not for mail, or
 * not for SHA-256.
 *
 * @example
 * ```ts
 * import { parseKeyRecord } from "./key_record.ts";
 * import { assertEquals } from "@std/assert";
 *
 * // RFC 8463 §A.2
 * const text = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
 * const record = parseKeyRecord(text);
 * assertEquals("key" in record && record.key.kind, "ed25519");
 * assertEquals(parseKeyRecord("v=DKIM1; p="), { fault: "the key is revoked" });
 * ```
 */
export function parseKeyRecord(text: string): DkimKeyRecord | { readonly fault: string } {
  if (text.length > MAX_RECORD) return { fault: "the key record is too long" };
  const tags = parseTagList(text);
  if (tags === null) return { fault: "the key record is no list of tags" };
  const version = tags.get("v");
  // RFC 6376 §3.6.1: DKIM1 where there is one, and the first tag.
  if (version !== undefined && (version !== "DKIM1" || tags.keys().next().value !== "v")) {
    return { fault: "the key record is not of version DKIM1" };
  }
  const data = tags.get("p");
  if (data === undefined) return { fault: "the key record has no key (p=)" };
  if (data === "") return { fault: "the key is revoked" };
  const lists = (tag: string, ...values: readonly string[]) => {
    const value = tags.get(tag);
    if (value === undefined) return true;
    const words = splitTagValue(value.toLowerCase(), ":");
    return values.some((one) => words.includes(one));
  };
  if (!lists("h", "sha256")) return { fault: "the key is not for SHA-256 (h=)" };
  if (!lists("s", "email", "*")) return { fault: "the key is not for mail (s=)" };
  const key = parseKey(tags.get("k")?.toLowerCase() ?? "rsa", data);
  if ("fault" in key) return key;
  const flags = tags.has("t") ? splitTagValue(tags.get("t")!.toLowerCase(), ":") : [];
  return { key, testing: flags.includes("y"), strict: flags.includes("s") };
}

function parseKey(kind: string, data: string): DkimPublicKey | { readonly fault: string } {
  if (kind !== "rsa" && kind !== "ed25519") return { fault: "the key is of an unknown kind (k=)" };
  const octets = parseKeyData(data);
  if (octets === null) return { fault: "the key is no base64 (p=)" };
  if (kind === "rsa") return parseRsaKey(octets);
  if (octets.length === ED25519_OCTETS) return { kind, octets };
  return { fault: `an Ed25519 key has ${ED25519_OCTETS} octets, and this one ${octets.length}` };
}

/** Base64 with white space anywhere. The padding may be gone, which forms of providers take for a slip. */
function parseKeyData(data: string): Uint8Array | null {
  try {
    return Uint8Array.fromBase64(data);
  } catch {
    return null;
  }
}

/**
 * Asks for the key of a selector. Never rejects.
 *
 * Several records at one name have no meaning (RFC 6376 §3.6.2.2). Choosing one would let whoever can add a record say
 * which; so there must be one, not counting texts that say they are something else, as `v=spf1` does.
 *
 * @param domain in A-labels, and so the selector.
 * @param signal ends the wait; the answer is then `temperror`.
 */
export async function fetchKey(
  resolver: Pick<Resolver, "txt">,
  domain: string,
  selector: string,
  signal?: AbortSignal,
): Promise<KeyAnswer> {
  const name = `${selector}._domainkey.${domain}`;
  const answer = await askDns(() => resolver.txt(name, signal));
  if (answer.status === "failed") {
    return { status: "temperror", reason: `DNS failed for ${name}: ${answer.reason}` };
  }
  const records = answer.status === "found" ? answer.records.filter(mayBeKey) : [];
  const [record, other] = records;
  if (record === undefined) return { status: "permerror", reason: `there is no key at ${name}` };
  if (other !== undefined) {
    return { status: "permerror", reason: `there are ${records.length} key records at ${name}` };
  }
  const read = parseKeyRecord(record);
  return "fault" in read
    ? { status: "permerror", reason: read.fault }
    : { status: "found", record: read };
}

/** Whether a text does not begin with the version of something else. */
function mayBeKey(text: string): boolean {
  return !/^[ \t\r\n]{0,99}v[ \t\r\n]{0,99}=(?![ \t\r\n]{0,99}DKIM)/.test(text);
}
