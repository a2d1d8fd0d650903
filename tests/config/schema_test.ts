import { assert, assertEquals } from "@std/assert";
import { configSchema } from "../../src/config/schema.ts";
import {
  choicesOf,
  definitionOf,
  describeSchema,
  listKeys,
  shapeOf,
  unwrap,
} from "../../src/config/schema_walk.ts";
import type { z } from "../../src/config/packages.ts";
import { stationOptions } from "../../src/config/station.ts";
import { retrySchedules } from "../../src/queue/retry.ts";
import { RouteTable, type ViaOptions } from "../../src/routing/route_table.ts";
import { settingsOf } from "../../src/server/roles.ts";
import { load } from "./machine.ts";

Deno.test("listeners of a configuration have what a listener without options has", async () => {
  for (const role of ["mx", "lmtp"] as const) {
    const loaded = await load(
      `hostname: a.example\nlisteners: [{ role: ${role}, address: "127.0.0.1:0" }]\n`,
    );
    const [listener] = stationOptions(loaded).listeners;
    assertEquals(settingsOf(role, "a.example", listener), settingsOf(role, "a.example"));
  }
});

Deno.test("routes of a configuration are those of a route without options", async (t) => {
  const ways: readonly ViaOptions[] = [
    { kind: "mx" },
    { kind: "smarthost", host: "smtp.example.net" },
    { kind: "smarthost", host: "smtp.example.net", implicitTls: true },
    { kind: "smarthost", host: "127.0.0.1", credentials: { user: "me", password: "hunter2" } },
    { kind: "pipe", program: "/bin/cat" },
    { kind: "hold" },
    { kind: "hold", then: { kind: "smarthost", host: "smtp.example.net" } },
  ];
  for (const via of ways) {
    await t.step(JSON.stringify(via), async () => {
      const { routes } = stationOptions(
        await load(JSON.stringify({
          hostname: "a.example",
          listeners: [{ role: "mx", address: "127.0.0.1:0" }],
          relay: { routes: [{ domains: ["b.example"], via }] },
        })),
      );
      const bare = new RouteTable([{ domains: ["b.example"], via }]).find("b.example");
      // No authorities are none, be it said or not.
      const clean = (route: unknown) =>
        JSON.parse(
          JSON.stringify(route),
          (key, value) => key === "authorities" || key === "allowUnverified" ? undefined : value,
        );
      assertEquals(clean(new RouteTable(routes).find("b.example")), clean(bare));
    });
  }
});

Deno.test("mail is tried as often as where nothing is said", async () => {
  const { queue } = stationOptions(
    await load('hostname: a.example\nlisteners: [{ role: mx, address: "127.0.0.1:0" }]\n'),
  );
  assert(queue !== undefined && "directory" in queue);
  const recipient = { address: { local: "a", domain: "b.example" } };
  assertEquals(retrySchedules(queue.retry)(recipient), retrySchedules()(recipient));
});

Deno.test("every key says what it means", () => {
  const silent: string[] = [];
  const look = (schema: z.core.$ZodType, path: string) => {
    if (path !== "" && describeSchema(schema) === "") silent.push(path);
    const { element, valueType } = definitionOf(unwrap(schema).schema);
    const inner = element ?? valueType;
    if (inner !== undefined && shapeOf(inner) !== null) lookInto(inner, `${path}[]`);
    else lookInto(schema, path);
  };
  const lookInto = (schema: z.core.$ZodType, path: string) => {
    for (const [key, below] of Object.entries(shapeOf(schema) ?? {})) look(below, `${path}.${key}`);
    for (const [kind, option] of choicesOf(schema)?.kinds ?? []) {
      lookInto(option, `${path}(${kind})`);
    }
  };
  lookInto(configSchema, "");
  assertEquals(silent, []);
  assert(listKeys(configSchema).length > 50);
});
