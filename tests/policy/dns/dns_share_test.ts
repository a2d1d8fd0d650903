import { assertEquals, assertRejects } from "@std/assert";
import { shareOf } from "../../../src/policy/dns/dns_share.ts";
import type { DnsAnswer } from "../../../src/runtime/resolver.ts";

/** A resolver that answers when it is told to. */
class Slow {
  readonly asked: string[] = [];
  readonly #waiting: (() => void)[] = [];

  readonly txt = (name: string): Promise<DnsAnswer<string>> => {
    this.asked.push(name);
    return new Promise((resolve) =>
      this.#waiting.push(() => resolve({ status: "found", records: [name] }))
    );
  };

  answer(): void {
    this.#waiting.shift()!();
  }
}

const none = () => Promise.resolve({ status: "none", reason: "nodata" } as const);
const rest = { a: none, aaaa: none, mx: none, ptr: none };

Deno.test("shareOf() asks so many questions at once, and the others in their turn", async () => {
  const slow = new Slow();
  const share = shareOf({ ...rest, txt: slow.txt }, 2);
  const answers = ["a", "b", "c"].map((name) => share.txt(name));
  assertEquals(slow.asked, ["a", "b"]);
  slow.answer();
  assertEquals(await answers[0], { status: "found", records: ["a"] });
  assertEquals(slow.asked, ["a", "b", "c"]);
  slow.answer();
  slow.answer();
  assertEquals((await Promise.all(answers)).map(({ status }) => status), [
    "found",
    "found",
    "found",
  ]);
  assertEquals(await share.mx("a"), { status: "none", reason: "nodata" });
});

Deno.test("shareOf() answers at once who gives up before his turn, and never asks for him", async () => {
  const slow = new Slow();
  const share = shareOf({ ...rest, txt: slow.txt }, 1);
  const first = share.txt("a", new AbortController().signal);
  const stop = new AbortController();
  const second = share.txt("b", stop.signal);
  const third = share.txt("c");
  stop.abort(null);
  assertEquals(await second, { status: "failed", reason: "no answer in time" });
  assertEquals((await share.txt("d", stop.signal)).status, "failed");
  slow.answer();
  assertEquals((await first).status, "found");
  await Promise.resolve();
  slow.answer();
  assertEquals((await third).status, "found");
  assertEquals(slow.asked, ["a", "c"]);
});

Deno.test("shareOf() has room again for others when a question throws", async () => {
  const share = shareOf({ ...rest, txt: () => Promise.reject(new Error("broken")) }, 1);
  await assertRejects(() => share.txt("a"), Error, "broken");
  await assertRejects(() => share.txt("a", new AbortController().signal), Error, "broken");
});
