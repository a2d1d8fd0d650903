import { assertEquals, assertRejects } from "@std/assert";
import { type SigningWork, SignQueue } from "../../../src/mailauth/dkim/sign_queue.ts";

/** Works that say where they are made, and end when they are told to. */
function makeWorks(here: (name: string) => Uint8Array | null) {
  const begun: string[] = [];
  const ends = new Map<string, PromiseWithResolvers<Uint8Array>>();
  const work = (name: string): SigningWork => ({
    beside() {
      begun.push(`${name} beside`);
      ends.set(name, Promise.withResolvers());
      return ends.get(name)!.promise;
    },
    here() {
      begun.push(`${name} here`);
      return here(name);
    },
  });
  return { begun, ends, work };
}

const SIGNATURE = new Uint8Array([1]);

Deno.test("SignQueue makes so many beside, and when one has come, the next beside and so many here", async () => {
  const { begun, ends, work } = makeWorks(() => SIGNATURE);
  const queue = new SignQueue(2, 2);
  const made = ["a", "b", "c", "d", "e", "f"].map((name) => queue.sign(work(name)));
  assertEquals(begun, ["a beside", "b beside"]);
  ends.get("b")!.resolve(SIGNATURE);
  await made[1];
  assertEquals(begun.slice(2), ["c beside", "d here", "e here"]);
  await Promise.all([made[3], made[4]]);
  ends.get("a")!.resolve(SIGNATURE);
  await made[0];
  assertEquals(begun.slice(5), ["f beside"]);
  ends.get("c")!.resolve(SIGNATURE);
  ends.get("f")!.resolve(SIGNATURE);
  assertEquals(await Promise.all(made), made.map(() => SIGNATURE));
});

Deno.test("SignQueue makes beside what cannot be made here", async () => {
  const { begun, ends, work } = makeWorks(() => null);
  const queue = new SignQueue(1, 1);
  const [first, , third] = ["a", "b", "c"].map((name) => queue.sign(work(name)));
  ends.get("a")!.resolve(SIGNATURE);
  await first;
  assertEquals(begun, ["a beside", "b beside", "c here", "c beside"]);
  ends.get("c")!.resolve(SIGNATURE);
  assertEquals(await third, SIGNATURE);
});

Deno.test("SignQueue goes on when work fails, and tells it to nobody else", async () => {
  const { ends, work } = makeWorks((name) => {
    throw new Error(name);
  });
  const queue = new SignQueue(1, 1);
  const [first, second, third] = ["a", "b", "c"].map((name) => queue.sign(work(name)));
  const failed = assertRejects(() => third!, Error, "c");
  ends.get("a")!.reject(new Error("broken"));
  await assertRejects(() => first!, Error, "broken");
  await failed;
  ends.get("b")!.resolve(SIGNATURE);
  assertEquals(await second, SIGNATURE);
});
