/**
 * Listening in on a session, from within: lines as they were understood, not octets, so that what is secret
 * is left out where it is known to be secret. Nobody has to tell a password from a command a second time.
 *
 * What is never told: answers to SASL challenges and the challenges (RFC 4954 §4), the initial response of AUTH,
 * a line that is no command (a password sent in the wrong moment looks so), what stands behind a command that
 * nobody knows, and the message itself. Their lengths are not told either, but for the message's.
 *
 * @module
 */

import { decode } from "../bytes.ts";
import type { Command } from "./command.ts";
import type { Reply } from "./reply.ts";

/** Who may listen in. Nothing it is told holds a credential or content of a message; it must not throw. */
export interface SessionTap {
  /** Whether anybody does: nothing is made for it otherwise. */
  readonly heard: boolean;
  /** The client says a line, told without its CRLF. */
  command(line: string): void;
  /** The server says this. @param enhanced whether the enhanced status code is said with it (RFC 2034). */
  reply(given: Reply, enhanced: boolean): void;
  /** A message, or a chunk of one, has gone by. */
  message(octets: number): void;
  /** Something happened that is no line. */
  note(text: string): void;
}

/** What stands for what is not told. */
export const HIDDEN = "[…]";

/** A reply as it may be told: challenges are not (a SCRAM exchange can be attacked at leisure). */
export function showReply(given: Reply): Reply {
  return given.code === 334 ? { code: 334, lines: [HIDDEN] } : given;
}

/** An answer to a SASL challenge as it may be told: only that it gives up (RFC 4954 §4). */
export function showResponse(line: Uint8Array): string {
  return line.length === 1 && line[0] === 0x2a ? "*" : HIDDEN;
}

/**
 * A command line as it may be told.
 *
 * @param line without its CRLF. @param command what was read in it.
 *
 * @example
 * ```ts
 * import { showCommand } from "./session_tap.ts";
 * import { parseCommand } from "./command.ts";
 * import { encode } from "../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const show = (line: string) => showCommand(encode(line), parseCommand(encode(line)));
 * assertEquals(show("MAIL FROM:<a@b.example>"), "MAIL FROM:<a@b.example>");
 * assertEquals(show("auth plain AGFsaWNlAGh1bnRlcjI="), "AUTH PLAIN […]");
 * assertEquals(show("aHVudGVyMg"), "[no command]");
 * ```
 */
export function showCommand(line: Uint8Array, command: Command): string {
  switch (command.verb) {
    case "AUTH":
      return showAuth(command.mechanism, command.initialResponse !== null);
    case "NOOP":
    case "HELP":
      return showVerb(command.verb, line);
    case "not-smtp":
      return `[${command.protocol}, no SMTP]`;
    case "unknown":
      return FAMILIAR.has(command.name) ? showVerb(command.name, line) : "[no command]";
    case "invalid":
      if (command.name === "") return "[no command]";
      return ENVELOPE.has(command.name) ? decode(line) : showVerb(command.name, line);
    default:
      return decode(line);
  }
}

/** AUTH as it may be told: a name that is no mechanism's may be a password. */
export function showAuth(mechanism: string, initialResponse: boolean): string {
  const known = MECHANISM.test(mechanism) ? mechanism : HIDDEN;
  return `AUTH ${known}${initialResponse ? ` ${HIDDEN}` : ""}`;
}

function showVerb(verb: string, line: Uint8Array): string {
  return line.includes(0x20) ? `${verb} ${HIDDEN}` : verb;
}

/** Mechanisms of the IANA registry, and those that clients use without one. */
const MECHANISM =
  /^(?:PLAIN|LOGIN|(?:CRAM|DIGEST)-MD5|SCRAM-SHA(?:-1|-256|-512|3-512)(?:-PLUS)?|GSSAPI|GSS-SPNEGO|NTLM|XOAUTH2?|OAUTHBEARER|EXTERNAL|ANONYMOUS|OTP|KERBEROS_V4)$/;

/** Commands whose line is shown also where its form is wrong: somebody wants to see what is wrong with it. */
const ENVELOPE = new Set(["EHLO", "HELO", "LHLO", "MAIL", "RCPT", "BDAT", "VRFY", "EXPN", "ETRN"]);

/** Verbs that are none here but elsewhere. Any other word could be a secret in the wrong place. */
const FAMILIAR = new Set(
  "XCLIENT XFORWARD XADR XEXCH50 XSTS BURL ATRN TURN SEND SOML SAML ONEX VERB USER PASS GET POST"
    .split(" "),
);
