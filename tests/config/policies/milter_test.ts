import { assertEquals } from "@std/assert";
import { milterSchema } from "../../../src/config/policies/milter.ts";
import type { MilterOptions } from "../../../src/policy/milter/milter.ts";

Deno.test("milterSchema reads the options of the policy, defaults filled in", () => {
  const { kind, ...read } = milterSchema.parse({
    kind: "milter",
    address: "127.0.0.1:11332",
    timeouts: { connect: "5s" },
  });
  const options: Omit<MilterOptions, "hostname"> = read;
  assertEquals(kind, "milter");
  assertEquals(options, {
    address: { transport: "tcp", hostname: "127.0.0.1", port: 11332 },
    name: "milter",
    connections: 100,
    timeouts: { connect: 5000, command: 30_000, content: 300_000 },
    onTrouble: "defer",
  });
});

Deno.test("milterSchema refuses what cannot be meant", () => {
  const good = { kind: "milter", address: "unix:/run/opendkim.sock", roles: ["mx", "submit"] };
  assertEquals(milterSchema.safeParse(good).success, true);
  const wrong = [
    { address: "127.0.0.1:0" },
    { address: "inet:8891@localhost" },
    { name: "" },
    { name: "a\nb" },
    { roles: [] },
    { roles: ["catcher"] },
    { timeouts: { connect: "0s" } },
    { timeouts: { eom: "5s" } },
    { connections: 0 },
    { onTrouble: "tempfail" },
    { socket: "/run/opendkim.sock" },
  ];
  for (const change of wrong) {
    const read = milterSchema.safeParse({ ...good, ...change });
    assertEquals(read.success, false, JSON.stringify(change));
  }
});
