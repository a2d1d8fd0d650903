/**
 * A signer of the tests' own, which shares nothing with the program's: canonicalization as the RFC words it, by regular
 * expressions, signatures by node:crypto. It signs what no sound signer would, so that each rule can be broken alone.
 *
 * Texts are of one octet a character.
 *
 * @module
 */

import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from "node:crypto";
import { parseFields } from "../../../src/message/header.ts";
import { type DkimVerifyOptions, verifyDkim } from "../../../src/mailauth/dkim/verify.ts";
import type { DnsAnswer } from "../../../src/runtime/resolver.ts";

/** Keys to sign with, and the record of each. */
export interface TestKey {
  readonly privateKey: KeyObject;
  /** What `p=` has. */
  readonly data: string;
  readonly record: string;
}

/** Makes an RSA key. */
export function makeRsaKey(bits = 1024, exponent = 65537): TestKey {
  const pair = generateKeyPairSync("rsa", { modulusLength: bits, publicExponent: exponent });
  const data = pair.publicKey.export({ type: "spki", format: "der" }).toString("base64");
  return { privateKey: pair.privateKey, data, record: `v=DKIM1; k=rsa; p=${data}` };
}

/** Makes an Ed25519 key. */
export function makeEd25519Key(): TestKey {
  const { privateKey } = generateKeyPairSync("ed25519");
  const der = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  const data = der.subarray(-32).toString("base64");
  return { privateKey, data, record: `v=DKIM1; k=ed25519; p=${data}` };
}

/** One key for all tests that do not care: making one takes a while. */
export const RSA_KEY: TestKey = makeRsaKey();
/** The same. */
export const ED25519_KEY: TestKey = makeEd25519Key();

/** What is signed, and how. */
export interface ToSign {
  /** Fields with CRLF. */
  readonly head: string;
  readonly body: string;
  /** The tags but `bh` and `b`, by name; `undefined` leaves one of the usual out. */
  readonly tags?: Readonly<Record<string, string | undefined>>;
  readonly key?: TestKey;
  /** What stands between tags. */
  readonly fold?: string;
  /** Makes the octets of the signature, where not as the algorithm wants it. */
  readonly sign?: (input: string) => Uint8Array;
}

/** The head with the signature's field on top. */
export function signByHand(
  { head, body, tags = {}, key = RSA_KEY, fold = " ", ...rest }: ToSign,
): string {
  const isRsa = key.privateKey.asymmetricKeyType === "rsa";
  const all: Record<string, string | undefined> = {
    v: "1",
    a: isRsa ? "rsa-sha256" : "ed25519-sha256",
    c: "relaxed/relaxed",
    d: "example.org",
    s: "s",
    h: "from:to:subject",
    ...tags,
  };
  const [headForm = "simple", bodyForm = "simple"] = (all.c ?? "").toLowerCase().split("/");
  const canonical = canonicalBody(body, bodyForm.trim());
  const signed = all.l === undefined ? canonical : canonical.slice(0, Number(all.l));
  all.bh ??= sha256(signed).toString("base64");
  const text = Object.entries(all).filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${value};${fold}`).join("");
  const own = `DKIM-Signature: ${text}b=`;
  const fields = head.split(/(?<=\r\n)(?![ \t])/).filter((field) => field !== "");
  const left = [...fields];
  let input = "";
  for (const name of (all.h ?? "").split(":").map((one) => one.trim().toLowerCase())) {
    const at = left.findLastIndex((field) => field.split(":")[0]!.trim().toLowerCase() === name);
    if (at >= 0) input += canonicalHead(left.splice(at, 1)[0]!, headForm.trim());
  }
  input += canonicalHead(`${own}\r\n`, headForm.trim()).slice(0, -2);
  const signature = rest.sign?.(input) ??
    (isRsa
      ? sign("sha256", latin1(input), key.privateKey)
      : sign(null, sha256(input), key.privateKey));
  return `${own}${Buffer.from(signature).toString("base64")}\r\n${head}`;
}

/** A field in canonical form: RFC 6376 §3.4.1, §3.4.2. */
export function canonicalHead(field: string, form: string): string {
  if (form !== "relaxed") return field;
  const [, name = "", value = ""] = /^([^:]*):([^]*)$/.exec(field) ?? [];
  const one = value.replace(/\r\n(?=[ \t])/g, "").replace(/\r\n$/, "").replace(/[ \t]+/g, " ");
  return `${name.toLowerCase().replace(/[ \t]+$/, "")}:${one.replace(/^ | $/g, "")}\r\n`;
}

/** A body in canonical form: RFC 6376 §3.4.3, §3.4.4. */
export function canonicalBody(body: string, form: string): string {
  if (form !== "relaxed") return body.replace(/(?:\r\n)*$/, "") + "\r\n";
  const lines = body.split("\r\n").map((line) => line.replace(/[ \t]+/g, " ").replace(/ $/, ""));
  const text = lines.join("\r\n").replace(/(?:\r\n)*$/, "");
  return text === "" ? "" : `${text}\r\n`;
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(latin1(text)).digest();
}

/** Text to octets, one each. */
export function latin1(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** A resolver that has texts by name. An array is several records, `null` no such name, a text with `!` a failure. */
export function dnsOf(
  texts: Readonly<Record<string, string | readonly string[] | null>>,
  asked: string[] = [],
): DkimVerifyOptions["resolver"] {
  return {
    txt(name) {
      asked.push(name);
      const found = texts[name] ?? null;
      const answer: DnsAnswer<string> = found === null
        ? { status: "none", reason: "nxdomain" }
        : typeof found === "string" && found.startsWith("!")
        ? { status: "failed", reason: found.slice(1) }
        : { status: "found", records: typeof found === "string" ? [found] : found };
      return Promise.resolve(answer);
    },
  };
}

/** Results in words: `pass`, or the result and the reason. */
export async function verdicts(
  head: string,
  body: string,
  keys: Parameters<typeof dnsOf>[0] = { "s._domainkey.example.org": RSA_KEY.record },
  options: Partial<DkimVerifyOptions> = {},
): Promise<string[]> {
  const resolver = dnsOf(keys);
  const fields = parseFields(latin1(head));
  const results = await verifyDkim(fields, latin1(body), { resolver, now: NOW, ...options });
  return results.map(({ result, reason }) =>
    reason === undefined ? result : `${result}: ${reason}`
  );
}

/** When the tests are: milliseconds. */
export const NOW = 1_700_000_000_000;
