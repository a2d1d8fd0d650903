import { assertEquals } from "@std/assert";
import { clamavSchema } from "../../../src/config/policies/clamav.ts";
import type { ClamavOptions } from "../../../src/policy/clamav/clamav.ts";

Deno.test("clamavSchema reads the options of the policy, defaults filled in", () => {
  const { kind, maxSize, ...read } = clamavSchema.parse({
    kind: "clamav",
    address: "unix:/run/clamav/clamd.ctl",
    timeout: "30s",
    maxSize: "25M",
  });
  const options: ClamavOptions = read;
  assertEquals([kind, maxSize], ["clamav", 25 * 1024 * 1024]);
  assertEquals(options, {
    address: { transport: "unix", path: "/run/clamav/clamd.ctl" },
    timeout: 30_000,
    connections: 10,
    onInfected: "reject",
    onTrouble: "defer",
    onTooLarge: "accept",
  });
});

Deno.test("clamavSchema refuses what cannot be meant", () => {
  const good = { kind: "clamav", address: "127.0.0.1:3310" };
  assertEquals(clamavSchema.safeParse(good).success, true);
  const wrong = [
    { address: "127.0.0.1:0" },
    { address: "clamd" },
    { timeout: "0s" },
    { connections: 0 },
    { onTrouble: "reject" },
    { onInfected: "accept" },
    { socket: "/run/clamd.ctl" },
  ];
  for (const change of wrong) {
    assertEquals(clamavSchema.safeParse({ ...good, ...change }).success, false);
  }
});
