import { assertEquals, assertStringIncludes } from "@std/assert";
import { encode } from "../../../src/bytes.ts";
import {
  authenticationSchema,
  domainRulesOf,
  rulesOf,
} from "../../../src/config/policies/authentication.ts";
import { buildPolicies, policyPlan } from "../../../src/config/policies/build.ts";
import { parseFields } from "../../../src/message/header.ts";
import { MemoryLedger } from "../../../src/policy/ledger/memory_ledger.ts";
import {
  AuthenticationRuleBook,
  DEFAULT_RULES,
} from "../../../src/policy/mailauth/authentication_rules.ts";
import type { MessageView } from "../../../src/policy/policy.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { load, SMALLEST } from "../machine.ts";

/** The rules that a section has for a domain. */
function rulesFor(domain: string, section: unknown) {
  const read = authenticationSchema.parse(section);
  return new AuthenticationRuleBook(rulesOf(read), domainRulesOf(read)).of(domain);
}

function faults(section: unknown): string {
  return authenticationSchema.safeParse(section).error?.issues.map(({ path, message }) =>
    `${path.join(".")}: ${message}`
  ).join("\n") ?? "";
}

Deno.test("an empty section has the usual rules", () => {
  assertEquals(rulesFor("example.org", {}), DEFAULT_RULES);
  assertEquals(authenticationSchema.parse({}).enabled, undefined);
  assertEquals(authenticationSchema.parse({}).malformedFrom, "reject");
});

Deno.test("what is said for all holds for all but those that are named", () => {
  const section = {
    spf: { fail: "junk" },
    dmarc: { reject: "junk" },
    whenUnknown: "defer",
    domains: {
      "bank.example": { dmarc: { reject: "reject", none: "reject" } },
      ".lists.example": {
        spf: { fail: "accept" },
        dmarc: { reject: "accept", quarantine: "accept" },
      },
    },
  };
  const usual = { ...DEFAULT_RULES, spfFail: "junk", dmarcReject: "junk", whenUnknown: "defer" };
  assertEquals(rulesFor("example.org", section), usual as typeof DEFAULT_RULES);
  assertEquals(
    rulesFor("Bank.example", section),
    {
      ...usual,
      ...{ dmarcReject: "reject", dmarcNone: "reject" },
    } as typeof DEFAULT_RULES,
  );
  assertEquals(rulesFor("a.b.lists.example", section).dmarcReject, "accept");
  assertEquals(rulesFor("lists.example", section).dmarcReject, "junk");
  assertEquals(rulesFor("sub.bank.example", section).dmarcNone, "accept");
});

Deno.test("buildPolicies() believes servers in borders what they write in our name, and nobody else", async () => {
  const { config } = await load(`${SMALLEST}authentication: { borders: [192.0.2.0/24] }\n`);
  const runtime = memoryRuntime();
  const ledger = new MemoryLedger(runtime.clock);
  const policies = buildPolicies(policyPlan(config), { ...runtime, ledger, emit: () => {}, fetch });
  const policy = policies.find(({ name }) => name === "authentication")!;
  const fields = parseFields(encode(`Authentication-Results: ${config.hostname}; dmarc=pass\r\n`));
  for (const [client, believed] of [["192.0.2.7", true], ["198.51.100.7", false]] as const) {
    const session = { client, role: "mx", identity: null };
    const view = { session, fields, hasResults: true } as unknown as MessageView;
    assertEquals(policy.message!(view) === undefined, believed, client);
  }
});

Deno.test("what the section refuses, it names", () => {
  assertStringIncludes(
    faults({ dmarc: { reject: "maybe" } }),
    "dmarc.reject: wanted accept, junk or reject",
  );
  assertStringIncludes(faults({ sealers: ["*"] }), "to believe all is to believe forgers");
  assertStringIncludes(faults({ borders: ["::/0"] }), "this one would let anybody write them");
  assertStringIncludes(faults({ domains: { "a b": {} } }), "domains.a b: ");
  assertStringIncludes(
    faults({ domains: { "a.example": { dmarc: { p: "junk" } } } }),
    "domains.a.example.dmarc",
  );
});
