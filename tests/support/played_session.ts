/**
 * Octets played to a server session that says yes to everything but `refuse@…`, and what the session came to.
 *
 * @module
 */

import { concat, decode, encode } from "../../src/bytes.ts";
import { type Role, type RoleOverrides, settingsOf } from "../../src/server/roles.ts";
import { reply } from "../../src/smtp/reply.ts";
import type { ServerAnswer, ServerEvent } from "../../src/smtp/server_event.ts";
import { ServerSession } from "../../src/smtp/server_session.ts";
import { latin1 } from "./feed.ts";

/** What a run of the session came to. */
export interface Played {
  readonly said: string;
  /** Its events but the chunks, as JSON. */
  readonly happened: readonly string[];
  /** Each whole message, an octet a character. */
  readonly messages: readonly string[];
  readonly waiting: string;
}

/** How the session is set up. */
export interface PlaySetup extends RoleOverrides {
  /** Whether it is over TLS from the start. Default `false`. */
  readonly secure?: boolean;
}

/** Plays pieces to a session, each overwritten when it has been heard: nobody may keep a view of it. */
export function play(role: Role, pieces: readonly Uint8Array[], setup: PlaySetup): Played {
  const { secure = false, ...overrides } = setup;
  const settings = settingsOf(role, "mx.example", overrides);
  const session = new ServerSession(settings, { nonce: () => "nonce", secure });
  const said: Uint8Array[] = [];
  const happened: string[] = [];
  const messages: string[] = [];
  let body: Uint8Array[] = [];
  const run = () => {
    for (let event; (event = session.next()) !== null;) {
      if (event.type === "chunk") {
        body.push(event.bytes.slice());
        continue;
      }
      happened.push(JSON.stringify(event));
      if (event.type === "body") body = [];
      if (event.type === "end") messages.push(latin1(concat(body)));
      const answer = answerTo(event, session);
      if (answer !== null) session.answer(answer);
    }
    said.push(session.take().slice());
    if (session.waiting === "tls") {
      session.tlsStarted();
      run();
    }
  };
  run();
  for (const piece of pieces) {
    if (session.waiting !== "bytes") break;
    const given = piece.slice();
    session.receive(given);
    run();
    given.fill(0xa5);
  }
  return { said: decode(concat(said)), happened, messages, waiting: session.waiting };
}

function answerTo(event: ServerEvent, session: ServerSession): ServerAnswer | null {
  switch (event.type) {
    case "connect":
      return { reply: reply(220, undefined, "mx.example ESMTP") };
    case "auth":
    case "authenticated":
      return event.name === "refuse"
        ? { reply: reply(535, "5.7.8", "no") }
        : { identity: event.name };
    case "scram":
      return {
        verifier: {
          iterations: 4096,
          salt: encode("salt"),
          storedKey: new Uint8Array(32),
          serverKey: new Uint8Array(32),
        },
      };
    case "recipient":
      return event.recipient.local === "refuse"
        ? { reply: reply(550, "5.1.1", "no") }
        : { reply: reply(250, "2.1.5", "ok") };
    case "body":
      return { reply: reply(354, undefined, "go ahead") };
    case "end": {
      const good = reply(250, "2.0.0", "ok");
      const { settings, transaction } = session.state;
      return settings.protocol === "lmtp"
        ? { replies: new Array(transaction!.accepted).fill(good) }
        : { reply: good };
    }
    case "auth-failed":
    case "abort":
    case "starttls":
    case "fault":
    case "quit":
    case "chunk":
      return null;
    default:
      return { reply: reply(250, "2.0.0", "ok") };
  }
}
