import { assert, assertEquals } from "@std/assert";
import { StsPolicies } from "../../../src/delivery/sts/policies.ts";
import { type KeptPolicy, StsPolicyStore } from "../../../src/delivery/sts/policy_store.ts";
import { refreshPolicies } from "../../../src/delivery/sts/refresher.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { testAuthority } from "../../support/certificates.ts";
import { ok, WebHost } from "./web_host.ts";

const DAY = 86_400_000;

/** A host with policies, and other.test, whose policy lasts so many seconds. */
async function startWorld(maxAge: number) {
  const own = memoryRuntime();
  const { network, resolver, clock, files, random } = own;
  const store = new StsPolicyStore(files, random, "/data/mta-sts");
  const policies = new StsPolicies({ network, resolver, clock, store });
  resolver.set("_mta-sts.other.test", { txt: ["v=STSv1; id=1;"] });
  resolver.set("mta-sts.other.test", { a: ["192.0.2.80"] });
  const text = `version: STSv1\nmode: enforce\nmx: mx.other.test\nmax_age: ${maxAge}\n`;
  const web = await WebHost.start(own, "192.0.2.80", () => ok(text));
  return { resolver, clock, store, policies, web };
}

Deno.test("refreshPolicies() keeps the policy of a seldom domain in force, and leaves a forgotten one to its end", async () => {
  const { clock, store, policies, web } = await startWorld(259_200);
  const stop = new AbortController();
  const refreshing = refreshPolicies({
    ...{ clock, store, policies, signal: stop.signal },
    optionsOf: (domain) => domain === "other.test" ? { authorities: [testAuthority] } : null,
  });
  const options = { authorities: [testAuthority] };
  const begin = clock.now();
  await clock.runUntil(policies.find("other.test", options));
  const policy = { mode: "enforce", mx: ["mx.smart.test"], maxAge: 259_200 } as const;
  const smart: KeptPolicy = { id: "1", fetched: begin, used: begin, policy };
  await store.write("smart.test", smart);

  await clock.runUntil(clock.sleep(20 * DAY));
  const kept = await store.read("other.test");
  assert(kept !== null && clock.now() - kept.fetched < 1.5 * DAY, JSON.stringify(kept));
  assert(kept.used - begin < 1000);
  assert(web.requests.length >= 14 && web.requests.length <= 20, `${web.requests.length}`);
  assertEquals(await store.read("smart.test"), null); // its mail does not go by MTA-STS

  await clock.runUntil(clock.sleep(20 * DAY));
  assertEquals(await store.read("other.test"), null);
  stop.abort();
  await clock.runUntil(refreshing);
});

Deno.test("refreshPolicies() never lets a policy of one day end, as that of Gmail is", async () => {
  const { resolver, clock, store, policies, web } = await startWorld(86_400);
  const stop = new AbortController();
  const options = { authorities: [testAuthority] };
  const refreshing = refreshPolicies({
    ...{ clock, store, policies, signal: stop.signal, optionsOf: () => options },
  });
  await clock.runUntil(policies.find("other.test", options));
  await clock.runUntil(clock.sleep(10 * DAY));
  assert(web.requests.length >= 10 && web.requests.length <= 21, `${web.requests.length}`);
  // Now somebody keeps us from DNS.
  resolver.failures.set("_mta-sts.other.test", "timeout");
  const { kept } = await clock.runUntil(policies.find("other.test", options));
  assertEquals(kept?.policy.mode, "enforce");
  stop.abort();
  await clock.runUntil(refreshing);
});
