/**
 * Everybody's DKIM signatures before everybody: each signer signs the same mails in every form it knows, and each
 * verifier says of all of them `pass`, and of the same mails with another word in them something else. The table in
 * docs/authentication.md is what comes of it.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { concat } from "../../src/bytes.ts";
import { BodyHashes } from "../../src/mailauth/dkim/body_hashes.ts";
import { signDkim } from "../../src/mailauth/dkim/sign.ts";
import { openSigningKey } from "../../src/mailauth/dkim/signing_key.ts";
import { verifyDkim } from "../../src/mailauth/dkim/verify.ts";
import { parseFields } from "../../src/message/header.ts";
import { rfc8463Ed25519Key, rfc8463Records, rfc8463RsaKey } from "../mailauth/dkim/rfc_examples.ts";
import { type DkimSignerProgram, dkimSigners, type SignRequest } from "./dkim_signers.ts";
import { type DkimVerifierProgram, dkimVerifiers } from "./dkim_verifiers.ts";
import { interopTest, octets } from "./support.ts";

const DOCUMENT = new URL("../../docs/authentication.md", import.meta.url);
const DOMAIN = "football.example.com";
const ED25519_SEED = btoa(atob(rfc8463Ed25519Key.split("\n")[1]!).slice(-32));

/** Head and body of a mail, apart. */
function parts(mail: Uint8Array): { head: Uint8Array; body: Uint8Array } {
  const end = new TextDecoder("latin1").decode(mail).indexOf("\r\n\r\n") + 2;
  return { head: mail.subarray(0, end), body: mail.subarray(end + 2) };
}

const OURS = {
  name: "Yizhan",
  signer: {
    name: "Yizhan",
    tools: [],
    can: () => true,
    sign: (requests) =>
      Promise.all(
        requests.map(async ({ mail, domain, selector, ed25519, head: form, body: ofBody }) => {
          const { head, body } = parts(mail);
          const opened = await openSigningKey(ed25519 ? rfc8463Ed25519Key : rfc8463RsaKey);
          if (opened.status === "bad") throw new Error(opened.reason);
          const hashes = new BodyHashes();
          const hash = hashes.want(ofBody, null);
          hashes.write(body);
          hashes.end();
          const { raw } = await signDkim(parseFields(head), hash, {
            ...{ domain, selector, key: opened.key, now: Date.now() },
            headCanonicalization: form,
          });
          return raw;
        }),
      ),
  } satisfies DkimSignerProgram,
  verifier: {
    name: "Yizhan",
    tools: [],
    knowsEd25519: true,
    misreads: [],
    verify: (mails, records) =>
      Promise.all(mails.map(async (mail) => {
        const { head, body } = parts(mail);
        const txt = (name: string) =>
          Promise.resolve({ status: "found", records: [records[name] ?? ""] } as const);
        const now = Date.now();
        const results = await verifyDkim(parseFields(head), body, { resolver: { txt }, now });
        return results.map(({ result }) => result);
      })),
  } satisfies DkimVerifierProgram,
};

const SIGNERS: readonly DkimSignerProgram[] = [OURS.signer, ...dkimSigners];
const VERIFIERS: readonly DkimVerifierProgram[] = [OURS.verifier, ...dkimVerifiers];

const MAIL = octets(
  'From: "Joe  SixPack"\r\n\t<joe@football.example.com>\r\nTo: suzie@shopping.example.net\r\n' +
    "Subject: Is  dinner\t ready?\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700\r\n" +
    "Message-ID: <20030712040037.1@football.example.com>\r\n\r\n" +
    "Hi. \r\n\r\nWe  lost the game.\tAre you hungry yet?\r\n\r\nJoe.\r\n\r\n\r\n",
);

/** All forms. */
function requests(): SignRequest[] {
  const usual = { mail: MAIL, domain: DOMAIN, names: null, identity: null, length: false };
  const forms = ["simple", "relaxed"] as const;
  return [
    { selector: "test", key: rfc8463RsaKey, ed25519: false },
    { selector: "brisbane", key: ED25519_SEED, ed25519: true },
  ].flatMap((key) =>
    forms.flatMap((head) => forms.map((body) => ({ ...usual, ...key, head, body })))
  );
}

/** The mail with another word in its body, or in its head. */
function changed(mail: Uint8Array, from: string, to: string): Uint8Array {
  return octets(new TextDecoder("latin1").decode(mail).replace(from, to));
}

interopTest(
  "what each program signs by DKIM each other passes, as docs/authentication.md has it",
  [...new Set([...SIGNERS, ...VERIFIERS].flatMap(({ tools }) => tools))],
  async () => {
    const rows: string[] = [];
    for (const signer of SIGNERS) {
      const wanted = requests().filter((request) => signer.can(request));
      const fields = await signer.sign(wanted);
      const signed = wanted.map(({ mail }, index) => concat([fields[index]!, mail]));
      const cells = await Promise.all(VERIFIERS.map(async ({ name, knowsEd25519, verify }) => {
        const known = signed.filter((_, index) => knowsEd25519 || !wanted[index]!.ed25519);
        const spoilt = known.flatMap((mail) => [
          changed(mail, "lost", "won "),
          changed(mail, "dinner", "supper"),
        ]);
        const verdicts = await verify([...known, ...spoilt], rfc8463Records);
        for (const [index, said] of verdicts.entries()) {
          const what = `${signer.name}'s mail ${index} before ${name}`;
          assertEquals(said.length, 1, what);
          if (index < known.length) assertEquals(said, ["pass"], what);
          else assert(said[0] !== "pass", `${what}, changed`);
        }
        const both = knowsEd25519 && wanted.some(({ ed25519 }) => ed25519);
        return both ? "RSA, Ed25519" : "RSA";
      }));
      rows.push(`| ${[signer.name, ...cells].join(" | ")} |`);
    }
    const page = (await Deno.readTextFile(DOCUMENT)).replace(/ {2,}/g, " ");
    assertStringIncludes(
      page,
      `| signs \\ verifies | ${VERIFIERS.map(({ name }) => name).join(" | ")} |`,
    );
    for (const row of rows) assertStringIncludes(page, row);
  },
);
