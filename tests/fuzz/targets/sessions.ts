/**
 * Fuzzing of whole sessions: a server that reads a hostile client, a client that reads a hostile server, and the
 * two with each other, where what one sent must be what the other took.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { concat, decode, encode } from "../../../src/bytes.ts";
import type { Role } from "../../../src/server/roles.ts";
import type { ClientEvent } from "../../../src/smtp/client_event.ts";
import { ClientSession } from "../../../src/smtp/client_session.ts";
import { clientSettings } from "../../../src/smtp/client_settings.ts";
import { transactionTo } from "../../support/client_dialogue.ts";
import { latin1, octets } from "../../support/feed.ts";
import { play, type PlaySetup } from "../../support/played_session.ts";
import { SessionPair } from "../../support/session_pair.ts";
import { piecesOf } from "../engine/chance.ts";
import type { FuzzTarget } from "../engine/target.ts";
import { ADDRESS_WORDS, nearAddress } from "./grammar.ts";

const ROLES: readonly Role[] = ["mx", "submission", "lmtp", "catcher"];

/** STARTTLS drops what came in the same read, and early talk depends on it: both without. */
const setupOf = (newlines: "strict" | "normalize"): PlaySetup => ({
  refuseEarlyTalk: false,
  newlines,
  extensions: { startTls: false },
  secure: true,
});

const LINES = [
  ...["EHLO c.example", "HELO c.example", "LHLO c.example", "MAIL FROM:<a@a.example>", "RSET"],
  ...["MAIL FROM:<> SIZE=100 BODY=BINARYMIME", "RCPT TO:<b@b.example>", "RCPT TO:<refuse@b.c>"],
  ...["RCPT TO:<Postmaster> NOTIFY=NEVER", "DATA", "BDAT 4\r\nabcd", "BDAT 6 LAST\r\nab\r\ncd"],
  ...[
    "BDAT 0 LAST",
    "BDAT 4 LAST\r\nabc\r",
    "BDAT 4 LAST\r\na\nbc",
    "BDAT 99999999999 LAST",
    "NOOP",
    "QUIT",
    "VRFY a",
  ],
  ...["AUTH PLAIN AGEAYg==", "AUTH LOGIN", "YQ==", "*", "AUTH SCRAM-SHA-256 biwsbj1hLHI9Yg=="],
  ...["DATA\r\nSubject: a\r\n\r\n..b\r\n.", "DATA\r\na\n.\nMAIL FROM:<e@e>\r\n.", ".", "STARTTLS"],
];

const server: FuzzTarget = {
  name: "server",
  about:
    "a whole server session (the first octet says which role): whole replies, clean messages, any split",
  words: [...LINES, "\r\n", "\n", "\r", "\r\n.\r\n", ...ADDRESS_WORDS],
  generate(chance) {
    const hello = chance.pick(["EHLO c.example", "LHLO c.example"]);
    const begin = "MAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\n";
    const rest = chance.many(
      1,
      10,
      () =>
        chance.oneIn(3)
          ? `${begin}${
            chance.pick(["DATA\r\nx\r\n.", "BDAT 3\r\nabcBDAT 1 LAST\r\nd", "DATA"])
          }\r\n`
          : `${chance.oneIn(9) ? `RCPT TO:<${nearAddress(chance)}>` : chance.pick(LINES)}\r\n`,
    );
    return concat([Uint8Array.of(chance.below(8)), encode(`${hello}\r\n${rest}`)]);
  },
  run(input) {
    const role = ROLES[(input[0] ?? 0) & 3]!;
    const newlines = (input[0] ?? 0) & 4 ? "normalize" : "strict";
    const stream = input.subarray(1);
    const whole = play(role, [stream], setupOf(newlines));
    assertEquals(play(role, piecesOf(stream), setupOf(newlines)), whole);
    assert(/^(?:[2-5]\d\d[ -][^\r\n]*\r\n)*$/.test(whole.said), whole.said);
    assert(whole.said.length < 2000 + 1200 * (1 + stream.filter((octet) => octet === 10).length));
    let open = false;
    for (const event of whole.happened) {
      const { type, refusal } = JSON.parse(event);
      assert(type !== "body" || !open, "a message within a message");
      if (type === "body") open = true;
      if (type === "end" || type === "abort" || type === "hello" || refusal !== undefined) {
        open = false;
      }
    }
    const binary = whole.happened.some((event) => event.includes("BINARYMIME"));
    for (const message of whole.messages) {
      if (!binary) assert(!/\r(?!\n)|(?<!\r)\n/.test(message), "a bare newline was taken");
    }
  },
};

type Intent = (session: ClientSession) => void;
const INTENTS: readonly Intent[] = [
  (session) => session.send(transactionTo(1)),
  (session) => session.noop(),
  (session) => session.send(transactionTo(2, { requireTls: true })),
  (session) => session.secure ? session.noop() : session.startTls(),
  (session) => session.authenticate({ user: "tim", password: "secret" }),
  (session) => session.send(transactionTo(3, { body: "8BITMIME" })),
  (session) => session.reset(),
];

/** A client that wants one thing after another, whatever the server says. */
function converse(protocol: "smtp" | "lmtp", from: number, pieces: readonly Uint8Array[]) {
  const settings = clientSettings("mta.example", { protocol, authInClear: true });
  const session = new ClientSession(settings, { nonce: () => "nonce" });
  const events: ClientEvent[] = [];
  const said: Uint8Array[] = [];
  let turn = from;
  let promised = 0;
  let steps = 0;
  const run = () => {
    for (let idle = false; !idle;) {
      assert(steps++ < 20_000, "the client never comes to rest");
      for (let event; (event = session.next()) !== null;) events.push(event);
      idle = true;
      if (session.waiting === "tls") session.tlsStarted();
      else if (session.waiting === "derive") session.derived(new Uint8Array(32));
      else if (session.waiting === "body") {
        session.writeBody(encode("Subject: x\r\n\r\n.dot\r\n"));
        if (session.waiting === "body") session.endBody();
      } else if (session.waiting === "intent" && turn < from + 12) {
        const intent = INTENTS[turn++ % INTENTS.length]!;
        const sends = [1, 0, 2, 0, 0, 3, 0][(turn - 1) % INTENTS.length]!;
        if (sends > 0 && (session.recipientLimit < sends || session.messagesLeft === 0)) {
          session.noop();
        } else {
          promised += sends;
          intent(session);
        }
      } else idle = true;
      if (["tls", "derive", "body"].includes(session.waiting)) idle = false;
      else if (session.waiting === "intent" && turn < from + 12) idle = false;
      const octets = session.take();
      if (octets.length > 0) said.push(octets.slice());
    }
  };
  run();
  for (const piece of pieces) {
    session.receive(piece.slice());
    run();
  }
  session.receiveEnd();
  for (let event; (event = session.next()) !== null;) events.push(event);
  return { events, said: decode(concat(said)), promised, waiting: session.waiting };
}

/** The octets up to each LF. */
function linesOf(octets: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let at = 0; at < octets.length;) {
    const lf = octets.indexOf(0x0a, at);
    const end = lf === -1 ? octets.length : lf + 1;
    lines.push(octets.subarray(at, end));
    at = end;
  }
  return lines;
}

const ANSWERS = [
  ...[
    "220 mx.example ESMTP\r\n",
    "250 ok\r\n",
    "250 2.0.0 ok\r\n",
    "354 go\r\n",
    "550 5.1.1 no\r\n",
  ],
  ...["250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-SIZE 1000\r\n250-DSN\r\n250 8BITMIME\r\n"],
  ...["250-mx\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN SCRAM-SHA-256\r\n250 LIMITS RCPTMAX=1\r\n"],
  ...["334 \r\n", "334 VXNlcm5hbWU6\r\n", "334 cj1ub25jZXgscz1NVEl6LGk9NDA5Ng==\r\n", "235 ok\r\n"],
  ...[
    "421 bye\r\n",
    "451 later\r\n",
    "452-4.5.3 a\r\n452 4.5.3 b\r\n",
    "199 x\r\n",
    "250 a\n",
    "521 no\r\n",
  ],
  ...["334 cj1ub25jZSxzPSxpPTk5OTk5OTk5OQ==\r\n", "235 dj1BQUFB\r\n", "220 go\r\n", "503 no\r\n"],
];

const client: FuzzTarget = {
  name: "client",
  about:
    "a whole client session before a hostile server: one outcome for each recipient, whole lines, any split",
  words: [...ANSWERS, "250-", "\r\n", "\n", "SIZE 0", "LIMITS MAILMAX=0", "AUTH=", "\x1b[2J"],
  generate: (chance) =>
    concat([
      Uint8Array.of(chance.below(16)),
      encode(
        ANSWERS[0]! + chance.pick(ANSWERS.slice(5, 7)) +
          chance.many(1, 24, () => chance.pick(ANSWERS)),
      ),
    ]),
  run(input) {
    const from = (input[0] ?? 0) >> 1;
    const protocol = (input[0] ?? 0) & 1 ? "lmtp" : "smtp";
    const stream = input.subarray(1);
    // What the client does between two replies depends on whether both have come, so each line comes alone.
    const lines = linesOf(stream);
    const whole = converse(protocol, from, lines);
    assertEquals(converse(protocol, from, lines.flatMap((line) => piecesOf(line))), whole);
    assert(/^(?:[^\r\n]*\r\n)*$/.test(whole.said), "half a line");
    const outcomes = whole.events.flatMap((event) =>
      event.type === "outcomes" ? event.outcomes : []
    );
    assertEquals(outcomes.length, whole.promised, "outcomes");
    for (const { accepted, reply: { code } } of outcomes) {
      assert(
        accepted ? code >= 200 && code < 300 : code >= 400 && code < 600,
        `${accepted} ${code}`,
      );
    }
    const over = whole.events.filter(({ type }) => type === "failed" || type === "quit");
    assertEquals([whole.waiting, over.length, whole.events.at(-1)], ["closed", 1, over[0]]);
  },
};

const pair: FuzzTarget = {
  name: "pair",
  about:
    "a message through both sessions, by DATA and by BDAT: one message, octet for octet, never two",
  words: [
    "\r\n.\r\n",
    "\n.\n",
    "\r.\r",
    "\r\n.",
    "\n.\r\n",
    "\r\n",
    "\r",
    "\n",
    "MAIL FROM:<e@e>\r\n",
    "BDAT 1\r\n",
  ],
  generate: (chance) =>
    octets(chance.many(0, 20, () => chance.pick([...(pair.words as string[]), "text", "é", "."]))),
  run(input) {
    const mended = latin1(input).replace(/\r\n|\r|\n/g, "\r\n");
    // DATA cannot carry a last line without its end.
    const ended = /(?:^|\r\n)$/.test(mended) ? mended : `${mended}\r\n`;
    for (const ignoredKeywords of [[], ["CHUNKING"], ["CHUNKING", "PIPELINING"]]) {
      const both = new SessionPair({ size: 7, client: { ignoredKeywords } });
      both.client.send(transactionTo(2, { body: "8BITMIME" }));
      both.run();
      for (const piece of piecesOf(input)) {
        if (both.client.waiting !== "body") break;
        both.client.writeBody(piece);
        both.run();
      }
      if (both.client.waiting === "body") both.client.endBody();
      both.run();
      assertEquals(both.messages.length, 1, "messages");
      const got = latin1(both.messages[0]!.content);
      assertEquals(got, ignoredKeywords.length === 0 ? mended : ended);
      assertEquals(both.faults, []);
    }
  },
};

/** All of this file. */
export const targets: readonly FuzzTarget[] = [server, client, pair];
