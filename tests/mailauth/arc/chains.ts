/**
 * Chains to try verifiers with: stations that seal by keys of their own, and a resolver that knows the keys.
 *
 * @module
 */

import { generateKeyPairSync } from "node:crypto";
import { concat, decode, encode } from "../../../src/bytes.ts";
import { type ArcSealOptions, sealArc } from "../../../src/mailauth/arc/seal.ts";
import { verifyArc } from "../../../src/mailauth/arc/verify.ts";
import { BodyHashes } from "../../../src/mailauth/dkim/body_hashes.ts";
import { openSigningKey, type SigningKey } from "../../../src/mailauth/dkim/signing_key.ts";
import { formatFields, parseFields, type RawField } from "../../../src/message/header.ts";
import type { DnsAnswer } from "../../../src/runtime/resolver.ts";

/** 14 November 2023, in milliseconds. */
export const NOW = 1_700_000_000_000;

/** A private key, and its record. */
export interface TestKey {
  readonly key: SigningKey;
  readonly pem: string;
  readonly record: string;
}

/** Makes a key. */
export async function makeKey(kind: "rsa" | "ed25519"): Promise<TestKey> {
  const { privateKey, publicKey } = kind === "rsa"
    ? generateKeyPairSync("rsa", { modulusLength: 2048 })
    : generateKeyPairSync("ed25519");
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }) as string;
  const der = new Uint8Array(publicKey.export({ type: "spki", format: "der" }));
  const opened = await openSigningKey(pem);
  if (opened.status !== "key") throw new Error(opened.reason);
  const octets = kind === "rsa" ? der : der.subarray(-32);
  return { key: opened.key, pem, record: `v=DKIM1; k=${kind}; p=${octets.toBase64()}` };
}

/** One key for all stations: who is who is said by the names. */
export const shared = await makeKey("ed25519");

/** A resolver that has the shared key at every name below `example`, and counts. */
export class CountingResolver {
  readonly asked: string[] = [];
  /** Questions that were open at once, at most. */
  most = 0;
  #open = 0;
  readonly #answers: ReadonlyMap<string, DnsAnswer<string>>;

  /** @param answers for names that have others. */
  constructor(answers: Readonly<Record<string, DnsAnswer<string>>> = {}) {
    this.#answers = new Map(Object.entries(answers));
  }

  async txt(name: string): Promise<DnsAnswer<string>> {
    this.asked.push(name);
    this.most = Math.max(this.most, ++this.#open);
    await Promise.resolve();
    this.#open--;
    return this.#answers.get(name) ?? { status: "found", records: [shared.record] };
  }
}

/** A message that is on its way. */
export class TestMessage {
  readonly fields: readonly RawField[];
  readonly body: string;

  constructor(head: string | readonly RawField[], body = "Good news.\r\n") {
    this.fields = typeof head === "string" ? parseFields(encode(head)) : head;
    this.body = body;
  }

  /** The head as text. */
  get head(): string {
    return decode(formatFields(this.fields));
  }

  /** All of it. */
  get octets(): Uint8Array {
    return concat([formatFields(this.fields), encode(`\r\n${this.body}`)]);
  }

  /** Sealed by a station. */
  async sealed(domain: string, options: Partial<ArcSealOptions> = {}): Promise<TestMessage> {
    const hashes = new BodyHashes();
    const hash = hashes.want("relaxed", null);
    hashes.write(encode(this.body));
    hashes.end();
    const set = await sealArc(this.fields, hash, {
      ...{ results: `mx.${domain}; dmarc=pass header.from=author.example`, domain },
      ...{ selector: "s", key: shared.key, cv: "pass", now: NOW },
      ...options,
    });
    return new TestMessage([...set, ...this.fields], this.body);
  }

  /** With another head. */
  edited(edit: (head: string) => string): TestMessage {
    return new TestMessage(edit(this.head), this.body);
  }

  /** What verifying says. */
  verified(
    resolver: { txt(name: string): Promise<DnsAnswer<string>> } = new CountingResolver(),
    now = NOW,
  ) {
    return verifyArc(this.fields, encode(this.body), { resolver, now });
  }
}

/** A message as its author sent it. */
export const PLAIN = new TestMessage(
  "From: Ann <ann@author.example>\r\nTo: bob@list.example\r\nSubject: News\r\n" +
    "Date: Thu, 14 Jan 2015 15:00:01 -0800\r\nMessage-ID: <1@author.example>\r\n",
);
