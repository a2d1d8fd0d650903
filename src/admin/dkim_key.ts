/**
 * DKIM keys as DNS has them (RFC 6376 §3.6.1, RFC 8463 §4.2): the record that goes with a private key, and what is
 * wrong with a record that does not. Reading the key's file is for others.
 *
 * All of it is total: a text that is no key or no record is a value that says why.
 *
 * @module
 */

import { createPublicKey } from "node:crypto";
import { readPrivateKey } from "../mailauth/dkim/private_key.ts";
import { formatBase64 } from "../smtp/sasl/base64.ts";
import { parseTagList } from "../mailauth/tag_list.ts";

/** The public half of a key. */
export interface DkimPublicKey {
  readonly kind: "rsa" | "ed25519";
  /** As `p=` has it: base64. */
  readonly data: string;
}

/** A key, or why there is none. */
export type ReadDkimKey =
  | {
    readonly status: "key";
    readonly key: DkimPublicKey;
    /** How long it is: the modulus of RSA; 256 for Ed25519. */
    readonly bits: number;
  }
  | { readonly status: "bad"; readonly reason: string };

/**
 * The public half of a private key in PEM form.
 *
 * @returns a reason that follows the name of a file in a sentence.
 */
export function readDkimKey(pem: string): ReadDkimKey {
  const read = readPrivateKey(pem);
  if (read.status === "bad") return read;
  const { key, kind, bits } = read;
  const der = createPublicKey(key).export({ type: "spki", format: "der" });
  // RFC 8463 §4.2: of Ed25519 the 32 octets alone, which end the DER form (RFC 8410 §4).
  const data = formatBase64(kind === "rsa" ? der : der.subarray(-32));
  return { status: "key", key: { kind, data }, bits };
}

/** The text of the record of a key. */
export function formatDkimRecord({ kind, data }: DkimPublicKey): string {
  return `v=DKIM1; k=${kind}; p=${data}`;
}

/**
 * What is wrong with a record for a key, in words that follow `it`; `null` where nothing is.
 *
 * @example
 * ```ts
 * import { dkimRecordProblem } from "./dkim_key.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const key = { kind: "ed25519", data: "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=" } as const;
 * assertEquals(dkimRecordProblem(`v=DKIM1; k=ed25519; p=${key.data}`, key), null);
 * assertEquals(dkimRecordProblem("v=DKIM1; p=", key), "revokes the key (p= is empty)");
 * ```
 */
export function dkimRecordProblem(text: string, key: DkimPublicKey): string | null {
  const tags = parseTagList(text);
  if (tags === null) return "is no list of tags such as v=DKIM1; k=rsa; p=…";
  const version = tags.get("v");
  if (version !== undefined && (version !== "DKIM1" || [...tags.keys()][0] !== "v")) {
    return "does not begin with v=DKIM1";
  }
  const data = tags.get("p")?.replaceAll(/\s/g, "");
  if (data === undefined) return "has no key (p=)";
  if (data === "") return "revokes the key (p= is empty)";
  const kind = tags.get("k") ?? "rsa";
  if (kind !== key.kind) return `is for a key of kind ${kind}, and ours is ${key.kind}`;
  if (data !== key.data) return describeOther(data, key.data);
  const lacks = (tag: string, value: string) => {
    const list = tags.get(tag)?.split(":").map((word) => word.trim().toLowerCase());
    return list !== undefined && !list.includes(value);
  };
  if (lacks("h", "sha256")) return `does not allow SHA-256 (h=${tags.get("h")})`;
  if (lacks("s", "email") && lacks("s", "*")) return `is not for mail (s=${tags.get("s")})`;
  return null;
}

/** Forms of providers cut long texts, and people paste the rest. */
function describeOther(found: string, wanted: string): string {
  if (wanted.startsWith(found)) {
    return `has only the first ${found.length} of the ${wanted.length} characters of our key`;
  }
  return "has another key than ours";
}
