import { assertEquals } from "@std/assert";
import { policyPlan } from "../../../src/config/policies/build.ts";
import { stationOptions } from "../../../src/config/station.ts";
import { shareOf, sharePolicies } from "../../../src/cli/workers/shares.ts";
import { loadConfig } from "../../../src/config/load.ts";
import type { ConfigInput } from "../../../src/config/schema.ts";

/** The options of a configuration that is written as this. */
async function optionsOf(config: Partial<ConfigInput>) {
  return stationOptions(await loaded(config));
}

async function loaded(config: Partial<ConfigInput>) {
  const listeners = [{ role: "mx", address: "127.0.0.1:25" }];
  const text = JSON.stringify({ hostname: "mx.example.org", listeners, ...config });
  return await loadConfig("yizhan.yaml", {
    readFile: () => Promise.resolve({ octets: new TextEncoder().encode(text), mode: 0o600 }),
    environment: () => undefined,
    environmentNames: () => [],
    now: () => 0,
  });
}

Deno.test("shareOf() one is all of it", async () => {
  const options = await optionsOf({});
  assertEquals(shareOf(options, 1), options);
});

Deno.test("shareOf() several divides what is promised of the whole, and nothing else", async () => {
  const options = await optionsOf({
    limits: { connections: 1000, connectionsPerClient: 50, recipients: 500, messages: 70 },
    mail: { memory: "64M" },
    queue: { concurrency: 100 },
    relay: {
      routes: [
        { domains: ["a.test"], via: { kind: "smarthost", host: "relay.test", connections: 6 } },
        { domains: ["b.test"], via: { kind: "pipe", program: "/bin/true", processes: 2 } },
        {
          domains: ["c.test"],
          via: { kind: "hold", then: { kind: "lmtp", address: "127.0.0.1:24" } },
        },
      ],
    },
  });
  const share = shareOf(options, 4);
  const [listener] = share.listeners;
  assertEquals([listener?.connections, listener?.connectionsPerClient], [250, 25]);
  assertEquals(listener?.limits, options.listeners[0]?.limits);
  assertEquals(share.bodyMemory, 16 * 1024 * 1024);
  assertEquals(share.queue?.limits, { concurrency: 25 });
  assertEquals(share.queue?.retry, options.queue?.retry);
  assertEquals(
    share.routes?.map(({ domains, via }): unknown => [domains[0], { ...via }]),
    [
      ["a.test", { ...options.routes![0]!.via, connections: 2 }],
      ["b.test", { ...options.routes![1]!.via, processes: 1 }],
      ["c.test", {
        kind: "hold",
        then: {
          kind: "lmtp",
          address: { transport: "tcp", hostname: "127.0.0.1", port: 24 },
          connections: 3,
        },
      }],
      // What no route names goes the usual way, to 20 at once.
      ["*", { kind: "mx", connections: 5 }],
    ],
  );
});

Deno.test("shareOf() leaves everybody something", async () => {
  const share = shareOf(
    await optionsOf({
      limits: { connections: 3, connectionsPerClient: 1 },
      mail: { memory: "2M" },
      queue: { concurrency: 1 },
      relay: { routes: [{ domains: ["*"], via: { kind: "mx", connections: 1 } }] },
    }),
    64,
  );
  assertEquals(share.listeners[0]?.connections, 1);
  assertEquals(share.listeners[0]?.connectionsPerClient, 1);
  assertEquals(share.bodyMemory, 1024 * 1024);
  assertEquals(share.queue?.limits, { concurrency: 1 });
  assertEquals(share.routes?.length, 1);
});

Deno.test("sharePolicies() divides what each filter is asked at once, and leaves each station one", async () => {
  const { config } = await loaded({
    filters: [
      { kind: "milter", address: "127.0.0.1:11332" },
      { kind: "milter", address: "127.0.0.1:8891", connections: 2 },
      { kind: "clamav", address: "127.0.0.1:3310", connections: 12 },
      { kind: "http", url: "http://127.0.0.1:8025/", secret: "sixteen characters", concurrency: 6 },
    ],
  });
  const plan = policyPlan(config);
  const atOnce = (count: number) =>
    sharePolicies(plan, count).filters.map((filter) =>
      filter.kind === "http" ? filter.concurrency : filter.connections
    );
  assertEquals([atOnce(1), atOnce(4)], [[100, 2, 12, 6], [25, 1, 3, 2]]);
});
