import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { parseAddress } from "../../src/address.ts";
import {
  checkSchedule,
  DEFAULT_SCHEDULE,
  retryDelay,
  type RetrySchedule,
  retrySchedules,
} from "../../src/queue/retry.ts";

const MINUTE = 60_000;
const to = (address: string) => ({ address: parseAddress(address, { smtputf8: true })! });

Deno.test("retryDelay() doubles from minutes to hours and stays there", () => {
  const minutes = Array.from(
    { length: 9 },
    (_, n) => retryDelay(DEFAULT_SCHEDULE, n + 1, () => 0.5) / MINUTE,
  );
  assertEquals(minutes, [6, 12, 24, 48, 96, 192, 240, 240, 240]);
});

Deno.test("retryDelay() is never under five minutes by default, whatever chance says", () => {
  assertEquals(retryDelay(DEFAULT_SCHEDULE, 1, () => 0), 5 * MINUTE);
  assert(retryDelay(DEFAULT_SCHEDULE, 1, () => 1 - 2 ** -53) <= 7 * MINUTE);
});

Deno.test("retryDelay() stays within its jitter, for any number of attempts", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 10_000 }),
    fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    fc.double({ min: 0, max: 0.99, noNaN: true }),
    (attempts, chance, jitter) => {
      const schedule = { ...DEFAULT_SCHEDULE, jitter };
      const plain = retryDelay({ ...schedule, jitter: 0 }, attempts, () => chance);
      const delay = retryDelay(schedule, attempts, () => chance);
      assert(delay >= plain * (1 - jitter) - 1 && delay <= plain * (1 + jitter) + 1);
      assert(Number.isInteger(delay) && delay > 0);
    },
  ));
});

Deno.test("the default schedule tries for five days, as RFC 5321 §4.5.4.1 wants, some 35 times", () => {
  let [time, attempts] = [0, 1];
  while ((time += retryDelay(DEFAULT_SCHEDULE, attempts, () => 0.5)) < DEFAULT_SCHEDULE.lifetime) {
    attempts++;
  }
  assertEquals(DEFAULT_SCHEDULE.lifetime, 5 * 24 * 60 * MINUTE);
  assert(attempts > 30 && attempts < 40, `${attempts}`);
});

Deno.test("retrySchedules() finds the domain itself, then the nearest above it, then what is usual", () => {
  const scheduleFor = retrySchedules({
    usual: { first: 10 * MINUTE },
    domains: {
      "example.org": { first: 1 * MINUTE },
      ".example.org": { first: 2 * MINUTE },
      ".deep.example.org": { first: 3 * MINUTE },
      "bücher.example": { lifetime: 1000 },
    },
  });
  const firsts = ["a@example.org", "a@x.example.org", "a@x.y.deep.example.org", "a@example.com"]
    .map((address) => scheduleFor(to(address)).first / MINUTE);
  assertEquals(firsts, [1, 2, 3, 10]);
  assertEquals(scheduleFor(to("a@deep.example.org")).first, 2 * MINUTE);
  assertEquals(scheduleFor(to("a@xn--bcher-kva.example")).lifetime, 1000);
  assertEquals(scheduleFor(to("a@bücher.example")).first, 10 * MINUTE);
  assertEquals(scheduleFor(to("a@[192.0.2.1]")).first, 10 * MINUTE);
});

const WRONG: readonly (readonly [keyof RetrySchedule, number])[] = [
  ["first", 999],
  ["first", Infinity],
  ["first", NaN],
  ["factor", 0.9],
  ["factor", NaN],
  ["longest", 1000],
  ["longest", Infinity],
  ["jitter", 1],
  ["jitter", -0.1],
  ["lifetime", 0],
  ["noticeLifetime", -1],
  ["delayNotice", 0],
];

for (const [name, value] of WRONG) {
  Deno.test(`checkSchedule() refuses ${name} of ${value}`, () => {
    assertThrows(
      () => checkSchedule({ ...DEFAULT_SCHEDULE, [name]: value }, "mine"),
      RangeError,
      `mine: ${name} must`,
    );
  });
}

Deno.test("retrySchedules() says of which domain a value is wrong", () => {
  const domains = { "example.org": { jitter: 2 } };
  assertThrows(
    () => retrySchedules({ domains }),
    RangeError,
    "the schedule of example.org: jitter",
  );
  assertEquals(
    retrySchedules({ usual: { delayNotice: null } })(to("a@b.example")).delayNotice,
    null,
  );
});
