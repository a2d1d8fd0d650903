import { assertEquals } from "@std/assert";
import { loadConfig } from "../../../src/config/load.ts";
import { buildPolicies, policyPlan } from "../../../src/config/policies/build.ts";
import type { ConfigInput } from "../../../src/config/schema.ts";
import { MemoryLedger } from "../../../src/policy/ledger/memory_ledger.ts";
import { SigningKeys } from "../../../src/policy/mailauth/signing_keys.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";

/** The names of the policies that a configuration makes. */
async function policiesOf(written: Partial<ConfigInput>, withKeys = true): Promise<string[]> {
  const listeners = [{ role: "mx", address: "127.0.0.1:25" }];
  const text = JSON.stringify({ hostname: "mx.example.org", listeners, ...written });
  const { config } = await loadConfig("yizhan.yaml", {
    readFile: () => Promise.resolve({ octets: new TextEncoder().encode(text), mode: 0o600 }),
    environment: () => undefined,
    environmentNames: () => [],
    now: () => 0,
  });
  const runtime = memoryRuntime();
  const services = {
    ...runtime,
    ledger: new MemoryLedger(runtime.clock),
    emit: () => {},
    fetch,
    ...withKeys && { keys: await SigningKeys.open([]) },
  };
  return buildPolicies(policyPlan(config), services).map(({ name }) => name);
}

Deno.test("buildPolicies() seals last of all, behind what signs and what authenticates", async () => {
  const names = await policiesOf({ relay: { enabled: true } });
  assertEquals(names.slice(-3), ["authentication", "dkim-signing", "arc-sealing"]);
});

Deno.test("buildPolicies() seals where a filter may have looked at mail", async () => {
  const filters = [{ kind: "milter", address: "127.0.0.1:11332" } as const];
  const names = await policiesOf({ authentication: { enabled: false }, filters });
  assertEquals(names.slice(-3), ["milter", "dkim-signing", "arc-sealing"]);
});

Deno.test("buildPolicies() seals nothing where that is not wanted, or nobody looks at mail, or without keys", async () => {
  const seals = async (written: Partial<ConfigInput>, withKeys = true) =>
    (await policiesOf(written, withKeys)).includes("arc-sealing");
  assertEquals(await seals({ relay: { enabled: true } }), true);
  assertEquals(await seals({ relay: { enabled: true }, authentication: { seal: false } }), false);
  assertEquals(await seals({ authentication: { enabled: false } }), false);
  assertEquals(await seals({ relay: { enabled: true } }, false), false);
});
