/**
 * EHLO, HELO, LHLO: who the client is, and what it is offered (RFC 5321 §4.1.1.1, RFC 2033 §4.1).
 *
 * @module
 */

import type { Reply } from "../reply.ts";
import { answer, type ServerState, type VerbResult } from "../server_state.ts";

/** A greeting command; the driver may refuse the name. */
export function hello(
  command: { readonly verb: "HELO" | "EHLO" | "LHLO"; readonly name: string },
  state: ServerState,
): VerbResult {
  const lmtp = state.settings.protocol === "lmtp";
  if (lmtp !== (command.verb === "LHLO")) {
    return answer(500, "5.5.1", lmtp ? "this is LMTP: say LHLO" : "this is SMTP: say EHLO");
  }
  return { ask: { type: "hello", verb: command.verb, name: command.name } };
}

/** What is said to an accepted greeting: the offer, for EHLO and LHLO. */
export function helloReply(state: ServerState): Reply {
  const name = state.settings.hostname;
  if (state.hello?.verb === "HELO") return { code: 250, lines: [name] };
  return { code: 250, lines: [`${name} greets ${state.hello?.name ?? "you"}`, ...keywords(state)] };
}

/** The keyword lines of this moment: STARTTLS goes when TLS comes, AUTH may come with it. */
export function keywords(state: ServerState): string[] {
  const { extensions: offer, limits, authInClear, tls } = state.settings;
  const { secure, trusted } = state;
  const lines: string[] = [];
  if (offer.pipelining) lines.push("PIPELINING");
  if (offer.size !== false) lines.push(`SIZE ${offer.size}`);
  if (offer.eightBitMime) lines.push("8BITMIME");
  if (offer.smtputf8) lines.push("SMTPUTF8");
  if (offer.enhancedStatusCodes) lines.push("ENHANCEDSTATUSCODES");
  if (offer.chunking) lines.push("CHUNKING");
  if (offer.chunking && offer.binaryMime) lines.push("BINARYMIME");
  if (offer.dsn) lines.push("DSN");
  if (offer.startTls && !secure) lines.push("STARTTLS");
  if (offer.auth.length > 0 && (secure || (authInClear && tls !== "required"))) {
    lines.push(`AUTH ${offer.auth.join(" ")}`);
  }
  if (offer.requireTls && secure) lines.push("REQUIRETLS");
  if (offer.etrn) lines.push("ETRN");
  if (offer.verify) lines.push("VRFY");
  if (offer.expand) lines.push("EXPN");
  if (offer.limits) {
    const most = trusted ? "" : ` MAILMAX=${limits.messages}`;
    lines.push(`LIMITS RCPTMAX=${limits.recipients}${most}`);
  }
  lines.push("HELP");
  return lines;
}
