import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { concat, encode } from "../../../src/bytes.ts";
import { formatMacros } from "../../../src/policy/milter/macros.ts";
import { formatNegotiation, parseNegotiation } from "../../../src/policy/milter/negotiation.ts";
import { formatPacket, MilterPacketDecoder } from "../../../src/policy/milter/packet.ts";
import { parseMilterReply, parseReplyCode } from "../../../src/policy/milter/reply.ts";
import { longs, packet } from "./scripted_milter.ts";

const data = (text: string) => encode(text);

Deno.test("formatNegotiation() offers version 6 with all that mfdef.h has", () => {
  // Length 13, 'O', version 6, SMFIF_ up to SETSYMLIST, SMFIP_ up to HDR_LEADSPC.
  const wanted = "0000000d4f00000006000001ff001fffff";
  assertEquals(formatNegotiation().toHex(), wanted);
});

Deno.test("formatMacros() names the command and gives pairs", () => {
  assertEquals(
    formatMacros("M", [["i", "1"], ["{auth_type}", "PLAIN"]]),
    packet("D", "Mi\x001\x00{auth_type}\x00PLAIN\x00"),
  );
  assertEquals(formatMacros("H", []), packet("D", "H"));
});

Deno.test("formatPacket() lets no NUL into a string", () => {
  assertEquals(formatPacket("H", "a\0b"), packet("H", "a?b\0"));
});

Deno.test("MilterPacketDecoder gives packets, however their octets come (property)", () => {
  const packets = fc.array(fc.record({
    kind: fc.constantFrom("c", "y", "b"),
    data: fc.uint8Array({ maxLength: 300 }),
  }));
  fc.assert(
    fc.property(packets, fc.infiniteStream(fc.integer({ min: 1, max: 90 })), (all, cuts) => {
      const octets = concat(all.map(({ kind, data }) => packet(kind, data)));
      const decoder = new MilterPacketDecoder(301);
      const got: { kind: string; data: number[] }[] = [];
      for (let at = 0; at < octets.length;) {
        const end = at + cuts.next().value!;
        const piece = octets.slice(at, end);
        decoder.receive(piece);
        piece.fill(0xff); // it keeps nothing of what it was given
        at = end;
        for (let next; (next = decoder.next()) !== null;) {
          if (typeof next === "string") throw new Error(next);
          got.push({ kind: next.kind, data: [...next.data] });
        }
      }
      assertEquals(got, all.map(({ kind, data }) => ({ kind, data: [...data] })));
      assertEquals(decoder.pending, false);
    }),
  );
});

Deno.test("MilterPacketDecoder gives one kind in pieces, of any length, and the others whole (property)", () => {
  const some = { minLength: 1, maxLength: 100 };
  const packets = fc.array(fc.oneof(
    fc.record({ kind: fc.constant("c"), data: fc.uint8Array(some) }),
    fc.record({ kind: fc.constant("b"), data: fc.uint8Array({ ...some, maxLength: 3000 }) }),
  ));
  fc.assert(
    fc.property(packets, fc.infiniteStream(fc.integer({ min: 1, max: 400 })), (all, cuts) => {
      const octets = concat(all.map(({ kind, data }) => packet(kind, data)));
      const decoder = new MilterPacketDecoder(101, "b");
      let [got, longest] = ["", 0];
      for (let at = 0; at < octets.length;) {
        const end = at + cuts.next().value!;
        decoder.receive(octets.subarray(at, end));
        at = end;
        for (let next; (next = decoder.next()) !== null;) {
          if (typeof next === "string") throw new Error(next);
          longest = Math.max(longest, next.data.length);
          got += [...next.data].map((octet) => `${next.kind}${octet} `).join("");
        }
      }
      const wanted = all.map(({ kind, data }) => [...data].map((octet) => `${kind}${octet} `));
      assertEquals(got, wanted.flat().join(""));
      // What came at once, and what was held back of a packet that was not whole.
      assert(longest <= 400 + 101, `${longest}`);
      assertEquals(decoder.pending, false);
    }),
  );
});

Deno.test("MilterPacketDecoder refuses packets that are empty or too long, before they have come", () => {
  for (
    const [length, wanted] of [[0, "no length"], [101, "101"], [0xffffffff, "4294967295"]] as const
  ) {
    const decoder = new MilterPacketDecoder(100);
    decoder.receive(longs(length));
    const answer = decoder.next();
    assertEquals(typeof answer === "string" && answer.includes(wanted), true, `${answer}`);
    decoder.receive(data("more"));
    assertEquals(decoder.next(), answer);
  }
});

Deno.test("parseNegotiation() reads what filters want", () => {
  const macros = concat([longs(1), data("{tls_version} j,i\0"), longs(5), data("\0")]);
  const agreed = parseNegotiation({
    kind: "O",
    data: concat([longs(4, 0x11, 0xffffffff), macros]),
  });
  if (typeof agreed === "string") throw new Error(agreed);
  assertEquals(agreed.version, 4);
  assertEquals(agreed.steps, 0x1fffff); // nothing that was not offered
  assertEquals([...agreed.macros], [["hello", ["{tls_version}", "j", "i"]], ["endOfMessage", []]]);
});

Deno.test("parseNegotiation() refuses what is none", () => {
  const wrong = [
    { kind: "c", data: longs(6, 0, 0) },
    { kind: "O", data: longs(6, 0) },
    { kind: "O", data: longs(1, 0, 0) },
    { kind: "O", data: longs(7, 0, 0) },
    { kind: "O", data: concat([longs(6, 0, 0), data("\0\0")]) },
    { kind: "O", data: concat([longs(6, 0, 0, 1), data("j")]) },
    { kind: "O", data: concat([longs(6, 0, 0, 7), data("j\0")]) },
  ];
  for (const each of wrong) assertEquals(typeof parseNegotiation(each), "string");
});

Deno.test("parseMilterReply() reads every reply of mfdef.h", () => {
  const read = (kind: string, text = "") => parseMilterReply({ kind, data: data(text) });
  assertEquals(
    [..."cartdsp4f"].map((kind) => read(kind)?.reply).join(" "),
    "continue accept reject tempfail discard skip progress shutdown connection-failure",
  );
  assertEquals(read("h", "X-A\0one\n\ttwo\0"), {
    ...{ reply: "add-header", name: "X-A", value: "one\n\ttwo" },
  });
  assertEquals(read("i", "\0\0\0\x01X-A\0v\0"), {
    ...{ reply: "insert-header", index: 1, name: "X-A", value: "v" },
  });
  assertEquals(read("m", "\0\0\0\x02X-A\0\0"), {
    ...{ reply: "change-header", index: 2, name: "X-A", value: "" },
  });
  // The 0th is the first, as sendmail and Postfix have it.
  assertEquals(read("m", "\0\0\0\0X-A\0v\0"), {
    ...{ reply: "change-header", index: 1, name: "X-A", value: "v" },
  });
  const address = { local: "a", domain: "b.example" };
  assertEquals(read("+", "<a@b.example>\0"), { reply: "add-recipient", address });
  assertEquals(read("2", "<a@b.example>\0NOTIFY=NEVER\0"), { reply: "add-recipient", address });
  assertEquals(read("-", "a@b.example\0"), { reply: "delete-recipient", address });
  assertEquals(read("e", "<a@b.example>\0"), { reply: "change-sender", sender: address });
  assertEquals(read("e", "<>\0SIZE=1\0"), { reply: "change-sender", sender: null });
  assertEquals(read("b", "body"), { reply: "replace-body", octets: data("body") });
  assertEquals(read("q", "odd\r\n\0"), { reply: "quarantine", reason: "odd??" });
  assertEquals(read("y", "550 5.7.1 no\0"), {
    ...{ reply: "reply-code", value: { code: 550, enhanced: "5.7.1", lines: ["no"] } },
  });
});

Deno.test("parseMilterReply() refuses what is none", () => {
  const wrong = [
    ...["cx", "ax", "z", "y", "y\0", "y250 2.0.0 ok\0", "y550 5.7.1 no", "hX\0", "hX\0a", "h\0a\0"],
    ...[
      "hX Y\0a\0",
      "hX:\0a\0",
      "hX\r\nBcc\0a\0",
      "i\0\0\0\x01X\0",
      "i\0\0",
      "m\0\0\0\x01",
      "+<>\0",
    ],
    ...["+\0", "+a b@c\0", "-<a@b.example\0", "ea@\0", "+a@b.example", "q", "qx", "O\0"],
  ];
  for (const text of wrong) {
    const read = parseMilterReply({ kind: text[0]!, data: data(text.slice(1)) });
    assertEquals(read, null, JSON.stringify(text));
  }
});

Deno.test("parseMilterReply() never throws (property)", () => {
  const kinds = fc.constantFrom(..."cartdsp4fyhim+2-ebqOl");
  fc.assert(fc.property(kinds, fc.uint8Array(), (kind, data) => {
    parseMilterReply({ kind, data });
    parseNegotiation({ kind: "O", data });
  }));
});

Deno.test("parseReplyCode() reads refusals of several lines, doubled percent signs and bad codes", () => {
  assertEquals(parseReplyCode("554-5.7.1 spam: 100%% sure\r\n554 5.7.1 see http://a.example"), {
    code: 554,
    enhanced: "5.7.1",
    lines: ["spam: 100% sure", "see http://a.example"],
  });
  assertEquals(parseReplyCode("450 later"), { code: 450, enhanced: "4.7.1", lines: ["later"] });
  assertEquals(parseReplyCode("550"), { code: 550, enhanced: "5.7.1", lines: [""] });
  // An enhanced code of another class is none (RFC 2034 §4).
  assertEquals(parseReplyCode("450 5.7.1 later")?.enhanced, "4.7.1");
  assertEquals(parseReplyCode("550 \u00e4\x07"), { code: 550, enhanced: "5.7.1", lines: ["??"] });
  for (const wrong of ["", "250 ok", "5500 x", "550 a\r\n551 b", "550 a\r\nMAIL FROM:<>", "55"]) {
    assertEquals(parseReplyCode(wrong), null, wrong);
  }
});
