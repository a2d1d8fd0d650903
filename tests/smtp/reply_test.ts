import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { decode } from "../../src/bytes.ts";
import { fixedReply, formatReply, reply } from "../../src/smtp/reply.ts";
import { ReplyQueue } from "../../src/smtp/reply_queue.ts";

Deno.test("reply() makes a line of every line of its text", () => {
  assertEquals(reply(250, "2.0.0", "a").lines, ["a"]);
  assertEquals(reply(250, "2.0.0", "").lines, [""]);
  assertEquals(reply(250, "2.0.0", "a\r\nb\nc\rd").lines, ["a", "b", "c", "d"]);
});

Deno.test("formatReply() lets no control character through and leaves what is none as it is", () => {
  assertEquals(decode(formatReply(reply(250, "2.0.0", "a\tb\0c\x7f"))), "250 2.0.0 a\tb?c?\r\n");
  assertEquals(decode(formatReply(reply(550, undefined, "é\ud800"))), "550 é\ufffd\r\n");
  assertEquals(decode(formatReply(reply(550, undefined, "a\u0085b\u2028c"))), "550 a?b?c\r\n");
  assertEquals(decode(formatReply({ code: 250, lines: [] })), "250 \r\n");
});

Deno.test("fixedReply() is written as any other reply, each time", () => {
  for (const text of ["OK", "two\nlines", "é"]) {
    const [fixed, usual] = [fixedReply(250, "2.1.0", text), reply(250, "2.1.0", text)];
    assertEquals(fixed, usual);
    for (const enhanced of [true, false, true, false]) {
      assertEquals(decode(formatReply(fixed, enhanced)), decode(formatReply(usual, enhanced)));
    }
  }
});

Deno.test("ReplyQueue.take() gives what was put, in order and once, and what it gave stays so", () => {
  const one = fc.record({ text: fc.string({ maxLength: 600 }), fixed: fc.boolean() });
  fc.assert(fc.property(fc.array(fc.array(one, { maxLength: 5 }), { maxLength: 8 }), (groups) => {
    const queue = new ReplyQueue(true);
    const taken = groups.map((group) => {
      const replies = group.map(({ text, fixed }) =>
        (fixed ? fixedReply : reply)(250, "2.0.0", text)
      );
      for (const given of replies) queue.put(given);
      const text = replies.map((given) => decode(formatReply(given))).join("");
      const { length } = queue;
      const octets = queue.take();
      assertEquals(octets.length, length);
      assertEquals(queue.length, 0);
      return { octets, text };
    });
    for (const { octets, text } of taken) assertEquals(decode(octets), text);
    assertEquals(queue.take().length, 0);
  }));
});
