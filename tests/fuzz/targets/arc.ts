/**
 * Fuzzing of what stations say of a message in its head: Authentication-Results, forged ones among them, and chains of
 * ARC, that were sealed and then mutated.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { decode, encode } from "../../../src/bytes.ts";
import { applyChanges } from "../../../src/intake/head_edits.ts";
import { ownResults } from "../../../src/mailauth/arc/own_results.ts";
import { readChain } from "../../../src/mailauth/arc/chain.ts";
import { sealArc } from "../../../src/mailauth/arc/seal.ts";
import { trustedArcPass } from "../../../src/mailauth/arc/trust.ts";
import { verifyArc } from "../../../src/mailauth/arc/verify.ts";
import { BodyHashes } from "../../../src/mailauth/dkim/body_hashes.ts";
import { openSigningKey } from "../../../src/mailauth/dkim/signing_key.ts";
import {
  formatAuthenticationResults,
  type MethodResult,
  parseAuthenticationResults,
} from "../../../src/message/authentication_results.ts";
import { forgedOccurrences, isOurs } from "../../../src/message/forged_results.ts";
import { fieldValue, findFields, makeField, parseFields } from "../../../src/message/header.ts";
import type { FuzzTarget } from "../engine/target.ts";

const OUR = "mx.our.example";

const PARTS = [
  ...["mx.our.example", '"mx.our.example"', "(x) ", "(a (b) \\) c)", " 1", "mx.other.example"],
  ...["; none", "; spf=pass", " smtp.mailfrom=a@b.example", ' reason="a\\"b;"', " (p=none)"],
  ...["; dkim/1 = fail", " header.b=a/b=", ' policy.x="(;"', " action=none", "; arc=pass", ";"],
  ...['"a b"@c.example', "\\", "ümlaut.example", " . ", " = "],
];

const results: FuzzTarget = {
  name: "results",
  about:
    "Authentication-Results: what is read can be written and is read as the same; fields of ours are found",
  words: [...PARTS, "(", ")", '"', ";", "=", "\r\n ", "\u200b", "\0"],
  generate: (chance) =>
    encode(`mx.our.example${chance.many(0, 10, () => chance.pick(PARTS), chance.pick(["", " "]))}`),
  run(input) {
    const value = decode(input);
    const parsed = parseAuthenticationResults(value);
    if (parsed !== null) {
      assert(parsed.results.length <= 100);
      // The words of others may be others than ours.
      const written = formatAuthenticationResults(
        parsed.authservId,
        parsed.results as readonly MethodResult[],
      );
      const again = parseAuthenticationResults(written);
      assertEquals(again?.results.length, parsed.results.length, written);
      assertEquals(
        again?.results.map(({ properties }) => properties.length),
        parsed.results.map(({ properties }) => properties.length),
      );
      // Once written it is written the same.
      const twice = formatAuthenticationResults(
        again!.authservId,
        again!.results as readonly MethodResult[],
      );
      if (value.length < 400) assertEquals(twice, written);
    }
    const raw = parseFields(encode(`Authentication-Results: ${value}\r\n`));
    const fields = [...raw, makeField("Authentication-Results", value)];
    const name = "Authentication-Results";
    const removed = forgedOccurrences(fields, [OUR])
      .map((occurrence) => ({ change: "replace-field", name, occurrence, value: null }) as const);
    const left = applyChanges(fields, removed);
    assertEquals(fields.length - left.length, removed.length);
    assertEquals(left.some((field) => isOurs(field, [OUR])), false);
    // Whatever is left, nobody here takes it for ours.
    assertEquals(ownResults(left, OUR), null);
    const own = ownResults(fields, OUR);
    if (own !== null) assert(parseAuthenticationResults(own.value) !== null, own.value);
  },
};

/** RFC 8463, Appendix A.2. */
const PEM = "-----BEGIN PRIVATE KEY-----\n" +
  "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n" +
  "-----END PRIVATE KEY-----\n";
const RECORD = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const BODY = encode("Good news.\r\n");
const NOW = 1_700_000_000_000;

const resolver = {
  txt: (name: string) =>
    Promise.resolve(
      name.endsWith(".example")
        ? { status: "found", records: [RECORD] } as const
        : { status: "failed", reason: "servfail" } as const,
    ),
};

const opened = await openSigningKey(PEM);
if (opened.status !== "key") throw new Error(opened.reason);
const { key } = opened;
const hashes = new BodyHashes();
const bodyHash = hashes.want("relaxed", null);
hashes.write(BODY);
hashes.end();

/** The head with a set on top. */
async function sealed(head: string, domain: string, cv: "none" | "pass" | "fail"): Promise<string> {
  const results = `mx.${domain}; dmarc=pass header.from=author.example`;
  const options = { results, domain, selector: "s", key, cv, now: NOW };
  const set = await sealArc(parseFields(encode(head)), bodyHash, options);
  return set.map(({ raw }) => decode(raw)).join("") + head;
}

const PLAIN = "From: ann@author.example\r\nSubject: News\r\n";
const ONCE = await sealed(PLAIN, "one.example", "none");
const TWICE = await sealed(ONCE, "two.example", "pass");
const HEADS = [ONCE, TWICE, await sealed(TWICE, "three.example", "pass")];

const arc: FuzzTarget = {
  name: "arc",
  about:
    "chains of ARC: only what was sealed passes; whatever they are, they can be sealed, and no more than fifty times",
  words: [
    ...["i=1; ", "i=2;", "i=50;", "cv=none;", "cv=pass;", "cv=fail;", "d=one.example;", "s=s;"],
    ...["h=from;", "h=;", "b=", "bh=", "l=0;", "x=1;", "c=simple/simple;", "ARC-Seal: i=1;"],
    ...["ARC-Authentication-Results: i=1;", "ARC-Message-Signature: i=2;", "\r\n", "\r\n "],
    ONCE,
  ],
  longest: 8192,
  generate: (chance) => {
    const lines = chance.pick(HEADS).split(/(?<=\r\n)(?![ \t])/);
    const edits = chance.between(0, 3);
    for (let edit = 0; edit < edits; edit++) {
      const at = chance.below(lines.length);
      const line = lines[at]!;
      lines.splice(at, 1, ...chance.pick([[line, line], [], [line.replace(/\d/, "2")], [line]]));
    }
    return encode(lines.join(""));
  },
  async run(input) {
    const fields = parseFields(input);
    const arc = await verifyArc(fields, BODY, { resolver, now: NOW });
    assert(arc.sets.length <= 50);
    assertEquals(arc.reason !== undefined, arc.result === "fail" || arc.result === "temperror");
    const trusted = new Set(["@example"]);
    const believed = trustedArcPass(arc, trusted, "author.example");
    if (arc.result === "pass") {
      // Nobody else has the key.
      for (const { domain, authenticationResults } of arc.sets) {
        const said = `mx.${domain}; dmarc=pass header.from=author.example`;
        assertEquals(authenticationResults.replaceAll(/[ \t]+/g, " "), said);
      }
      assertEquals(findFields(fields, "From").map(fieldValue), ["ann@author.example"]);
      assert(believed !== null);
    } else {
      assertEquals(believed, null);
    }
    const cv = arc.result === "temperror" ? "fail" : arc.result;
    const options = { results: "mx.last.example; none", domain: "last.example", selector: "s" };
    const set = await sealArc(fields, bodyHash, { ...options, key, cv, now: NOW });
    assert(set.length === 3 || set.length === 0 && arc.result === "fail");
    const after = await verifyArc([...set, ...fields], BODY, { resolver, now: NOW });
    assertEquals(after.result, arc.result === "pass" || arc.result === "none" ? "pass" : "fail");
    if (set.length > 0 && arc.result === "fail") {
      const chain = readChain([...set, ...fields]);
      assert(chain.status === "broken" && chain.sealed);
    }
  },
};

/** The targets. */
export const targets: readonly FuzzTarget[] = [results, arc];
