/**
 * The whole session under any octets: it never throws, it says and does the same however the octets are
 * split, it keeps no view into what it was given, and its memory is bounded.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { encode } from "../../src/bytes.ts";
import type { Role, RoleOverrides } from "../../src/server/roles.ts";
import { play } from "../support/played_session.ts";

/** Lines that get somewhere, with rubbish among them. */
const line = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      "EHLO client.example",
      "HELO client.example",
      "LHLO client.example",
      "MAIL FROM:<a@a.example>",
      "MAIL FROM:<> SIZE=100 BODY=8BITMIME",
      "MAIL FROM:<a@a.example> SIZE=99999999",
      "RCPT TO:<b@b.example>",
      "RCPT TO:<refuse@b.example>",
      "RCPT TO:<Postmaster>",
      "DATA",
      "BDAT 4\r\nabcd",
      "BDAT 6 LAST\r\nab\r\ncd",
      "BDAT 4 LAST\r\na\nbc",
      "BDAT 4 LAST\r\nabc\r",
      "BDAT 4\r\nab\r\r",
      "BDAT 3000",
      "BDAT nonsense",
      "RSET",
      "NOOP",
      "QUIT",
      "HELP",
      "VRFY a",
      "EXPN a",
      "STARTTLS",
      "AUTH PLAIN AGEAYg==",
      "AUTH PLAIN AHJlZnVzZQBi",
      "AUTH LOGIN",
      "YQ==",
      "*",
      "text of a message",
      ".",
      "..",
      ".stuffed",
      "",
      "GET / HTTP/1.1",
      "bare\nnewline",
      "bare\rreturn",
    ),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 40 }) },
);

/** A transaction that works, unless a line in its middle is another one. */
const transaction = fc.tuple(
  fc.constantFrom("DATA", "BDAT"),
  fc.array(fc.constantFrom("text", "..dot", ".dot", "", "a\nb", "a\rb", "8-bit é"), {
    maxLength: 6,
  }),
  fc.option(fc.tuple(fc.nat(5), line), { freq: 3 }),
).map(([command, body, intruder]) => {
  const text = body.map((each) => `${each}\r\n`).join("");
  const octets = encode(text).length;
  const lines = command === "DATA"
    ? ["MAIL FROM:<a@a.example>", "RCPT TO:<b@b.example>", "DATA", `${text}.`]
    : [
      "MAIL FROM:<a@a.example>",
      "RCPT TO:<b@b.example>",
      "RCPT TO:<c@b.example>",
      `BDAT 3\r\nabcBDAT ${octets} LAST\r\n${text}NOOP`,
    ];
  if (intruder !== null) lines.splice(intruder[0], 0, intruder[1]);
  return lines.join("\r\n");
});

const greeting = fc.constantFrom("EHLO c.example", "LHLO c.example", "HELO c.example");

const script = fc.oneof(
  fc.tuple(greeting, fc.array(fc.oneof(transaction, line), { maxLength: 12 }))
    .map(([hello, lines]) => encode([hello, ...lines].join("\r\n") + "\r\n")),
  fc.uint8Array({ maxLength: 300 }),
);

const role = fc.constantFrom<Role>("mx", "submission", "lmtp", "catcher");

const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 });

/** Splits that a network may make. */
function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    pieces.push(bytes.slice(at, at + size));
    at += size;
  }
  return pieces;
}

/** What is said about octets that came too early depends on what came together. */
const CALM: RoleOverrides = { refuseEarlyTalk: false };

/** STARTTLS drops what came in the same read, so these runs do without. */
const WITHOUT_TLS: RoleOverrides = { ...CALM, extensions: { startTls: false } };

Deno.test("the scripts of these properties bring messages through", () => {
  const messages = fc.sample(script, { numRuns: 200, seed: 7 })
    .map((bytes) => play("catcher", [bytes], WITHOUT_TLS).messages.length)
    .reduce((sum, count) => sum + count, 0);
  assert(messages > 50, `only ${messages}`);
});

Deno.test("ServerSession says and does the same whole, octet by octet and in any split", () => {
  fc.assert(
    fc.property(role, script, sizes, (role, bytes, sizes) => {
      const whole = play(role, [bytes], WITHOUT_TLS);
      assertEquals(play(role, cut(bytes, [1]), WITHOUT_TLS), whole);
      assertEquals(play(role, cut(bytes, sizes), WITHOUT_TLS), whole);
    }),
    { numRuns: 400 },
  );
});

Deno.test("ServerSession answers in whole lines of the reply grammar whatever it is given", () => {
  fc.assert(
    fc.property(role, script, fc.boolean(), (role, bytes, early) => {
      const { said } = play(role, [bytes], { refuseEarlyTalk: early });
      assert(/^(?:[2-5]\d\d[ -][^\r\n]*\r\n)*$/.test(said), said);
    }),
    { numRuns: 400 },
  );
});

Deno.test("ServerSession ends every message it began exactly once: by its end, a refusal, RSET, EHLO or QUIT", () => {
  fc.assert(
    fc.property(role, script, fc.boolean(), (role, bytes, normalize) => {
      const { happened, waiting } = play(role, [bytes], {
        ...WITHOUT_TLS,
        newlines: normalize ? "normalize" : "strict",
      });
      let open = false;
      for (const event of happened) {
        const { type, refusal } = JSON.parse(event);
        if (type === "body") {
          assert(!open, happened.join("\n"));
          open = true;
        } else if (type === "end" || refusal !== undefined) {
          assert(open, happened.join("\n"));
          open = false;
        } else if (["abort", "quit", "hello"].includes(type)) open = false; // EHLO begins anew
        else assert(!open || type === "fault", happened.join("\n"));
      }
      assert(!open || waiting === "bytes");
    }),
    { numRuns: 600 },
  );
});

Deno.test("ServerSession keeps its count when splits fall inside a conversation that works", () => {
  const bytes = encode(
    "EHLO c\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n" +
      "Subject: hi\r\n\r\n..dot\r\n.\r\n" +
      "MAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nBDAT 5\r\none\r\nBDAT 5 LAST\r\ntwo\r\n" +
      "QUIT\r\n",
  );
  const whole = play("mx", [bytes], WITHOUT_TLS);
  assertEquals(whole.messages, ["Subject: hi\r\n\r\n.dot\r\n", "one\r\ntwo\r\n"]);
  assertEquals(whole.waiting, "closed");
  for (let at = 1; at < bytes.length; at++) {
    const halves = [bytes.slice(0, at), bytes.slice(at)];
    assertEquals(play("mx", halves, WITHOUT_TLS), whole, `split at ${at}`);
  }
});

Deno.test("ServerSession makes no message of one that holds any smuggled end", () => {
  const newline = fc.constantFrom("\r", "\n", "\r\n", "\n\r", "\r\r", "");
  fc.assert(
    fc.property(newline, newline, fc.constantFrom("\r", "\n"), (before, after, bare) => {
      const text = `a${bare}b${before}.${after}MAIL FROM:<evil@a.example>\r\n.\r\n`;
      const played = play("mx", [
        encode(`EHLO c\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n${text}`),
      ], WITHOUT_TLS);
      assertEquals(played.messages, []);
    }),
    { numRuns: 200 },
  );
});
