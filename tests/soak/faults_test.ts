import { assertEquals } from "@std/assert";
import { faults } from "./faults.ts";
import type { SoakReport } from "./soak.ts";

const MIB = 2 ** 20;
const GOOD: SoakReport = {
  seconds: 1800,
  acknowledged: 100_000,
  deliveries: 200_000,
  deferredAtDot: 10,
  sessionsBroken: 10,
  reloads: 180,
  disksFilled: 60,
  storms: 60,
  lost: [],
  repeated: 0,
  memory: { before: 100 * MIB, after: 105 * MIB, highest: 130 * MIB },
  handles: { before: 30, after: 32 },
  exitCode: 0,
  alarms: [],
  events: {},
};

Deno.test("faults() finds nothing wrong with a good soak", () => {
  assertEquals(faults(GOOD), []);
});

for (
  const [name, bad] of Object.entries<Partial<SoakReport>>({
    "a lost mail": { lost: ["7 alice@example.test"] },
    "a repeated mail": { repeated: 1 },
    "memory that grows": { memory: { before: 100 * MIB, after: 120 * MIB, highest: 120 * MIB } },
    "handles left open": { handles: { before: 30, after: 60 } },
    "a bad end": { exitCode: 1 },
    "an alarm": { alarms: ['{"type":"internal.error"}'] },
    "hardly any mail": { acknowledged: 100 },
  })
) {
  Deno.test(`faults() finds ${name}`, () => assertEquals(faults({ ...GOOD, ...bad }).length, 1));
}
