/**
 * What the tests of SMTP smuggling share: the texts, a session that plays them, and the rules of RFC 5321
 * read off a whole message, slow and plainly right. Texts are Latin-1: one character an octet.
 *
 * @module
 */

import { formatAddress } from "../../src/address.ts";
import { concat } from "../../src/bytes.ts";
import { type RoleOverrides, settingsOf } from "../../src/server/roles.ts";
import { reply } from "../../src/smtp/reply.ts";
import type { ServerAnswer, ServerEvent } from "../../src/smtp/server_event.ts";
import { ServerSession } from "../../src/smtp/server_session.ts";
import { latin1 } from "./feed.ts";

/** The octets of which all ends, and all that was ever taken for one, are made; and one of text. */
const ALPHABET = ["\r", "\n", "\0", ".", "x"] as const;

/** The transaction that a message would bring in behind a false end, without its own end. */
export const SMUGGLED =
  "MAIL FROM:<evil@a.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\nSubject: evil\r\n\r\nevil";

/** All texts of one to `longest` octets of CR, LF, NUL, dot and `x`. */
export function* variants(longest: number): Generator<string> {
  let shorter = [""];
  for (let length = 1; length <= longest; length++) {
    shorter = shorter.flatMap((text) => ALPHABET.map((octet) => text + octet));
    yield* shorter;
  }
}

/** Octets of the message that a text begins with, up to the CRLF before its dot; -1 where it does not end. */
export function dataEnds(text: string): number {
  return `\r\n${text}`.indexOf("\r\n.\r\n");
}

/** Whether a CR or an LF stands alone. */
export function hasBareNewline(text: string): boolean {
  return /\r(?!\n)|(?<!\r)\n/.test(text);
}

/** Every newline as CRLF. */
export function mended(text: string): string {
  return text.replace(/\r\n|\r|\n/g, "\r\n");
}

/** A message as DATA sent it, without the dots of transparency (RFC 5321 §4.5.2). */
export function unstuffed(text: string): string {
  return text.split("\r\n").map((line) => line.replace(/^\./, "")).join("\r\n");
}

/** What came of a conversation. */
export interface Played {
  /** Who began a transaction. */
  readonly senders: readonly string[];
  /** The messages that were taken, in Latin-1. */
  readonly messages: readonly string[];
  /** The codes of the last two replies. */
  readonly lastCodes: readonly number[];
}

/** How it is played. */
export interface PlayOptions extends RoleOverrides {
  /** Octets given at a time. */
  readonly size?: number;
  /** Where the octets are given in two. */
  readonly splitAt?: number;
}

/** Plays octets to a session that says yes to everything. Each piece is overwritten when it has been read. */
export function play(wire: Uint8Array, { size = Infinity, splitAt, ...rest }: PlayOptions): Played {
  const settings = settingsOf("catcher", "mx.example", { refuseEarlyTalk: false, ...rest });
  const session = new ServerSession(settings, { nonce: () => "nonce" });
  const senders: string[] = [];
  const messages: string[] = [];
  let body: Uint8Array[] = [];
  const said: Uint8Array[] = [];
  const run = () => {
    for (let event; (event = session.next()) !== null;) {
      if (event.type === "sender") senders.push(event.sender ? formatAddress(event.sender) : "<>");
      if (event.type === "body") body = [];
      if (event.type === "chunk") body.push(event.bytes.slice());
      if (event.type === "end") messages.push(latin1(concat(body)));
      const answer = answerTo(event);
      if (answer !== null) session.answer(answer);
    }
    said.push(session.take().slice());
  };
  run();
  const give = (piece: Uint8Array) => {
    if (session.waiting === "closed") return;
    session.receive(piece);
    run();
    piece.fill(0xa5);
  };
  if (splitAt !== undefined) {
    give(wire.slice(0, splitAt));
    give(wire.slice(splitAt));
  } else if (size === Infinity) give(wire.slice());
  else for (let at = 0; at < wire.length; at += size) give(wire.slice(at, at + size));
  const codes = latin1(concat(said)).match(/^\d{3}(?= )/gm) ?? [];
  return { senders, messages, lastCodes: codes.slice(-2).map(Number) };
}

function answerTo({ type }: ServerEvent): ServerAnswer | null {
  switch (type) {
    case "body":
      return { reply: reply(354, undefined, "go ahead") };
    case "connect":
      return { reply: reply(220, undefined, "mx.example ESMTP") };
    case "hello":
    case "sender":
    case "recipient":
    case "end":
      return { reply: reply(250, "2.0.0", "ok") };
    default:
      return null;
  }
}

/** Ends that some server once took for one, and their kin; none is CRLF "." CRLF. */
export const FALSE_ENDS: readonly string[] = [
  ...["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\n.\r", "\r.\n"],
  ...["\r\r.\r\r", "\n\r.\r\n", "\r\n.\r\r\n", "\n\n.\n\n", "\n.\r\r\n", "\r\n.\n\r"],
  ...["\r\n\0.\r\n", "\r\n.\0\r\n", "\r\n.\r\0\n", "\r\0\n.\r\n", "\0\r\n..\r\n", "\0\n.\n\0"],
  ...["\r\n .\r\n", "\r\n. \r\n", "\r\n.\t\r\n", "\r\n.\v\r\n", "\r\n.\f\r\n", "\r\n.\b.\r\n"],
  ...["\x85.\x85", "\xe2\x80\xa8.\xe2\x80\xa8", "\x8d\x8a.\x8d\x8a", "\r\n.=\r\n"],
];

/** A body in which a whole transaction stands behind each of the {@link FALSE_ENDS}, for a recipient. */
export function smugglingBody(recipient: string, ends: readonly string[] = FALSE_ENDS): string {
  const parts = ends.map((end, n) =>
    `outer ${n}${end}MAIL FROM:<evil@evil.test>\r\nRCPT TO:<${recipient}>\r\nDATA\r\n` +
    `Subject: evil ${n}\r\n\r\nevil`
  );
  return `${parts.join("\r\n")}\r\nlast line\r\n`;
}

/** A message as DATA wants it, for whoever ends a line at CR or LF too: a dot before each dot that may begin one. */
export function stuffed(text: string): string {
  return text.replace(/(^|[\r\n])\./g, "$1..");
}
