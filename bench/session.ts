/**
 * What a dialogue costs by itself: the pure server session is given octets and asked for its replies, without a
 * socket, a policy or a disk. What a server reaches beyond that is lost elsewhere.
 *
 * The dialogues are those of usual clients: messages of 10 KB, one after the other in a session, by commands one
 * by one or in groups (RFC 2920); a session for each message; and commands without a message. Every reply is
 * counted and every octet of every message, and the program fails where one is missing.
 *
 *     deno run --no-prompt --allow-sys bench/session.ts [--quick] [--json]
 *
 * @module
 */

import { encode } from "../src/bytes.ts";
import { settingsOf } from "../src/server/roles.ts";
import { reply } from "../src/smtp/reply.ts";
import type { ServerAnswer, ServerEvent } from "../src/smtp/server_event.ts";
import { ServerSession } from "../src/smtp/server_session.ts";
import { commandLine } from "./support/command_line.ts";
import { type Figure, figureOf, formatFigure, formatFigures } from "./support/figure.ts";
import { formatMachine, thisMachine } from "./support/machine.ts";

const CONTENT = "Subject: bench\r\n\r\n" + `${"x".repeat(76)}\r\n`.repeat(128);
const BODY = `${CONTENT}.\r\n`;
const ENVELOPE = ["MAIL FROM:<a@client.test>\r\n", "RCPT TO:<foo@bench.test>\r\n"];

/** What a client writes, each piece as one read of the server brings it. */
interface Dialogue {
  readonly name: string;
  /** After the greeting of each session. */
  readonly hello: readonly string[];
  /** Again and again, `times` in a session. */
  readonly round: readonly string[];
  readonly times: number;
  readonly last: readonly string[];
}

const EHLO = ["EHLO client.test\r\n"];
const QUIT = ["QUIT\r\n"];
const DIALOGUES: readonly Dialogue[] = [
  {
    name: "many messages a session, in groups",
    hello: EHLO,
    round: [`${ENVELOPE.join("")}DATA\r\n`, BODY],
    times: 500,
    last: QUIT,
  },
  {
    name: "many messages a session, command by command",
    hello: EHLO,
    round: [...ENVELOPE, "DATA\r\n", BODY],
    times: 500,
    last: QUIT,
  },
  {
    name: "one message a session, command by command",
    hello: EHLO,
    round: [...ENVELOPE, "DATA\r\n", BODY],
    times: 1,
    last: QUIT,
  },
  {
    name: "commands only, in groups of three",
    hello: EHLO,
    round: [`${ENVELOPE.join("")}RSET\r\n`],
    times: 500,
    last: QUIT,
  },
  {
    name: "commands only, one by one",
    hello: EHLO,
    round: [...ENVELOPE, "RSET\r\n"],
    times: 500,
    last: QUIT,
  },
];

const GREETING: ServerAnswer = { reply: reply(220, undefined, "mx.bench.test ESMTP") };
const OK: ServerAnswer = { reply: reply(250, "2.0.0", "ok") };
const GO_AHEAD: ServerAnswer = { reply: reply(354, undefined, "go ahead") };

/** A session and what came of it. */
class Driver {
  /** Octets of messages. */
  content = 0;
  /** Octets of replies. */
  replied = 0;
  messages = 0;
  readonly #session = new ServerSession(settingsOf("mx", "mx.bench.test"), { nonce: () => "n" });
  readonly #buffer: Uint8Array;

  constructor(buffer: Uint8Array) {
    this.#buffer = buffer;
    this.#run();
  }

  /** As a socket would bring it: in a buffer that the session may write to. */
  read(piece: Uint8Array): void {
    this.#buffer.set(piece);
    this.#session.receive(this.#buffer.subarray(0, piece.length));
    this.#run();
  }

  get closed(): boolean {
    return this.#session.waiting === "closed";
  }

  #run(): void {
    for (let event = this.#session.next(); event !== null; event = this.#session.next()) {
      const answer = this.#answer(event);
      if (answer !== null) this.#session.answer(answer);
    }
    this.replied += this.#session.take().length;
  }

  #answer(event: ServerEvent): ServerAnswer | null {
    switch (event.type) {
      case "connect":
        return GREETING;
      case "hello":
      case "sender":
      case "recipient":
        return OK;
      case "body":
        return GO_AHEAD;
      case "chunk":
        this.content += event.bytes.length;
        return null;
      case "end":
        this.messages++;
        return OK;
      case "abort":
      case "quit":
        return null;
      default:
        throw new Error(`the session said ${event.type}`);
    }
  }
}

/** Plays whole sessions until `rounds` rounds are through; gives seconds. */
function play({ hello, round, times, last }: Dialogue, rounds: number): number {
  const pieces = (texts: readonly string[]) => texts.map((text) => encode(text));
  const [first, again, end] = [pieces(hello), pieces(round), pieces(last)];
  const buffer = new Uint8Array(64 * 1024);
  const messages = round.filter((text) => text === BODY).length;
  let content = 0;
  const start = performance.now();
  for (let done = 0; done < rounds; done += times) {
    const driver = new Driver(buffer);
    for (const piece of first) driver.read(piece);
    for (let i = 0; i < times; i++) for (const piece of again) driver.read(piece);
    for (const piece of end) driver.read(piece);
    if (!driver.closed || driver.messages !== messages * times) {
      throw new Error("a message is lost");
    }
    content += driver.content;
  }
  const seconds = (performance.now() - start) / 1000;
  if (content !== messages * rounds * CONTENT.length) throw new Error(`${content} octets came`);
  return seconds;
}

/** Commands of a round; the message is none. */
function commandsOf({ hello, round, times, last }: Dialogue): number {
  const commands = round.filter((text) => text !== BODY).join("").split("\r\n").length - 1;
  return commands + (hello.length + last.length) / times;
}

const { flags } = commandLine({
  program: "bench/session.ts",
  about: "Messages and commands a second through the pure server session, without any I/O.",
  flags: { quick: "Fewer rounds", json: "Print a line of JSON for each figure" },
});
const [rounds, runs] = flags.quick ? [5_000, 3] : [40_000, 7];

const rates = DIALOGUES.map((): number[] => []);
for (let run = -2; run < runs; run++) { // the first two warm the compiler up
  for (const [index, dialogue] of DIALOGUES.entries()) {
    const rate = rounds / play(dialogue, rounds);
    if (run >= 0) rates[index]!.push(rate);
  }
}
const figures = DIALOGUES.flatMap((dialogue, index): Figure[] => {
  const each = rates[index]!;
  const commands = commandsOf(dialogue);
  const figure = (unit: string, times: number) =>
    figureOf("session", `${dialogue.name}, ${unit}`, unit, each.map((rate) => rate * times));
  const ofCommands = figure("commands/s", commands);
  return dialogue.round.includes(BODY) ? [figure("messages/s", 1), ofCommands] : [ofCommands];
});
if (flags.json) {
  for (const figure of figures) console.log(formatFigure(figure));
} else {
  console.log(`The server session alone, messages of 10 KB; ${runs} runs of ${rounds} rounds`);
  console.log(`${formatMachine(thisMachine())}\n`);
  console.log(formatFigures(figures));
}
