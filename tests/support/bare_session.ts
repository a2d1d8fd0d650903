/**
 * Carries a dialogue to a bare {@link ServerSession}: no socket, no policy, no disk. The few answers a
 * session needs are made here from the dialogue's set-up.
 *
 * @module
 */

import type { Address } from "../../src/address.ts";
import { concat } from "../../src/bytes.ts";
import { type Role, settingsOf } from "../../src/server/roles.ts";
import { reply } from "../../src/smtp/reply.ts";
import type { ServerAnswer, ServerEvent } from "../../src/smtp/server_event.ts";
import { ServerSession } from "../../src/smtp/server_session.ts";
import type { DialogueSetup, DialogueTransport } from "./dialogue.ts";
import { overridesOf } from "./dialogue_settings.ts";

/** A session and what it is told. */
export class BareSession implements DialogueTransport {
  /** Every message taken, whole. */
  readonly messages: Uint8Array[] = [];
  readonly #session: ServerSession;
  readonly #setup: DialogueSetup;
  readonly #mailboxes: ReadonlySet<string>;
  readonly #said: Uint8Array[] = [];
  #body: Uint8Array[] = [];

  /** @param size octets the session is given at a time. */
  constructor(setup: DialogueSetup, readonly size = Infinity) {
    this.#setup = setup;
    const users = setup.users.map(({ name }) => name);
    this.#mailboxes = new Set([...setup.mailboxes, ...users].map((name) => name.toLowerCase()));
    const settings = settingsOf(setup.listener as Role, setup.hostname, overridesOf(setup));
    this.#session = new ServerSession(settings, { nonce: () => "rOprNGfwEbeRWgbNEkqO" });
    this.#run();
  }

  /** Gives the session the octets, at most `size` at a time, each in a buffer overwritten afterwards. */
  send(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += this.size) {
      const piece = bytes.slice(at, Math.min(bytes.length, at + this.size));
      if (this.#session.waiting !== "bytes") break;
      this.#session.receive(piece);
      this.#run();
      piece.fill(0xaa);
    }
    return Promise.resolve();
  }

  /** What the session said. */
  receive(): Promise<Uint8Array | null> {
    const bytes = this.#said.shift();
    if (bytes !== undefined) return Promise.resolve(bytes);
    if (this.#session.waiting === "closed") return Promise.resolve(null);
    return Promise.reject(new Error("the session waits and has nothing to say"));
  }

  /** As if the handshake were done. */
  startTls(): Promise<void> {
    this.#session.tlsStarted();
    this.#run();
    return Promise.resolve();
  }

  #run(): void {
    for (let event = this.#session.next(); event !== null; event = this.#session.next()) {
      const answer = this.#answer(event);
      if (answer !== undefined) this.#session.answer(answer);
    }
    const bytes = this.#session.take();
    if (bytes.length > 0) this.#said.push(bytes.slice());
  }

  #answer(event: ServerEvent): ServerAnswer | undefined {
    switch (event.type) {
      case "connect":
        return { reply: reply(220, undefined, `${this.#setup.hostname} ESMTP`) };
      case "hello":
        return { reply: reply(250, undefined, "") };
      case "auth":
        return this.#login(event.name, event.password);
      case "sender":
        return { reply: this.#maySend(event.sender) ? OK("2.1.0") : REFUSED("5.7.1") };
      case "recipient":
        return this.#recipient(event.recipient);
      case "body":
        this.#body = [];
        return { reply: reply(354, undefined, "go ahead") };
      case "chunk":
        this.#body.push(event.bytes.slice());
        return undefined;
      case "end":
        this.messages.push(concat(this.#body));
        return { reply: OK("2.0.0") };
      case "verify":
        return { reply: reply(252, "2.5.0", "send and see") };
      case "expand":
      case "etrn":
        return { reply: reply(502, "5.5.1", "not here") };
      case "scram":
      case "authenticated":
        throw new Error("no dialogue uses SCRAM: its nonces are not the same twice");
      default:
        return undefined;
    }
  }

  #login(name: string, password: string): ServerAnswer {
    const known = this.#setup.users.some((user) =>
      user.name === name && user.password === password
    );
    return known ? { identity: name } : { reply: reply(535, "5.7.8", "no") };
  }

  #maySend(sender: Address | null): boolean {
    const { identity } = this.#session.state;
    return identity === null || (sender !== null && nameOf(sender) === identity);
  }

  #recipient(address: Address): ServerAnswer {
    const { domains } = this.#setup;
    if (address.domain !== "" && !domains.includes(address.domain)) {
      return { reply: REFUSED("5.7.1") };
    }
    const known = address.local.toLowerCase() === "postmaster" ||
      this.#mailboxes.has(nameOf(address));
    return { reply: known ? OK("2.1.5") : REFUSED("5.1.1") };
  }
}

function nameOf(address: Address): string {
  return `${address.local}@${address.domain}`.toLowerCase();
}

const OK = (enhanced: string) => reply(250, enhanced, "ok");
const REFUSED = (enhanced: string) => reply(550, enhanced, "no");
