/**
 * The test suite of the people who wrote SPF (openspf.org, for RFC 7208): 203 checks, each in a small world of DNS,
 * with the results that are allowed and the explanations that are due.
 *
 * The file is theirs and is not kept here. Debian's package python3-spf has it, as
 * `/usr/share/doc/python3-spf/rfc7208-tests.yml.gz`; `SPF_SUITE` names it, packed or not.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { gunzipSync } from "node:zlib";
import { decode } from "../../../src/bytes.ts";
import { yaml } from "../../../src/config/packages.ts";
import { checkHost, helloQuery } from "../../../src/mailauth/spf/check_host.ts";
import { parseSuite, resolverOf, type SuiteCase } from "./suite.ts";

const FILE = Deno.env.get("SPF_SUITE") ?? "";

async function runCase({ helo, host, mailfrom, result, explanation }: SuiteCase, zones: unknown) {
  const session = { ip: host, hello: helo };
  const query = mailfrom === ""
    ? helloQuery(session)
    : { ip: host, hello: helo, sender: mailfrom, domain: mailfrom.split("@").at(-1)! };
  const answer = await checkHost(query, { resolver: resolverOf(zones) });
  const shown = JSON.stringify(answer);
  assert([result].flat().includes(answer.result), `${shown} instead of ${result}`);
  if (explanation === undefined) return;
  // "DEFAULT" is what the program says by itself: the domain has said nothing.
  assertEquals(answer.explanation ?? "DEFAULT", explanation, shown);
}

if (FILE === "") {
  Deno.test({
    name: "the SPF test suite (not run: needs Debian's package python3-spf and " +
      "SPF_SUITE=/usr/share/doc/python3-spf/rfc7208-tests.yml.gz)",
    ignore: true,
    fn: () => {},
  });
} else {
  const octets = Deno.readFileSync(FILE);
  const text = decode(FILE.endsWith(".gz") ? gunzipSync(octets) : octets);
  const scenarios = parseSuite(yaml.parseAllDocuments(text));
  Deno.test("the SPF test suite is whole", () => {
    assertEquals(scenarios.flatMap(({ cases }) => cases).length, 203);
  });
  for (const { description, cases, zones } of scenarios) {
    for (const [name, data] of cases) {
      Deno.test(`SPF: ${description}: ${name}`, () => runCase(data, zones));
    }
  }
}
