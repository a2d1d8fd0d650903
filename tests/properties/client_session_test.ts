/**
 * The client session against servers that say anything: it never throws, it says and tells the same however the
 * octets are split, and of each message it tells exactly one outcome for each recipient, a success only for
 * one that the server has given.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { concat, decode, encode } from "../../src/bytes.ts";
import type { ClientEvent } from "../../src/smtp/client_event.ts";
import { ClientSession } from "../../src/smtp/client_session.ts";
import { clientSettings } from "../../src/smtp/client_settings.ts";
import { transactionTo } from "../support/client_dialogue.ts";

/** How the server answers one command; a text is said as it is. */
type Mood = "good" | "refuse" | "later" | "twice" | "silent" | { readonly text: string };
type Intent = "send" | "send two" | "abandon" | "noop" | "reset" | "tls" | "auth" | "quit";

interface Play {
  readonly protocol: "smtp" | "lmtp";
  readonly keywords: readonly string[];
  readonly moods: readonly Mood[];
  readonly intents: readonly Intent[];
  /** Octets of the pieces that the server's octets come in, in turn. */
  readonly sizes: readonly number[];
}

interface Played {
  readonly said: string;
  readonly events: readonly ClientEvent[];
  readonly sent: readonly number[];
  readonly waiting: string;
}

/** What a server in good mood says to a line. */
function goodAnswer(line: string, keywords: readonly string[]): string {
  const verb = line.split(" ", 1)[0]!;
  if (verb === "EHLO" || verb === "LHLO") {
    const lines = ["mx.example", ...keywords];
    return lines.map((text, i) => `250${i === lines.length - 1 ? " " : "-"}${text}\r\n`).join("");
  }
  if (verb === "DATA") return "354 go ahead\r\n";
  if (verb === "STARTTLS") return "220 go ahead\r\n";
  if (verb === "AUTH") return "235 2.7.0 welcome\r\n";
  return "250 2.0.0 ok\r\n";
}

function answer(mood: Mood, line: string, keywords: readonly string[]): string {
  const good = goodAnswer(line, keywords);
  if (typeof mood === "object") return mood.text;
  switch (mood) {
    case "good":
      return good;
    case "refuse":
      return "550-5.1.1 no\r\n550 5.1.1 never\r\n";
    case "later":
      return "451 later\r\n";
    case "twice":
      return good + good;
    case "silent":
      return "";
  }
}

function play({ protocol, keywords, moods, intents, sizes }: Play): Played {
  const settings = clientSettings("mta.example", {
    protocol,
    authInClear: true,
    limits: { commandsAhead: 3, chunk: 3, chunksAhead: 2 },
  });
  const session = new ClientSession(settings, { nonce: () => "nonce" });
  const said: Uint8Array[] = [];
  const events: ClientEvent[] = [];
  const sent: number[] = [];
  const waitingMoods = [...moods];
  const waitingIntents = [...intents];
  let line = "";
  let coming = encode("220 mx.example ESMTP\r\n");
  let turn = 0;
  let abandons = false;

  const listen = () => {
    for (let event; (event = session.next()) !== null;) events.push(event);
    const octets = session.take().slice();
    said.push(octets);
    let answers = "";
    for (const character of decode(octets)) {
      line += character;
      if (!line.endsWith("\r\n")) continue;
      // "x" is a line of the message
      const mood = line === "x\r\n" ? "silent" : waitingMoods.shift() ?? "silent";
      answers += answer(mood, line.trimEnd(), keywords);
      line = "";
    }
    coming = concat([coming, encode(answers)]);
  };
  const intend = (): boolean => {
    const { waiting } = session;
    if (waiting === "body") {
      session.writeBody(encode("x\r\n"));
      if (session.waiting === "body") {
        if (abandons) session.abandonBody({ code: 451, lines: ["cannot read"] });
        else session.endBody();
      }
    } else if (waiting === "tls") {
      session.tlsStarted();
    } else if (waiting === "derive") {
      session.derived(new Uint8Array(32));
    } else if (waiting === "intent") {
      const intent = waitingIntents.shift();
      if (intent === undefined) return false;
      abandons = intent === "abandon";
      want(session, intent, sent);
    } else {
      return false;
    }
    return true;
  };
  for (;;) {
    listen();
    while (coming.length > 0) {
      const size = sizes[turn++ % sizes.length]!;
      const piece = coming.slice(0, size);
      coming = coming.slice(size);
      session.receive(piece);
      piece.fill(0xaa);
      listen();
    }
    if (!intend()) break;
  }
  session.receiveEnd();
  for (let event; (event = session.next()) !== null;) events.push(event);
  return { said: decode(concat(said)), events, sent, waiting: session.waiting };
}

function want(session: ClientSession, intent: Intent, sent: number[]): void {
  switch (intent) {
    case "send":
    case "send two":
    case "abandon": {
      const count = intent === "send" ? 1 : 2;
      if (session.recipientLimit < count || session.messagesLeft === 0) return;
      sent.push(count);
      return session.send(transactionTo(count));
    }
    case "noop":
      return session.noop();
    case "reset":
      return session.reset();
    case "tls":
      return session.secure ? undefined : session.startTls();
    case "auth":
      return session.authenticate({ user: "tim", password: "secret" });
    case "quit":
      return session.quit();
  }
}

const rubbish = fc.oneof(
  fc.constantFrom(
    "421 bye\r\n",
    "354 go\r\n",
    "220 hm\r\n",
    "334 \r\n",
    "334 cj1ub25jZXgscz1NVEl6LGk9NDA5Ng==\r\n", // r=noncex,s=MTIz,i=4096
    "199 wait\r\n",
    "250-a\r\n251 b\r\n",
    "250 a\n",
    "250-a\r\n",
    "hello\r\n",
    "250 ok\r\n503 no\r\n",
    "\r\n",
  ),
  fc.string({ maxLength: 8 }),
).map((text) => ({ text }));

const mood: fc.Arbitrary<Mood> = fc.oneof(
  { weight: 20, arbitrary: fc.constant<Mood>("good") },
  { weight: 4, arbitrary: fc.constantFrom<Mood>("refuse", "later") },
  { weight: 1, arbitrary: fc.constantFrom<Mood>("twice", "silent") },
  { weight: 1, arbitrary: rubbish },
);

const playOf = (sizes: fc.Arbitrary<number[]>) =>
  fc.record<Play>({
    protocol: fc.constantFrom("smtp", "smtp", "lmtp"),
    keywords: fc.subarray([
      "PIPELINING",
      "CHUNKING",
      "STARTTLS",
      "AUTH PLAIN SCRAM-SHA-256",
      "DSN",
    ]),
    moods: fc.array(mood, { maxLength: 40, size: "max" }),
    intents: fc.array(
      fc.constantFrom<Intent>(
        ...["send", "send two", "send", "send two", "abandon"] as const,
        ...["noop", "reset", "tls", "auth", "quit"] as const,
      ),
      { maxLength: 8, size: "max" },
    ),
    sizes,
  });

Deno.test("ClientSession says and tells the same however the server's octets are split", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(playOf(sizes), (given) => {
      assertEquals(play(given), play({ ...given, sizes: [10_000] }));
    }),
    { numRuns: 400 },
  );
});

Deno.test("ClientSession tells one outcome for each recipient, and is over once it says so", () => {
  let accepted = 0;
  let failed = 0;
  fc.assert(
    fc.property(playOf(fc.constant([10_000])), (given) => {
      const { events, sent, waiting } = play(given);
      const outcomes = events.filter((event) => event.type === "outcomes");
      assertEquals(
        outcomes.map((event) => event.outcomes.map(({ recipient }) => recipient)),
        sent.map((count) => Array.from({ length: count }, (_, index) => index)),
      );
      for (const outcome of outcomes.flatMap((event) => event.outcomes)) {
        const { code } = outcome.reply;
        if (outcome.accepted) {
          accepted++;
          assertEquals([outcome.stage, outcome.remote, code >= 200 && code < 300], [
            "end",
            true,
            true,
          ]);
        } else {
          failed++;
          assert(code >= 400 && code < 600, `${code} is no failure`);
        }
        assert(!outcome.maybeDelivered || outcome.stage === "end");
      }
      const over = events.filter(({ type }) => type === "failed" || type === "quit");
      assertEquals([waiting, over.length], ["closed", 1]);
      assertEquals(events.at(-1), over[0]);
    }),
    { numRuns: 1000 },
  );
  assert(accepted > 100 && failed > 100, `too easy: ${accepted} accepted, ${failed} failed`);
});

Deno.test("ClientSession never throws, whatever octets come whenever", () => {
  const line = fc.oneof(
    fc.constantFrom(
      "220 mx.example\r\n",
      "250-mx.example\r\n250-AUTH SCRAM-SHA-256\r\n250 STARTTLS\r\n",
      "250 ok\r\n",
      "354 go\r\n",
      "334 cj1ub25jZXgscz1NVEl6LGk9NDA5Ng==\r\n",
      "235 ok\r\n",
      "550 no\r\n",
    ).map(encode),
    fc.uint8Array({ maxLength: 12 }),
  );
  const intents: readonly Intent[] = ["send two", "tls", "auth", "send", "noop"];
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20, size: "max" }), fc.nat(4), (lines, from) => {
      const session = new ClientSession(clientSettings("mta.example", { authInClear: true }), {
        nonce: () => "nonce",
      });
      let turn = from;
      for (const octets of lines) {
        session.receive(octets);
        while (session.next() !== null);
        if (session.waiting === "tls") session.tlsStarted();
        if (session.waiting === "derive") session.derived(new Uint8Array(32));
        if (session.waiting === "body") session.writeBody(octets);
        if (session.waiting === "body") session.endBody();
        if (session.waiting === "intent") want(session, intents[turn++ % 5]!, []);
        session.take();
      }
    }),
    { numRuns: 500 },
  );
});
