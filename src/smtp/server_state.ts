/**
 * What a server session knows at one moment, as its verbs see it, and what a verb makes of a command.
 *
 * @module
 */

import type { MailParameters } from "./parameters.ts";
import type { Reply } from "./reply.ts";
import { reply } from "./reply.ts";
import type { ServerEvent } from "./server_event.ts";
import type { SessionSettings } from "./session_settings.ts";

/** The state a verb decides upon. */
export interface ServerState {
  /** What is offered, and how much a client may do. */
  readonly settings: SessionSettings;
  /** Whether the socket is secured. */
  readonly secure: boolean;
  /** What the client said it is; `null` before EHLO. */
  readonly hello: { readonly verb: "HELO" | "EHLO" | "LHLO"; readonly name: string } | null;
  /** Who logged in, or `null`. */
  readonly identity: string | null;
  /** The open transaction, or `null`. */
  readonly transaction: Transaction | null;
  /** Messages accepted so far. */
  readonly messages: number;
  /** A client of ours, for which `limits.messages` does not hold. */
  readonly trusted: boolean;
}

/** One mail transaction, from MAIL to the end of its message (RFC 5321 §3.3). */
export interface Transaction {
  /** Addresses and head may hold UTF-8 (RFC 6531). */
  readonly smtputf8: boolean;
  /** The message comes by BDAT and may hold any octets (RFC 3030 §3). */
  readonly binary: boolean;
  /** Recipients accepted. */
  accepted: number;
  /** Recipients refused. */
  refused: number;
  /** A BDAT came: nothing but BDAT may follow (RFC 3030 §2). */
  chunking: boolean;
}

/** The state as the session itself holds it. */
export type MutableState = { -readonly [Key in keyof ServerState]: ServerState[Key] };

/** The state when a client has just connected. */
export function newState(
  settings: SessionSettings,
  { secure = false, trusted = false }: { readonly secure?: boolean; readonly trusted?: boolean },
): MutableState {
  const nothing = { hello: null, identity: null, transaction: null, messages: 0 };
  return { settings, secure, trusted, ...nothing };
}

/** The transaction that MAIL opens. */
export function newTransaction(parameters: MailParameters): Transaction {
  return {
    smtputf8: parameters.smtputf8 === true,
    binary: parameters.body === "BINARYMIME",
    accepted: 0,
    refused: 0,
    chunking: false,
  };
}

/** What a verb makes of a command: an answer at once, or a question to the driver. */
export type VerbResult = { readonly reply: Reply } | { readonly ask: ServerEvent };

/** Octets a message may have, 0 for no limit: what is announced never lifts the limit set. */
export function sizeLimit({ extensions, limits }: SessionSettings): number {
  const announced = extensions.size === false ? 0 : extensions.size;
  if (limits.messageSize === 0 || announced === 0) return Math.max(limits.messageSize, announced);
  return Math.min(limits.messageSize, announced);
}

/** A result that answers at once. */
export function answer(code: number, enhanced: string | undefined, text: string): VerbResult {
  return { reply: reply(code, enhanced, text) };
}

/** 503: right command, wrong moment (RFC 5321 §4.3.2). */
export function outOfOrder(text: string): VerbResult {
  return answer(503, "5.5.1", text);
}

/** 502: a command we know and do not offer (RFC 5321 §4.2.4). */
export function notOffered(verb: string): VerbResult {
  return answer(502, "5.5.1", `${verb} is not offered here`);
}

/** What must be true before mail may be spoken of; `null` when it is. */
export function gate(state: ServerState): VerbResult | null {
  const { settings } = state;
  if (state.hello === null) {
    return outOfOrder(`say ${settings.protocol === "lmtp" ? "LHLO" : "EHLO"} first`);
  }
  if (settings.tls === "required" && !state.secure) {
    return answer(530, "5.7.0", "must issue a STARTTLS command first");
  }
  if (settings.auth === "required" && state.identity === null) {
    return answer(530, "5.7.0", "authentication required");
  }
  return null;
}
