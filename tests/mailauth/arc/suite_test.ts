/**
 * The published suite of ARC (ValiMail/arc_test_suite on GitHub, MIT): all chains it says pass or fail, and all sets it
 * says a sealer makes, octet for octet. It is read from the folder that `ARC_SUITE` names.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { parseAllDocuments } from "npm:yaml@2.9.1";
import { encode } from "../../../src/bytes.ts";
import { ownResults } from "../../../src/mailauth/arc/own_results.ts";
import { sealArc } from "../../../src/mailauth/arc/seal.ts";
import { verifyArc } from "../../../src/mailauth/arc/verify.ts";
import { BodyHashes } from "../../../src/mailauth/dkim/body_hashes.ts";
import { openSigningKey } from "../../../src/mailauth/dkim/signing_key.ts";
import { fieldValue, parseFields, type RawField } from "../../../src/message/header.ts";
import type { DnsAnswer } from "../../../src/runtime/resolver.ts";

interface Scenario {
  readonly description: string;
  readonly tests: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly "txt-records": Readonly<Record<string, string>>;
  readonly domain?: string;
  readonly sel?: string;
  readonly privatekey?: string;
}

/** A message of the suite, whose lines end in LF. */
function split(text: string): { fields: RawField[]; body: Uint8Array } {
  const lines = text.replace(/\n/g, "\r\n");
  const end = lines.startsWith("\r\n") ? 0 : lines.indexOf("\r\n\r\n") + 2;
  const [head, body] = end === 1 ? [lines, ""] : [lines.slice(0, end), lines.slice(end + 2)];
  return { fields: parseFields(encode(head)), body: encode(body) };
}

function resolverOf(records: Readonly<Record<string, string>>) {
  return {
    txt: (name: string): Promise<DnsAnswer<string>> => {
      const text = records[name];
      return Promise.resolve(
        text === undefined ? { status: "none", reason: "nxdomain" } : {
          status: "found",
          records: [text],
        },
      );
    },
  };
}

function read(folder: string, file: string): Scenario[] {
  const text = Deno.readTextFileSync(`${folder}/tests/${file}`);
  return parseAllDocuments(text).map((document) => document.toJS() as Scenario);
}

/** The folder of the suite, where there is one. */
function findSuite(): string | null {
  const folder = Deno.env.get("ARC_SUITE") ?? "";
  try {
    return Deno.statSync(`${folder}/tests`).isDirectory ? folder : null;
  } catch {
    return null;
  }
}

const folder = findSuite();

if (folder === null) {
  Deno.test({
    name: "the published suite of ARC (not run: needs ARC_SUITE to name the folder of a copy of " +
      "https://github.com/ValiMail/arc_test_suite)",
    ignore: true,
    fn: () => {},
  });
} else {
  Deno.test("the published suite of ARC is whole", () => {
    const counts = ["validation", "sign"].map((kind) =>
      read(folder, `arc-draft-${kind}-tests.yml`)
        .reduce((sum, { tests }) => sum + Object.keys(tests).length, 0)
    );
    assertEquals(counts, [171, 17]);
  });
  for (const scenario of read(folder, "arc-draft-validation-tests.yml")) {
    const resolver = resolverOf(scenario["txt-records"]);
    for (const [name, test] of Object.entries(scenario.tests)) {
      Deno.test(`verifyArc() ${name}: ${test.description}`, async () => {
        const { fields, body } = split(String(test.message));
        const { result } = await verifyArc(fields, body, { resolver, now: 0 });
        // Where a seal says cv=fail the suite, older than RFC 8617, leaves the word to the validator: §5.2 says "fail".
        assertEquals(result, String(test.cv || "fail").toLowerCase());
      });
    }
  }

  for (const scenario of read(folder, "arc-draft-sign-tests.yml")) {
    for (const [name, test] of Object.entries(scenario.tests)) {
      Deno.test(`sealArc() ${name}: ${test.description}`, async () => {
        const { fields, body } = split(String(test.message));
        const opened = await openSigningKey(scenario.privatekey!);
        if (opened.status !== "key") throw new Error(opened.reason);
        const hashes = new BodyHashes();
        const bodyHash = hashes.want("relaxed", null);
        hashes.write(body);
        hashes.end();
        const own = ownResults(fields, String(test["srv-id"]))!;
        const set = await sealArc(fields, bodyHash, {
          results: own.value,
          domain: scenario.domain!,
          selector: scenario.sel!,
          key: opened.key,
          cv: (own.arc ?? "none") as "none" | "pass" | "fail",
          now: Number(test.t) * 1000,
          names: String(test["sig-headers"]).split(":"),
          form: "plain",
        });
        // In h= and elsewhere, so white space, the order and all else of the tags too, is decided by the signatures.
        const made = set.map((field) => fieldValue(field).replaceAll(/\s+/g, ""));
        const expected = ["AS", "AMS", "AAR"].map((key) =>
          String(test[key]).replaceAll(/\s+/g, "")
        );
        assertEquals(made, expected.filter((value) => value !== ""));
      });
    }
  }
}
