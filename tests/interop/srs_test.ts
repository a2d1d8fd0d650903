/**
 * Rewritten senders beside Mail::SRS: what one makes the other must make too, and restore, and refuse
 * when it is too old or another's.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { formatAddress, parseAddress } from "../../src/address.ts";
import { restoreSender, rewriteSender } from "../../src/routing/srs.ts";
import { assertEnded, interopTest, run } from "./support.ts";

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 22, 12);
const SECRETS = ["new secret", "old secret"];

type Task = { readonly forward: string; readonly domain: string } | { readonly reverse: string };

async function askPerl(
  tasks: readonly Task[],
  time = NOW,
  secrets: readonly string[] = SECRETS,
): Promise<(string | null)[]> {
  const program = new URL("./peers/srs.pl", import.meta.url).pathname;
  const input = JSON.stringify({ secrets, time: time / 1000, tasks });
  const ran = await run("perl", [program], { input });
  assertEnded(ran);
  return JSON.parse(new TextDecoder().decode(ran.stdout));
}

function rewrite(sender: string, domain: string, time = NOW, secret = SECRETS[0]!): string | null {
  const address = parseAddress(sender, { localLimit: 200 });
  const rewritten = rewriteSender(address, domain, secret, time);
  return rewritten && formatAddress(rewritten);
}

function restore(address: string, time = NOW): string | null {
  const restored = restoreSender(parseAddress(address)!, SECRETS, time);
  return restored && formatAddress(restored);
}

const SENDERS = [
  "alice@a.example",
  "Alice.B+tag@a.example",
  "a=b=c@a.example",
  "bounce-123=bob=b.example@list.example",
  "x@[192.0.2.1]",
  "alice@b.example",
  "SRS0=AAAA=TT=a.example=alice@x.example",
  "SRS0+AAAA=TT=a.example=alice@x.example",
  "srs0-AAAA=TT=a.example=alice@x.example",
  "SRS1=BBBB=x.example==AAAA=TT=a.example=al@y.example",
  "SRS1+BBBB=x.example=+AAAA=TT=a.example=al@y.example",
];

interopTest(
  "rewriteSender() makes what Mail::SRS makes, and each restores it",
  ["perl"],
  async () => {
    const theirs = await askPerl(SENDERS.map((forward) => ({ forward, domain: "b.example" })));
    const ours = SENDERS.map((sender) => rewrite(sender, "b.example"));
    // Mail::SRS does not quote what needs it.
    assertEquals(ours.map((one) => one?.replaceAll('"', "") ?? null), theirs);
    const rewritten = SENDERS.flatMap((sender, index) => {
      const made = ours[index];
      return made && made !== sender && !made.startsWith('"') ? [{ sender, made }] : [];
    });
    assert(rewritten.length > 8);
    const restored = await askPerl(rewritten.map(({ made }) => ({ reverse: made })));
    rewritten.forEach(({ sender, made }, index) => {
      const back = restore(made);
      assertEquals(back, restored[index]);
      if (!/^SRS/i.test(sender)) assertEquals(back, sender);
    });
  },
);

interopTest(
  "SRS goes through three stations and back, two of them Mail::SRS",
  ["perl"],
  async () => {
    const forward = async (sender: string, domain: string) =>
      (await askPerl([{ forward: sender, domain }], NOW, [domain]))[0]!;
    const first = await forward("alice@a.example", "b.example");
    const second = rewrite(first, "c.example")!;
    const third = await forward(second, "d.example");
    assert(third.startsWith("SRS1="));
    // The way back leaves out the one in the middle.
    const [toFirst] = await askPerl([{ reverse: third }], NOW, ["d.example"]);
    assertEquals(toFirst, first);
    assertEquals(restore(second), first);
    assertEquals(await askPerl([{ reverse: first }], NOW, ["b.example"]), ["alice@a.example"]);
  },
);

interopTest(
  "restoreSender() takes what Mail::SRS takes, by age, secret and case",
  ["perl"],
  async () => {
    const made = rewrite("alice@a.example", "b.example")!;
    const candidates = [
      made,
      made.toLowerCase(),
      rewrite("alice@a.example", "b.example", NOW, SECRETS[1])!,
      rewrite("alice@a.example", "b.example", NOW, "another's")!,
      made.replace("alice", "alicf"),
      made.replace("a.example", "e.example"),
      made.replace("SRS0=", "SRS0=x"),
      "SRS0=@b.example",
      "SRS0=AAAA@b.example",
      "SRS1=AAAA=x.example@b.example",
    ];
    // Tomorrow's we take and Mail::SRS does not: a clock may have been set back since.
    assertEquals([-1, -2].map((days) => restore(made, NOW + days * DAY)), [
      "alice@a.example",
      null,
    ]);
    for (const days of [-2, 0, 1, 20, 21, 22, 500, 1022, 1024]) {
      const time = NOW + days * DAY;
      const theirs = await askPerl(candidates.map((reverse) => ({ reverse })), time);
      assertEquals(candidates.map((one) => restore(one, time)), theirs, `${days} days`);
      const valid = days === 0 || days === 1 || days === 20 || days === 21 || days === 1024;
      assertEquals(theirs[0], valid ? "alice@a.example" : null);
    }
  },
);
