/**
 * A whole mail network in memory, a few seeds of it; `deno task simulate` runs more.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { checkMail } from "./network/invariants.ts";
import type { Sending } from "./network/ledger.ts";
import { drawMail, type Found, identify } from "./network/mail.ts";
import { runSeed } from "./network/run.ts";
import { Tally } from "./network/tally.ts";
import { MemoryRandom } from "../../src/runtime/memory_random.ts";

const MAIN = new URL("network/main.ts", import.meta.url).pathname;

/** Runs `deno task simulate` as it is in deno.json. */
async function simulate(...args: string[]) {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-check", "--allow-read=.", "--allow-env", MAIN, ...args],
    stdout: "piped",
    stderr: "piped",
  });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("whatever is done to a network of stations, no mail is lost, and none goes astray", async () => {
  const tally = new Tally();
  for (let seed = 1; seed <= 60; seed++) {
    const outcome = await runSeed(seed);
    const again = `deno task simulate --seed ${seed} --trace`;
    assertEquals(outcome.problems, [], `seed ${seed}; again: ${again}`);
    tally.add(outcome);
  }
  // The seeds do what they are for.
  assert(tally.acknowledged > 200 && tally.copies > 300 && tally.reports > 50);
  assert(tally.time > 10 * 86_400_000);
  for (const kind of [/^crash/, /fails$/, /^link/, /^connection/, /^server/, /^clock/, /^full/]) {
    assert(tally.count(kind) > 5, `${kind}: ${tally.count(kind)}`);
  }
});

Deno.test("the same seed is the same run, octet for octet, in this process and in another", async () => {
  const first = await Promise.all([1, 2, 3, 4].map((seed) => runSeed(seed, { trace: true })));
  for (const { seed, lines } of first) {
    assert(lines.length > 500);
    assertEquals((await runSeed(seed, { trace: true })).lines, lines);
  }
  const { code, stdout } = await simulate("--seed", "3", "--trace");
  assertEquals(code, 0);
  assert(stdout.startsWith(`${first[2]!.lines.join("\n")}\n`), "another process runs it otherwise");
});

Deno.test("simulate tells what it did, in one line, and of wrong options", async () => {
  const { code, stdout } = await simulate("--from", "7", "--seeds", "24", "--jobs", "2");
  assertEquals(code, 0);
  assertMatch(
    stdout,
    /^24 seeds, 0 failed; \d+ virtual days in .* crashes survived; faults: .*\n$/,
  );
  const wrong = await simulate("--seeds", "many");
  assertEquals([wrong.code, wrong.stdout], [2, ""]);
  assertStringIncludes(wrong.stderr, "--seeds");
  assertStringIncludes((await simulate("--help")).stdout, "--trace");
});

/** A mail from Alice's station to others, and what was said of it. */
function sending(fate: Sending["fate"], ...addresses: string[]): Sending {
  const taken = addresses.map((address) => ({ address, notify: null }));
  return { id: "1.1", sender: "u1@a.test", offered: taken, taken, fate };
}

const copy: Found = { kind: "copy", id: "1.1", hops: 1 };
const notice: Found = { kind: "report", id: "1.1", failed: true, text: "" };

Deno.test("checkMail() sees each way in which mail can be wrong", () => {
  const problems = (one: Sending, boxes: Record<string, Found[]>, troubles = 0) =>
    checkMail([one], new Map(Object.entries(boxes)), troubles).problems.length;
  const acknowledged = sending("acknowledged", "u1@b.test");
  assertEquals(problems(acknowledged, { "u1@b.test": [copy] }), 0);
  assertEquals(problems(acknowledged, { "u1@b.test": [] }), 1);
  assertEquals(problems(acknowledged, { "u1@b.test": [copy, copy] }), 1);
  assertEquals(problems(acknowledged, { "u1@b.test": [copy, copy] }, 1), 0);
  assertEquals(problems(acknowledged, { "u1@b.test": [copy], "u2@b.test": [copy] }), 1);
  assertEquals(problems(acknowledged, { "u1@b.test": [{ ...copy, flaw: "half" }] }), 1);
  assertEquals(problems(acknowledged, { "u1@b.test": [{ ...copy, hops: 102 }] }), 1);
  assertEquals(problems(acknowledged, { "u1@b.test": [copy], "u1@a.test": [notice] }), 1);
  assertEquals(problems(sending("refused", "u1@b.test"), { "u1@b.test": [copy] }), 1);
  assertEquals(problems(sending("unsent", "u1@b.test"), { "u1@b.test": [copy] }), 1);
  assertEquals(problems(sending("unknown", "u1@b.test"), { "u1@b.test": [copy] }), 0);
  const lost = sending("acknowledged", "lost@a.test");
  assertEquals(problems(lost, { "u1@a.test": [notice] }), 0);
  assertEquals(problems(lost, { "u1@a.test": [] }), 1);
  assertEquals(problems(lost, { "u1@a.test": [notice], "u1@c.test": [notice] }), 1);
  assertEquals(problems(lost, { "u1@a.test": [notice, { kind: "garbage", text: "" }] }), 1);
});

Deno.test("identify() sees every octet of a mail that is not as it was sent", () => {
  const random = new MemoryRandom(1);
  for (let number = 1; number < 20; number++) {
    const { octets } = drawMail(random, `${number}.1`, number % 2 === 0);
    assertEquals(identify(octets), { kind: "copy", id: `${number}.1`, hops: 0 });
    const lf = octets.filter((octet) => octet !== 0x0d);
    assertEquals(identify(lf), { kind: "copy", id: `${number}.1`, hops: 0 });
    const changed = octets.slice();
    changed[changed.length - 3]! ^= 1;
    const flaws = [changed, octets.subarray(0, -2), octets.subarray(0, octets.length >> 1)];
    for (const other of flaws) {
      const found = identify(other);
      assert(found.kind !== "copy" || found.flaw !== undefined, `${number}`);
    }
  }
});
