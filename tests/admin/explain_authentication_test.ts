import { assertEquals, assertMatch } from "@std/assert";
import { explainAuthentication } from "../../src/admin/explain_authentication.ts";
import {
  AuthenticationRuleBook,
  type AuthenticationRules,
} from "../../src/policy/mailauth/authentication_rules.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";

async function explain(
  client: string,
  policy: string,
  rules: Partial<AuthenticationRules> = {},
  failure?: string,
) {
  const { resolver, clock } = memoryRuntime();
  if (failure !== undefined) resolver.failures.set(failure, "servfail");
  resolver.set("author.example", { txt: ["v=spf1 ip4:192.0.2.7 -all"] });
  if (policy !== "") resolver.set("_dmarc.author.example", { txt: [`v=DMARC1; p=${policy}`] });
  const sender = { local: "ann", domain: "author.example" };
  const question = { client, sender, receiver: "mx.example.test" };
  const steps = explainAuthentication(question, {
    ...{ resolver, clock, book: new AuthenticationRuleBook(rules) },
  });
  return (await clock.runUntil(steps)).map(({ step, outcome, verdict, because }) =>
    `${step} ${outcome}: ${verdict}; ${because}`
  );
}

Deno.test("explainAuthentication() tells of a client that SPF knows", async () => {
  assertEquals(await explain("192.0.2.7", "reject"), [
    "spf good: pass (ip4:192.0.2.7); so the SPF record of the domain says",
    "dmarc good: pass, by SPF (p=reject at _dmarc.author.example); " +
    "a mail whose From names this domain is authenticated",
  ]);
});

Deno.test("explainAuthentication() tells of one that it does not know, and what follows", async () => {
  const [spf, dmarc] = await explain("198.51.100.7", "reject");
  assertMatch(spf!, /^spf told: fail \(-all\); .*: it is taken all the same /);
  assertMatch(dmarc!, /^dmarc bad: fail, unless it is signed .*p=reject.*; .*it is refused /);
  const [, junk] = await explain("198.51.100.7", "quarantine");
  assertMatch(junk!, /^dmarc later: fail.*; .*it is taken into Junk /);
  const [strict] = await explain("198.51.100.7", "none", { spfFail: "reject" });
  assertMatch(strict!, /^spf bad: fail.*it is refused \(authentication\.spf\.fail\)$/);
  const [, none] = await explain("198.51.100.7", "");
  assertMatch(none!, /^dmarc told: none; there is no DMARC record/);
});

Deno.test("explainAuthentication() tells what follows where DNS does not answer, as the server has it", async () => {
  const ofDmarc = async (...words: Parameters<typeof explain>) => (await explain(...words))[1]!;
  const client = "198.51.100.7";
  // Without the policy nobody knows what it asks for.
  const unknown = "txt _dmarc.author.example";
  assertMatch(
    await ofDmarc(client, "", {}, unknown),
    /^dmarc told: temperror; .+: it is taken all the same \(authentication\.whenUnknown\)$/,
  );
  assertMatch(
    await ofDmarc(client, "", { whenUnknown: "defer" }, unknown),
    /^dmarc later: temperror; .+: it is put off \(451\) \(authentication\.whenUnknown\)$/,
  );
  // With it, SPF could still say that it is the author's mail.
  const silent = "txt author.example";
  assertMatch(
    await ofDmarc(client, "reject", {}, silent),
    /^dmarc later: temperror \(p=reject at .*\); .+: it is put off \(451\) \(authentication\.dmarc\)$/,
  );
  assertMatch(await ofDmarc(client, "none", {}, silent), /^dmarc told: temperror .+ all the same /);
});

Deno.test("explainAuthentication() has nothing to say of an address literal", async () => {
  const { resolver, clock } = memoryRuntime();
  const sender = { local: "ann", domain: "[192.0.2.1]" };
  const book = new AuthenticationRuleBook();
  const question = { client: "192.0.2.7", sender, receiver: "mx.example.test" };
  assertEquals(await explainAuthentication(question, { resolver, clock, book }), []);
});
