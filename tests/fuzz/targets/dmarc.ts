/**
 * Fuzzing of DMARC: records in a small world of DNS with the domains of a message, and From fields.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { decode, encode, isAscii } from "../../../src/bytes.ts";
import { authorsOf, MAX_AUTHOR_DOMAINS } from "../../../src/mailauth/dmarc/author.ts";
import { evaluateDmarc } from "../../../src/mailauth/dmarc/evaluate.ts";
import { isDmarcRecord, parseDmarcRecord } from "../../../src/mailauth/dmarc/record.ts";
import { treeTargets } from "../../../src/mailauth/dmarc/tree.ts";
import { parseFields } from "../../../src/message/header.ts";
import type { DnsAnswer } from "../../../src/runtime/resolver.ts";
import type { FuzzTarget } from "../engine/target.ts";

const TAGS = [
  ...["p=reject", "p=quarantine", "p=none", "p=x", "sp=none", "sp=reject", "np=reject", "np="],
  ...["psd=y", "psd=n", "psd=u", "t=y", "t=n", "pct=0", "pct=50", "adkim=s", "aspf=s", "adkim=r"],
  ...["rua=mailto:a@b.example", "rua=mailto:a@b.example!10m,x", "ruf=http://x", "fo=1:d:s", "fo=2"],
  ...["v=DMARC1", "nonsense", "=", "P = REJECT", "é=ü", "x=1"],
];

const DOMAINS = ["example", "a.example", "b.a.example", "c.b.a.example", "d.example", "x.y.z.test"];

/** A line for each domain in turn: its record, `fail` for no answer; the last says who sent. */
const dmarc: FuzzTarget = {
  name: "dmarc",
  about:
    "DMARC records of domains above one another: an end, few questions, nothing done for a pass",
  words: [...TAGS.map((tag) => `${tag};`), ...DOMAINS, "\n", "fail", "v=DMARC1;"],
  generate: (chance) =>
    encode(
      [
        ...DOMAINS.map(() =>
          chance.oneIn(5)
            ? chance.pick(["", "fail", "v=spf1"])
            : `v=DMARC1; ${chance.many(0, 6, () => chance.pick(TAGS), "; ")}`
        ),
        chance.many(1, 6, () => chance.pick(DOMAINS), " "),
      ].join("\n"),
    ),
  async run(input) {
    const lines = decode(input).split("\n");
    const asked: string[] = [];
    const txt = (name: string): Promise<DnsAnswer<string>> => {
      asked.push(name);
      const line = lines[DOMAINS.indexOf(name.replace(/^_dmarc\./, ""))];
      if (line === "fail") return Promise.resolve({ status: "failed", reason: "servfail" });
      if (line === undefined || line === "") {
        return Promise.resolve({ status: "none", reason: "nxdomain" });
      }
      return Promise.resolve({ status: "found", records: [line] });
    };
    const none = () => Promise.resolve({ status: "none", reason: "nxdomain" } as const);
    const [from = "a.example", spf = from, ...signers] = (lines.at(-1) ?? "").split(" ");
    const checked = signers.slice(0, 8).map((domain) => ({ domain, result: "pass" as const }));
    const result = await evaluateDmarc(
      { from, spf: { domain: spf, result: "pass" }, dkim: checked },
      { resolver: { txt, a: none, aaaa: none, mx: none } },
    );
    assert(asked.length <= 64 && new Set(asked).size === asked.length);
    if (result.result !== "fail") assertEquals(result.disposition, "none");
    assertEquals(result.result === "pass", result.spfAligned || result.dkimAligned);
    if (result.result === "pass" || result.result === "fail") assert(result.policy !== null);
    assert(treeTargets(from).length <= 8);
    for (const line of lines) {
      const record = parseDmarcRecord(line);
      if (record === null) continue;
      assert(isDmarcRecord(line) && record.rua.length <= 32 && record.faults.length <= 8);
      assert(record.rua.every((uri) => isAscii(uri) && !/\s/.test(uri)));
    }
  },
};

const authors: FuzzTarget = {
  name: "authors",
  about: "The domains in From fields, whatever they hold: A-labels, four at most",
  words: [
    ...["From: ", "from:", "\r\n", "\r\n ", "@", "<", ">", ",", ";", ":", '"', "(", ")", "\\", "."],
    ...["a@b.example", "x@bücher.example", "@[192.0.2.1]", "=?utf-8?q?a?=", "xn--", "\u0000", "é"],
  ],
  generate: (chance) =>
    encode(
      `From: ${
        chance.many(0, 8, () =>
          chance.pick([
            "a@b.example",
            "<c@d.example>",
            "x ",
            '"q" ',
            ", ",
            "g:",
            ";",
            "@",
            "(c)",
            "ü",
          ]))
      }\r\n`,
    ),
  run(input) {
    const found = authorsOf(parseFields(input));
    if (found.status !== "named") return assert(found.reason !== "");
    const { domains } = found;
    assert(domains.length > 0 && domains.length <= MAX_AUTHOR_DOMAINS);
    assertEquals(new Set(domains).size, domains.length);
    assert(domains.every((domain) => isAscii(domain) && domain === domain.toLowerCase()));
  },
};

export const targets: readonly FuzzTarget[] = [dmarc, authors];
