/**
 * A {@link ClientSession} and a {@link ServerSession} that talk to each other in memory, `size` octets at a time,
 * each piece in a buffer that is overwritten afterwards. TLS is had by saying so.
 *
 * The server takes everything but recipients whose local part begins with `no`; its one user is `tim` with
 * the password `tanstaaftanstaaf`.
 *
 * @module
 */

import { pbkdf2Sync } from "node:crypto";
import { concat, encode } from "../../src/bytes.ts";
import { type Role, type RoleOverrides, settingsOf } from "../../src/server/roles.ts";
import type { ClientEvent } from "../../src/smtp/client_event.ts";
import { ClientSession } from "../../src/smtp/client_session.ts";
import { type ClientOptions, clientSettings } from "../../src/smtp/client_settings.ts";
import { reply } from "../../src/smtp/reply.ts";
import { scramKeys } from "../../src/smtp/sasl/scram_verifier.ts";
import type { ServerAnswer, ServerEvent } from "../../src/smtp/server_event.ts";
import { ServerSession } from "../../src/smtp/server_session.ts";
import type { SessionTap } from "../../src/smtp/session_tap.ts";

const PASSWORD = "tanstaaftanstaaf";
const SALT = encode("sixteen octets..");

/** A message that the server took. */
export interface TakenMessage {
  readonly sender: Extract<ServerEvent, { type: "sender" }>;
  readonly recipients: readonly Extract<ServerEvent, { type: "recipient" }>[];
  readonly command: "DATA" | "BDAT";
  readonly content: Uint8Array;
}

/** How the two are set. */
export interface PairOptions {
  readonly role?: Role;
  readonly server?: RoleOverrides;
  readonly client?: ClientOptions;
  /** Octets that travel at a time. Default 1. */
  readonly size?: number;
  /** Who listens in, on either side. */
  readonly taps?: { readonly client: SessionTap; readonly server: SessionTap };
}

/** The two sessions. */
export class SessionPair {
  readonly client: ClientSession;
  readonly server: ServerSession;
  /** What the server took. */
  readonly messages: TakenMessage[] = [];
  /** What the client told and nobody has looked at. */
  readonly events: ClientEvent[] = [];
  /** What of the client's doings the server did not like. */
  readonly faults: ServerEvent[] = [];
  /** Who the server thinks has logged in. */
  identity: string | null = null;
  /** Octets that the client said. */
  readonly said: Uint8Array[] = [];
  readonly #size: number;
  #sender: TakenMessage["sender"] | null = null;
  #recipients: Extract<ServerEvent, { type: "recipient" }>[] = [];
  #command: "DATA" | "BDAT" = "DATA";
  #content: Uint8Array[] = [];

  constructor({ role = "mx", server = {}, client = {}, size = 1, taps }: PairOptions = {}) {
    this.#size = size;
    const protocol = role === "lmtp" ? "lmtp" : "smtp";
    const settings = clientSettings("mta.example", { protocol, ...client });
    this.client = new ClientSession(settings, {
      nonce: () => "client-nonce",
      ...(taps && { tap: taps.client }),
    });
    this.server = new ServerSession(settingsOf(role, "mx.example", server), {
      nonce: () => "server-nonce",
      ...(taps && { tap: taps.server }),
    });
    this.run();
  }

  /** Lets both talk until neither has anything to say. */
  run(): void {
    for (let moved = true; moved;) {
      const before = this.events.length;
      for (let event; (event = this.client.next()) !== null;) this.#told(event);
      moved = this.events.length > before;
      this.#serve();
      const commands = this.client.take().slice();
      if (commands.length > 0) this.said.push(commands);
      this.#carry(commands, (piece) => {
        if (this.server.waiting === "bytes") this.server.receive(piece);
        this.#serve();
      });
      const replies = this.server.take().slice();
      this.#carry(replies, (piece) => this.client.receive(piece));
      moved ||= commands.length + replies.length > 0;
      if (!moved && this.server.waiting === "tls") {
        this.server.tlsStarted();
        this.client.tlsStarted();
        moved = true;
      }
    }
  }

  #carry(octets: Uint8Array, give: (piece: Uint8Array) => void): void {
    for (let at = 0; at < octets.length; at += this.#size) {
      const piece = octets.slice(at, Math.min(octets.length, at + this.#size));
      give(piece);
      piece.fill(0xaa);
    }
  }

  #told(event: ClientEvent): void {
    this.events.push(event);
    if (event.type !== "derive") return;
    const { password, salt, iterations } = event;
    this.client.derived(pbkdf2Sync(password, salt, iterations, 32, "sha256"));
  }

  #serve(): void {
    for (let event; (event = this.server.next()) !== null;) {
      const answer = this.#answer(event);
      if (answer !== null) this.server.answer(answer);
    }
  }

  #answer(event: ServerEvent): ServerAnswer | null {
    switch (event.type) {
      case "connect":
        return { reply: reply(220, undefined, "mx.example ESMTP") };
      case "auth":
        return event.name === "tim" && event.password === PASSWORD
          ? this.#loggedIn(event.name)
          : { reply: reply(535, "5.7.8", "no") };
      case "scram": {
        const keys = scramKeys(pbkdf2Sync(PASSWORD, SALT, 4096, 32, "sha256"));
        return { verifier: { iterations: 4096, salt: SALT, ...keys } };
      }
      case "authenticated":
        return this.#loggedIn(event.name);
      case "sender":
        this.#sender = event;
        this.#recipients = [];
        break;
      case "recipient":
        if (event.recipient.local.startsWith("no")) return { reply: reply(550, "5.1.1", "no") };
        this.#recipients.push(event);
        break;
      case "body":
        this.#command = event.command;
        this.#content = [];
        return { reply: reply(354, undefined, "go ahead") };
      case "chunk":
        this.#content.push(event.bytes.slice());
        return null;
      case "end":
        return this.#end();
      case "fault":
      case "abort":
        this.faults.push(event);
        return null;
      case "starttls":
      case "auth-failed":
      case "quit":
        return null;
    }
    return { reply: reply(250, "2.0.0", "ok") };
  }

  #loggedIn(name: string): ServerAnswer {
    this.identity = name;
    return { identity: name };
  }

  #end(): ServerAnswer {
    this.messages.push({
      sender: this.#sender!,
      recipients: this.#recipients,
      command: this.#command,
      content: concat(this.#content),
    });
    if (this.server.state.settings.protocol !== "lmtp") {
      return { reply: reply(250, "2.0.0", "taken") };
    }
    return {
      replies: this.#recipients.map(({ recipient }) =>
        reply(250, "2.0.0", `taken for ${recipient.local}`)
      ),
    };
  }
}
