/**
 * Plays a written dialogue with a {@link ClientSession}: what the server says, what the client must say, what it
 * must tell. Each is played with the server's octets whole and in small pieces, each piece in a buffer that is
 * overwritten afterwards.
 *
 * A step is a function, which wants something of the session, or a line:
 * - `S: 220 mx.example`: the server says it; neighbours come together;
 * - `C: EHLO mta.example`: the client says it and, with its neighbours, nothing else;
 * - `E: ready EHLO`: it tells it (see {@link showEvent}); a `*` stands for any text;
 * - `W: intent`: it waits for it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { decode, encode } from "../../src/bytes.ts";
import type { ClientEvent, RecipientOutcome, Transaction } from "../../src/smtp/client_event.ts";
import { type ClientContext, ClientSession } from "../../src/smtp/client_session.ts";
import { type ClientOptions, clientSettings } from "../../src/smtp/client_settings.ts";
import { describeReply } from "../../src/smtp/reply.ts";

/** A step of a dialogue. */
export type ClientStep = string | ((session: ClientSession) => void);

/** Plays the dialogue in every way; `C:` and `E:` lines must say all there is. */
export function playClient(
  steps: readonly ClientStep[],
  options: ClientOptions = {},
  context: Partial<ClientContext> = {},
): void {
  for (const size of [Infinity, 1, 2, 7]) {
    const settings = clientSettings("mta.example", options);
    playOnce(new ClientSession(settings, { nonce: () => "nonce", ...context }), steps, size);
  }
}

function playOnce(session: ClientSession, steps: readonly ClientStep[], size: number): void {
  const events: string[] = [];
  let said = "";
  const collect = () => {
    for (let event; (event = session.next()) !== null;) events.push(showEvent(event));
    said += decode(session.take());
  };
  const settle = (where: string) => {
    assertEquals([said, events], ["", []], `before ${where}, in pieces of ${size}`);
  };
  collect();
  for (let at = 0; at < steps.length; at++) {
    const step = steps[at]!;
    const where = `step ${at}, ${typeof step === "string" ? step : "function"}`;
    if (typeof step === "function") {
      settle(where);
      step(session);
      collect();
    } else if (step.startsWith("S: ")) {
      if (!isServers(steps[at - 1])) settle(where);
      feed(session, serverOctets(step.slice(3)), size, collect);
    } else if (step.startsWith("C: ")) {
      const line = `${step.slice(3)}\r\n`;
      assert(said.startsWith(line), `${where}: said ${JSON.stringify(said)}`);
      said = said.slice(line.length);
    } else if (step.startsWith("E: ")) {
      const event = events.shift() ?? "nothing";
      assert(matches(step.slice(3), event), `${where}: told ${event}`);
    } else if (step.startsWith("W: ")) {
      assertEquals(session.waiting, step.slice(3), where);
    } else {
      throw new Error(`no such step: ${step}`);
    }
  }
  settle("the end");
}

function isServers(step: ClientStep | undefined): boolean {
  return typeof step === "string" && step.startsWith("S: ");
}

/** A line as octets; `\n` and the like as JSON has them, `<end>` for no CRLF. */
function serverOctets(text: string): Uint8Array {
  const line = text.endsWith("<end>") ? text.slice(0, -5) : `${text}\r\n`;
  return encode(line);
}

function feed(session: ClientSession, octets: Uint8Array, size: number, then: () => void): void {
  for (let at = 0; at < octets.length; at += size) {
    const piece = octets.slice(at, Math.min(octets.length, at + size));
    session.receive(piece);
    piece.fill(0xaa);
    then();
  }
}

function matches(pattern: string, text: string): boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[.?+^$[\]\\(){}|]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "s").test(text);
}

/** An event in one line. */
export function showEvent(event: ClientEvent): string {
  switch (event.type) {
    case "ready":
      return `ready ${event.hello}`;
    case "outcomes":
      return `outcomes ${event.outcomes.map(showOutcome).join("; ")}`;
    case "failed": {
      const maybe = event.maybeDelivered ? " maybe" : "";
      const words = `${event.remote ? "" : "own "}${describeReply(event.reply)}`;
      return `failed ${event.kind} at ${event.where}${maybe}: ${words}`;
    }
    case "derive":
      return `derive ${event.iterations}`;
    case "auth-failed":
      return `auth-failed ${event.mechanism}: ${event.remote ? "" : "own "}` +
        describeReply(event.reply);
    case "tls-refused":
      return `tls-refused ${event.remote ? "" : "own "}${describeReply(event.reply)}`;
    case "authenticated":
      return `authenticated ${event.mechanism}`;
    case "done":
      return `done ${event.command} ${describeReply(event.reply)}`;
    case "fault":
      return `fault ${event.kind}`;
    default:
      return event.type;
  }
}

/** `0+end 250 2.0.0 ok`: which recipient, accepted or not, at which stage, by whose words. */
function showOutcome(outcome: RecipientOutcome): string {
  const { recipient, accepted, stage, remote, dsnHandedOn, maybeDelivered } = outcome;
  const marks = `${dsnHandedOn ? " dsn" : ""}${maybeDelivered ? " maybe" : ""}${
    remote ? "" : " own"
  }`;
  return `${recipient}${accepted ? "+" : "-"}${stage}${marks} ${describeReply(outcome.reply)}`;
}

/** A transaction to `b0@b.example`, `b1@b.example`, …. */
export function transactionTo(count: number, more: Partial<Transaction> = {}): Transaction {
  return {
    sender: { local: "a", domain: "a.example" },
    recipients: Array.from({ length: count }, (_, index) => ({
      address: { local: `b${index}`, domain: "b.example" },
    })),
    body: "7BIT",
    smtputf8: false,
    requireTls: false,
    ...more,
  };
}

/** The steps up to a session that waits for an intent, the server offering `keywords`. */
export function greeted(...keywords: readonly string[]): ClientStep[] {
  const lines = ["mx.example", ...keywords];
  return [
    "S: 220 mx.example ESMTP",
    "C: EHLO mta.example",
    ...lines.map((line, index) => `S: 250${index === lines.length - 1 ? " " : "-"}${line}`),
    "E: ready EHLO",
    "W: intent",
  ];
}

/** Wants a message to be sent. */
export function sends(transaction: Transaction): ClientStep {
  return (session) => session.send(transaction);
}

/** Gives the message, in one piece. */
export function gives(text: string): ClientStep {
  return (session) => {
    session.writeBody(encode(text));
    session.endBody();
  };
}

/** The connection ends. */
export const ends: ClientStep = (session) => session.receiveEnd();

/** Time is up. */
export const isSilent: ClientStep = (session) => session.receiveTimeout();
