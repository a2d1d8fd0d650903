import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { decode, encode } from "../../src/bytes.ts";
import { StoredDraft } from "../../src/intake/body_draft.ts";
import type { Policy } from "../../src/policy/policy.ts";
import { BodyStore } from "../../src/queue/body_store.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import { MemoryStation } from "../support/memory_station.ts";

const KIB = 1024;

async function newStore(options: { memory?: number; openFiles?: number } = {}) {
  const { files, random } = memoryRuntime();
  const store = new BodyStore({ files, random, directory: "/incoming", ...options });
  await store.prepare();
  const troubles: unknown[] = [];
  const draft = () => new StoredDraft(store.create(), (error) => troubles.push(error));
  const names = async () =>
    (await Array.fromAsync(files.list("/incoming"))).map(({ name }) => name);
  return { files, store, troubles, draft, names };
}

Deno.test("attack: other bodies of many messages do not fill the memory", async () => {
  const { store, draft, names, troubles } = await newStore({ memory: 256 * KIB });
  const drafts = Array.from({ length: 50 }, draft);
  const chunk = new Uint8Array(64 * KIB).fill(0x78);
  for (let i = 0; i < 4; i++) for (const each of drafts) await each.write(chunk);
  assertLessOrEqual(store.memoryUsed, 256 * KIB);
  for (const each of drafts) assertEquals((await each.finish())!.size, 4 * 64 * KIB);
  await Promise.all(drafts.map((each) => each.dispose()));
  assertEquals([store.memoryUsed, await names(), troubles], [0, [], []]);
});

Deno.test("StoredDraft makes CRLF of what others could take for a line end, however it comes", async () => {
  const { draft } = await newStore();
  for (const step of [1, 2, 100]) {
    const body = draft();
    const text = encode("one\ntwo\r\nthree\r\rfour\r");
    for (let at = 0; at < text.length; at += step) {
      const piece = text.slice(at, at + step);
      await body.write(piece);
      piece.fill(0xff); // it keeps nothing of what it was given
    }
    const [whole] = (await body.finish())!.parts()!;
    assertEquals(decode(whole!), "one\r\ntwo\r\nthree\r\n\r\nfour\r\n");
  }
});

Deno.test("StoredDraft gives no body, and leaves nothing, where the disk is full", async () => {
  const { draft, files, troubles, names, store } = await newStore({ memory: 16 * KIB });
  files.fail({ operation: "write", code: "ENOSPC" });
  const body = draft();
  for (let i = 0; i < 3; i++) await body.write(new Uint8Array(20 * KIB));
  assertEquals(await body.finish(), null);
  assertEquals([troubles.length, await names(), store.memoryUsed], [1, [], 0]);
});

Deno.test("StoredDraft takes no more memory when its message is gone", async () => {
  const { draft, store, troubles } = await newStore();
  const body = draft();
  await body.write(new Uint8Array(KIB));
  await body.dispose();
  await body.write(new Uint8Array(KIB));
  assertEquals([await body.finish(), store.memoryUsed, troubles], [null, 0, []]);
});

Deno.test("StoredDraft is whole when it is finished, though nobody waited for what was written, and stays so", async () => {
  for (const memory of [64 * 1024 * KIB, 0]) {
    const { draft, store, names, troubles } = await newStore({ memory });
    const body = draft();
    body.write(encode("one\ntwo\n".repeat(10_000)));
    body.write(encode("three\r\n"));
    const finishing = body.finish();
    body.write(encode("four\r\n"));
    const whole = (await finishing)!;
    await body.write(encode("five\r\n"));
    const octets = await Array.fromAsync(whole.open(), (chunk) => decode(chunk));
    const text = `${"one\r\ntwo\r\n".repeat(10_000)}three\r\n`;
    assertEquals([octets.join("") === text, whole.size], [true, text.length]);
    await body.dispose();
    assertEquals([store.memoryUsed, await names(), troubles], [0, [], []]);
  }
});

Deno.test("a policy writes another body for a message, which the next one sees, and which goes with it", async () => {
  const large = `${"x".repeat(98)}\r\n`.repeat(30_000);
  let late: Promise<unknown> | undefined;
  let seen = "";
  const writer: Policy = {
    name: "writer",
    async message({ draftBody }) {
      const draft = draftBody();
      for (let at = 0; at < large.length; at += 70_000) {
        await draft.write(encode(large.slice(at, at + 70_000)));
      }
      const body = await draft.finish();
      late = Promise.resolve().then(() => draftBody);
      return { action: "annotate", changes: [{ change: "replace-body", body: body! }] };
    },
  };
  const reader: Policy = {
    name: "reader",
    async message(view) {
      for await (const chunk of view.openBody()) seen += decode(chunk);
      assertEquals(view.bodySize, large.length);
    },
  };
  await using station = await MemoryStation.start({
    policies: [writer, reader],
    temporary: "/incoming",
  });
  const peer = await station.greeted();
  await peer.mail({});
  assert(seen === large);
  const [mail] = await station.mailbox("alice");
  assert(mail!.endsWith(`\r\n\r\n${large}`));
  await peer.say("QUIT", 221);
  await station.runtime.clock.settle();
  const left = await Array.fromAsync(station.runtime.files.list("/incoming"));
  assertEquals(left, []);
  // Whoever comes too late has no room.
  const draftBody = await late as () => StoredDraft;
  assertEquals(await draftBody().finish(), null);
});

Deno.test("a policy that gives a draft in place of its body is told so, and no mail is lost", async () => {
  const slip: Policy = {
    name: "slip",
    message: ({ draftBody }) => ({
      action: "annotate",
      changes: [{ change: "replace-body", body: draftBody() as never }],
    }),
  };
  await using station = await MemoryStation.start({ policies: [slip] });
  await (await station.greeted()).mail({}, 451);
  assertEquals(station.of("policy.failed").map(({ error }) => error), [
    "TypeError: replace-body without octets",
  ]);
});
