/**
 * Who signs and verifies here: ours, and the libraries of others in the same runtime. Each is given a whole mail
 * and gives a whole one, or its verdict.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey } from "node:crypto";
// deno-lint-ignore no-import-prefix -- the peers are of no use to anything but this folder
import { dkimSign } from "npm:mailauth@7.1.0/lib/dkim/sign.js";
// deno-lint-ignore no-import-prefix
import { dkimVerify } from "npm:mailauth@7.1.0/lib/dkim/verify.js";
// deno-lint-ignore no-import-prefix
import NodemailerDkim from "npm:nodemailer@10.6.0/lib/dkim";
import { concat } from "../../src/bytes.ts";
import { BodyHashes } from "../../src/mailauth/dkim/body_hashes.ts";
import { signDkim } from "../../src/mailauth/dkim/sign.ts";
import { openSigningKey, type SigningKey } from "../../src/mailauth/dkim/signing_key.ts";
import { verifyDkim } from "../../src/mailauth/dkim/verify.ts";
import { endOfHead } from "./end_of_head.ts";
import { parseFields } from "../../src/message/header.ts";
import type { DnsAnswer } from "../../src/runtime/resolver.ts";

/** Whose mail is signed, and under what name the key is found. */
export const DOMAIN = "bench.example";
/** The selector of each kind of key. */
export const SELECTORS = { rsa: "r", ed25519: "e" } as const;

/** Keys in PEM (PKCS #8). */
export interface Keys {
  readonly rsa: string;
  readonly ed25519: string;
}

/** One who signs. */
export interface Signer {
  readonly name: string;
  readonly isOurs: boolean;
  sign(mail: Uint8Array): Promise<Uint8Array>;
}

/** One who verifies, the result of the first signature being the word. */
export interface Verifier {
  readonly name: string;
  readonly isOurs: boolean;
  verify(mail: Uint8Array): Promise<string>;
}

/** Octets of a body that come at once. */
const CHUNK = 65_536;

async function open(pem: string): Promise<SigningKey> {
  const opened = await openSigningKey(pem);
  if (opened.status === "bad") throw new Error(opened.reason);
  return opened.key;
}

async function ourSigner(kind: "rsa" | "ed25519", pem: string): Promise<Signer> {
  const options = { domain: DOMAIN, selector: SELECTORS[kind], key: await open(pem) };
  return {
    name: `ours, ${kind === "rsa" ? "RSA-2048" : "Ed25519"}`,
    isOurs: true,
    async sign(mail) {
      const body = endOfHead(mail);
      const hashes = new BodyHashes();
      const hash = hashes.want("relaxed", null);
      for (let at = body; at < mail.length; at += CHUNK) {
        hashes.write(mail.subarray(at, at + CHUNK));
      }
      hashes.end();
      const fields = parseFields(mail.subarray(0, body - 2));
      const { raw } = await signDkim(fields, hash, { ...options, now: Date.now() });
      return concat([raw, mail]);
    },
  };
}

/** All who sign. */
export async function signers(keys: Keys): Promise<Signer[]> {
  const nodemailer = new NodemailerDkim({
    domainName: DOMAIN,
    keySelector: SELECTORS.rsa,
    privateKey: keys.rsa,
  });
  const signature = {
    signingDomain: DOMAIN,
    selector: SELECTORS.rsa,
    privateKey: keys.rsa,
  };
  return [
    await ourSigner("rsa", keys.rsa),
    await ourSigner("ed25519", keys.ed25519),
    {
      name: "nodemailer 10.6.0, RSA-2048",
      isOurs: false,
      async sign(mail) {
        const parts: Uint8Array[] = [];
        for await (const part of nodemailer.sign(Buffer.from(mail))) parts.push(part);
        return concat(parts);
      },
    },
    {
      name: "mailauth 7.1.0, RSA-2048",
      isOurs: false,
      async sign(mail) {
        const { signatures } = await dkimSign(Buffer.from(mail), {
          canonicalization: "relaxed/relaxed",
          algorithm: "rsa-sha256",
          signTime: new Date(),
          // Its code wants them here, its types above.
          signatureData: [signature],
          ...signature,
        });
        return concat([new TextEncoder().encode(signatures), mail]);
      },
    },
  ];
}

/** The key records, by name. */
export function keyRecords(keys: Keys): Record<string, string> {
  const records: Record<string, string> = {};
  for (const kind of ["rsa", "ed25519"] as const) {
    const der = createPublicKey(createPrivateKey(keys[kind])).export({
      type: "spki",
      format: "der",
    });
    const data = kind === "rsa" ? der : der.subarray(-32); // RFC 8463 §4.2
    records[`${SELECTORS[kind]}._domainkey.${DOMAIN}`] = `v=DKIM1; k=${kind}; p=${
      data.toString("base64")
    }`;
  }
  return records;
}

/** All who verify. */
export function verifiers(records: Readonly<Record<string, string>>): Verifier[] {
  const none: DnsAnswer<string> = { status: "none", reason: "nxdomain" };
  const resolver = {
    txt(name: string): Promise<DnsAnswer<string>> {
      const text = records[name];
      return Promise.resolve(text === undefined ? none : { status: "found", records: [text] });
    },
  };
  return [
    {
      name: "ours",
      isOurs: true,
      async verify(mail) {
        const body = endOfHead(mail);
        const fields = parseFields(mail.subarray(0, body - 2));
        const options = { resolver, now: Date.now() };
        return (await verifyDkim(fields, mail.subarray(body), options))[0]?.result ?? "none";
      },
    },
    {
      name: "mailauth 7.1.0",
      isOurs: false,
      async verify(mail) {
        const { results } = await dkimVerify(Buffer.from(mail), {
          resolver: (name: string) => Promise.resolve([[records[name] ?? ""]]),
        });
        return results[0]?.status?.result ?? "none";
      },
    },
  ];
}
