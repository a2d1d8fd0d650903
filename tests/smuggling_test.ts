/**
 * SMTP smuggling, inbound: whatever stands around a dot, only CRLF "." CRLF ends a message, and nothing that
 * follows within the message is a command. All texts of up to six of the octets it takes are tried, in
 * each place where they could do harm, by DATA and by BDAT, in both modes of newlines.
 *
 * The texts that go out by our client are in `smuggling_out_test.ts`; what real servers make of them,
 * and we of theirs, in `interop/smuggling_test.ts`.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { MemoryStation } from "./support/memory_station.ts";
import {
  dataEnds,
  FALSE_ENDS,
  hasBareNewline,
  mended,
  play,
  SMUGGLED,
  unstuffed,
  variants,
} from "./support/smuggling.ts";
import { octets } from "./support/feed.ts";

const ENVELOPE = "EHLO c.example\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\n";

/** Where in a message the text stands, after so many octets of something else. */
const PLACES: Readonly<Record<string, (padding: string) => string>> = {
  "as the first line": () => "",
  "within the header section": (padding) => `Subject: ${padding}`,
  "within the body": (padding) => `Subject: x\r\n\r\n${padding}`,
};

/** Texts move over the blocks of sixteen octets in which DATA is looked through. */
const paddingOf = (index: number) => "p".repeat(1 + index % 37);

for (const [where, place] of Object.entries(PLACES)) {
  for (const newlines of ["strict", "normalize"] as const) {
    Deno.test(`smuggling: DATA, ${newlines}, ${where}: one message, whatever stands around a dot`, () => {
      let index = 0;
      for (const text of variants(where === "within the body" ? 6 : 5)) {
        const body = place(paddingOf(index)) + text + SMUGGLED;
        const wire = octets(`${ENVELOPE}DATA\r\n${body}\r\n.\r\nNOOP\r\n`);
        // Whole, or octet by octet: then the end comes in five segments.
        const played = play(wire, { newlines, size: index % 5 === 0 ? 1 : Infinity });
        index++;
        const what = JSON.stringify(text);
        const own = dataEnds(body);
        if (own >= 0) { // the true end, sent in the open: what follows it are commands
          const first = unstuffed(body.slice(0, own));
          const refused = newlines === "strict" && hasBareNewline(first);
          assertEquals(played.messages[0] === mended(first), !refused, what);
          continue;
        }
        assertEquals(played.senders, ["a@a.example"], what);
        const refused = newlines === "strict" && hasBareNewline(body);
        const whole = unstuffed(`${body}\r\n`);
        assertEquals(played.messages, refused ? [] : [mended(whole)], what);
        assertEquals(played.lastCodes, [refused ? 550 : 250, 250], what);
      }
      assert(index > 3000);
    });

    Deno.test(`smuggling: BDAT, ${newlines}, ${where}: a chunk is so many octets, whatever they are`, () => {
      let index = 0;
      for (const text of variants(5)) {
        const body = place(paddingOf(index)) + text + SMUGGLED;
        // One chunk, or two that part within the text: its end opens the second.
        const first = index % 2 === 0 ? 0 : body.length - SMUGGLED.length - index % text.length;
        const chunks = first === 0
          ? `BDAT ${body.length} LAST\r\n${body}`
          : `BDAT ${first}\r\n${body.slice(0, first)}BDAT ${body.length - first} LAST\r\n${
            body.slice(first)
          }`;
        const wire = octets(`${ENVELOPE}${chunks}NOOP\r\n`);
        const played = play(wire, { newlines, size: index % 7 === 0 ? 1 : Infinity });
        index++;
        const what = JSON.stringify(text);
        assertEquals(played.senders, ["a@a.example"], what);
        const refused = newlines === "strict" && hasBareNewline(body);
        assertEquals(played.messages, refused ? [] : [mended(body)], what);
        // Where the first chunk was refused, there is no transaction for the second (RFC 3030 §2).
        const early = refused && first > 0 && played.lastCodes[0] === 503;
        assertEquals(played.lastCodes, [early ? 503 : refused ? 550 : 250, 250], what);
      }
    });
  }
}

Deno.test("smuggling: BDAT with BINARYMIME keeps every octet, and is one message", () => {
  for (const text of variants(4)) {
    const body = text + SMUGGLED;
    const wire = octets(
      "EHLO c.example\r\nMAIL FROM:<a@a.example> BODY=BINARYMIME\r\nRCPT TO:<b@b.example>\r\n" +
        `BDAT ${body.length} LAST\r\n${body}NOOP\r\n`,
    );
    const played = play(wire, { newlines: "strict", extensions: { binaryMime: true } });
    assertEquals(played.senders, ["a@a.example"]);
    assertEquals(played.messages, [body]);
    assertEquals(played.lastCodes, [250, 250]);
  }
});

Deno.test("smuggling: what follows a BDAT is no command, whether it may come, can be read, or not", () => {
  const chunk = `${SMUGGLED}\r\n.\r\n`;
  const size = chunk.length;
  const readable = [`BDAT ${size} LAST`, `BDAT ${size}`, `bdat 000${size}  last `];
  const unreadable = [
    ...[`BDAT +${size} LAST`, `BDAT -1 LAST`, `BDAT 0x40 LAST`, `BDAT ${size}.0 LAST`, "BDAT LAST"],
    ...[`BDAT ${size}LAST`, `BDAT ${size} LAST x`, `BDAT ${size} \x00LAST`, "BDAT", "BDAT "],
    ...["BDAT 99999999999999999999 LAST", "BDAT 9007199254740993 LAST", `BDAT  ${size}`],
    ...[
      `BDAT\t${size} LAST`,
      `BDAT\x00 ${size} LAST`,
      `BDAT=${size}`,
      ` BDAT ${size}`,
      `\0BDAT ${size}`,
    ],
    ...[`BDAT \xff${size}`, `BDAT\xff ${size}`],
  ];
  for (const hello of ["EHLO c.example", "HELO c.example", "NOOP"]) {
    for (const chunking of [true, false]) {
      const settings = { newlines: "strict", extensions: { chunking } } as const;
      for (const head of [...readable, ...unreadable]) {
        const wire = octets(`${hello}\r\n${head}\r\n${chunk}NOOP\r\n`);
        const { senders, messages, lastCodes } = play(wire, settings);
        const what = `${hello}, ${head}`;
        assertEquals([senders, messages], [[], []], what);
        // Who cannot know how long the chunk is hangs up.
        const after = unreadable.includes(head) ? 501 : 250;
        assertEquals(lastCodes.at(-1), after, what);
      }
    }
  }
});

Deno.test("smuggling: what follows a BDAT that is too long a line is no command", () => {
  const chunk = `${SMUGGLED}\r\n.\r\n`;
  for (const start of ["BDAT ", "bdat\t", " BDAT ", `BDAT ${chunk.length} LAST`]) {
    for (const length of [2047, 2048, 5000]) {
      const wire = octets(`EHLO c.example\r\n${start.padEnd(length)}\r\n${chunk}NOOP\r\n`);
      const { senders, messages, lastCodes } = play(wire, { newlines: "strict" });
      assertEquals([senders, messages, lastCodes.at(-1)], [[], [], 500], `${start}, ${length}`);
    }
  }
});

Deno.test("smuggling: the end of a message is found wherever a segment ends within it", () => {
  for (const newlines of ["strict", "normalize"] as const) {
    for (const stuffing of ["", ".", "..", "a\r\n.", "\r\n"]) {
      const body = `Subject: x\r\n\r\n${stuffing}`;
      const wire = octets(`${ENVELOPE}DATA\r\n${body}\r\n.\r\nNOOP\r\n`);
      const whole = play(wire, { newlines });
      const end = dataEnds(`${body}\r\n.\r\n`);
      assertEquals(whole.messages, [unstuffed(`${body}\r\n.\r\n`.slice(0, end))]);
      for (let at = 1; at < wire.length; at++) {
        assertEquals(play(wire, { newlines, splitAt: at }), whole, `split at ${at}`);
      }
    }
  }
});

Deno.test("smuggling: what stands behind the true end is commands, and the next message is its own", () => {
  const second = "MAIL FROM:<c@c.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\ntwo\r\n.\r\n";
  for (const newlines of ["strict", "normalize"] as const) {
    const played = play(octets(`${ENVELOPE}DATA\r\none\r\n.\r\n${second}`), { newlines });
    assertEquals(played.senders, ["a@a.example", "c@c.example"]);
    assertEquals(played.messages, ["one\r\n", "two\r\n"]);
  }
});

Deno.test("smuggling: CR before the true end is part of the message, which ends there", () => {
  const wire = octets(`${ENVELOPE}DATA\r\none\r\r\n.\r\nNOOP\r\n`);
  assertEquals(play(wire, { newlines: "strict" }).lastCodes, [550, 250]);
  assertEquals(play(wire, { newlines: "normalize" }).messages, ["one\r\n\r\n"]);
});

for (const newlines of ["strict", "normalize"] as const) {
  Deno.test(`smuggling: a whole station, ${newlines}: no end but the true one brings a second mail`, async () => {
    await using station = await MemoryStation.start({ listener: { newlines } });
    for (const end of FALSE_ENDS) {
      const peer = await station.greeted();
      const evil = "MAIL FROM:<alice@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n" +
        "Subject: evil\r\n\r\nPay at once.\r\n.\r\n";
      await peer.begin();
      await peer.send(octets(`Subject: outer\r\n\r\ntext${end}${evil}`));
      const outcome = await peer.reply();
      const refused = newlines === "strict" && hasBareNewline(end);
      assertEquals(outcome?.slice(0, 3), refused ? "550" : "250", JSON.stringify(end));
      await peer.say("QUIT", 221);
      assertEquals(await peer.reply(), null);
    }
    assertEquals(await station.mailbox("bob"), []);
    const taken = await station.mailbox("alice");
    const expected = newlines === "normalize"
      ? FALSE_ENDS.length
      : FALSE_ENDS.filter((end) => !hasBareNewline(end)).length;
    assertEquals(taken.length, expected);
    for (const mail of taken) assert(mail.includes("\r\nSubject: outer\r\n"));
  });
}
