import { assert, assertEquals } from "@std/assert";
import { concat, decode, encode } from "../../src/bytes.ts";
import { HeadCollector } from "../../src/message/head_collector.ts";

interface Split {
  head: string;
  body: string;
  state: string;
}

/** Gives a message in pieces of `size` octets, each in a buffer overwritten afterwards. */
function split(message: string, size: number, limit?: number): Split {
  const collector = new HeadCollector(limit);
  const octets = encode(message);
  const body: Uint8Array[] = [];
  for (let at = 0; at < octets.length; at += size) {
    const piece = octets.slice(at, at + size);
    body.push(collector.write(piece)?.slice() ?? new Uint8Array());
    piece.fill(0xaa);
  }
  body.push(collector.end());
  return {
    head: decode(collector.head),
    body: decode(concat(body)),
    state: collector.state,
  };
}

Deno.test("HeadCollector ends the head where RFC 5322 §2.1 does, however the message is cut", () => {
  const cases: [string, string, string][] = [
    // message, head, body
    ["A: 1\r\nB: 2\r\n\r\nbody\r\n", "A: 1\r\nB: 2\r\n", "body\r\n"],
    ["A: 1\r\n folded\r\n\tmore\r\n\r\n\r\nbody", "A: 1\r\n folded\r\n\tmore\r\n", "\r\nbody"],
    ["A: 1\r\n \r\nB: 2\r\n\r\nx", "A: 1\r\n \r\nB: 2\r\n", "x"], // white space is no empty line
    ["A :1\r\n\r\n", "A :1\r\n", ""], // RFC 5322 §4.5
    ["\r\nbody\r\n", "", "body\r\n"],
    ["\r\n", "", ""],
    ["", "", ""],
    // no empty line: the body starts where a field cannot be
    ["Hello world\r\n", "", "Hello world\r\n"],
    ["Hello\r\n", "", "Hello\r\n"],
    ["A: 1\r\nHello world\r\nB: 2\r\n", "A: 1\r\n", "Hello world\r\nB: 2\r\n"],
    ["A: 1\r\n: x\r\n\r\n", "A: 1\r\n", ": x\r\n\r\n"],
    ["A: 1\r\nB\u00fc: x\r\n", "A: 1\r\n", "B\u00fc: x\r\n"],
    [" folded: at the start\r\n", "", " folded: at the start\r\n"],
    ["From joe@a.example Tue\r\nA: 1\r\n\r\n", "", "From joe@a.example Tue\r\nA: 1\r\n\r\n"],
    ["A: 1\r\nFrom joe Tue\r\n\r\nx", "A: 1\r\n", "From joe Tue\r\n\r\nx"],
    ["A: 1\r\n\rx", "A: 1\r\n", "\rx"],
    // the message ends within the head
    ["A: 1\r\n", "A: 1\r\n", ""],
    ["A: 1\r\nB: 2", "A: 1\r\nB: 2\r\n", ""],
    ["A: 1\r\nB", "A: 1\r\n", "B"],
    ["A: 1\r\nB ", "A: 1\r\n", "B "],
    ["A: 1\r\n\r", "A: 1\r\n", "\r"],
    // only CRLF ends a line
    ["A: 1\nB: 2\rC\r\n\r\nx", "A: 1\nB: 2\rC\r\n", "x"],
    ["A: 1\r\n\nB: 2\r\n\r\nx", "A: 1\r\n", "\nB: 2\r\n\r\nx"],
  ];
  for (const [message, head, body] of cases) {
    const wanted = { head, body, state: "complete" };
    for (let size = 1; size <= message.length + 1; size++) {
      assertEquals(split(message, size), wanted, `${JSON.stringify(message)} in ${size}s`);
    }
  }
});

Deno.test("HeadCollector gives the body as a view of the chunk", () => {
  const collector = new HeadCollector();
  const chunk = encode("A: 1\r\n\r\nbody");
  const body = collector.write(chunk);
  assert(body !== null && body.buffer === chunk.buffer);
  assertEquals(body.byteOffset - chunk.byteOffset, 8);
  assertEquals(collector.write(chunk), chunk);
  assertEquals(collector.state, "complete");
});

Deno.test("HeadCollector tells that the head goes on or that the body is empty so far", () => {
  const collector = new HeadCollector();
  assertEquals(collector.write(encode("A: 1\r\n")), null);
  assertEquals(collector.state, "collecting");
  assertEquals(collector.head.length, 0);
  assertEquals(collector.write(encode("\r\n")), new Uint8Array());
  assertEquals(collector.state, "complete");
  assertEquals(collector.end(), new Uint8Array());
});

Deno.test("HeadCollector reports a head over the limit, in whatever pieces", () => {
  const fields = "X: 1234\r\n".repeat(10); // 90 octets
  for (const size of [1, 7, 1000]) {
    assertEquals(split(`${fields}\r\nbody`, size, 90), {
      head: fields,
      body: "body",
      state: "complete",
    });
    const wanted = { head: "", body: "", state: "too-large" };
    assertEquals(split(`${fields}\r\nbody`, size, 89), wanted);
    assertEquals(split(`X: ${"y".repeat(100)}`, size, 90), wanted);
  }
});
