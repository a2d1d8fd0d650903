import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { concat } from "../../src/bytes.ts";
import { writeMessage } from "../../src/delivery/message_writer.ts";
import type { MessageSource } from "../../src/queue/local_delivery.ts";
import { sourceOf } from "./support.ts";

/** The pieces of a message, and whether each was the last; stops wanting them after `most`. */
async function piecesOf(source: MessageSource, most = Infinity) {
  const pieces: Uint8Array[] = [];
  const lasts: boolean[] = [];
  await writeMessage(source, {
    wanted: () => pieces.length < most,
    write: (bytes, last) => {
      pieces.push(bytes.slice());
      lasts.push(last);
      return Promise.resolve();
    },
  });
  return { pieces, lasts };
}

Deno.test("writeMessage() gives head, empty line and body in order, in pieces of 64 KiB at most", async () => {
  const sizes = fc.integer({ min: 0, max: 200_000 });
  await fc.assert(
    fc.asyncProperty(sizes, fc.integer({ min: 1, max: 50 }), async (size, pieces) => {
      const body = Uint8Array.from({ length: size }, (_, index) => (index * 31) & 0xff);
      const given = await piecesOf(sourceOf("Subject: hi\r\n", body, pieces));
      const whole = concat(given.pieces);
      assertEquals(whole.length, 15 + size);
      assertEquals(whole.subarray(15), body);
      assertEquals(given.lasts.indexOf(true), given.lasts.length - 1);
      assertEquals(given.pieces.filter(({ length }) => length > 65_536), []);
    }),
    { numRuns: 40 },
  );
});

Deno.test("writeMessage() cuts what comes in one chunk, since each write has its time", async () => {
  const { pieces } = await piecesOf(sourceOf("A: b\r\n", "x".repeat(200_000)));
  assertEquals(pieces.map(({ length }) => length), [8, 65_536, 65_536, 65_536, 3_392, 0]);
});

Deno.test("writeMessage() gives a small message whole", async () => {
  const { pieces, lasts } = await piecesOf(sourceOf("A: b\r\n", "x".repeat(60_000), 100));
  assertEquals([pieces.length, lasts], [1, [true]]);
});

Deno.test("writeMessage() throws, and gives no last piece, when the body is not as long as was said", async () => {
  for (const size of [10, 100_000]) {
    for (const difference of [-1, 1]) {
      const source = sourceOf("A: b\r\n", "x".repeat(size), 3);
      const lasts: boolean[] = [];
      await assertRejects(
        () =>
          writeMessage({ ...source, bodySize: size + difference }, {
            wanted: () => true,
            write: (_, last) => Promise.resolve(void lasts.push(last)),
          }),
        Error,
        "is not the",
      );
      assertEquals(lasts.includes(true), false);
    }
  }
});

Deno.test("writeMessage() reads no more once nothing is wanted", async () => {
  let read = 0;
  const source: MessageSource = {
    head: new Uint8Array(10),
    bodySize: 50 * 70_000,
    async *openBody() {
      for (; read < 50; read++) yield await Promise.resolve(new Uint8Array(70_000));
    },
  };
  await piecesOf(source, 3);
  assertEquals(read < 5, true);
});
