/**
 * An SMTP conversation overheard: octets become lines with who says them to whom. It follows just enough
 * of the protocol to tell commands from the message, and to keep secrets to itself.
 *
 * @module
 */

import { decode } from "../../bytes.ts";
import type { TlsInfo } from "../../runtime/tls.ts";
import type { Tap } from "./tap.ts";

/** What somebody says: a line, or a whole reply of several. */
export interface SpokenLine {
  readonly from: string;
  readonly to: string;
  /** `message`: a line of the mail itself. */
  readonly kind: "command" | "reply" | "message";
  /** The lines of a reply are joined by ` · `. */
  readonly text: string;
  /** Inside TLS: nobody but the two can read it. */
  readonly secret: boolean;
}

/** Who is told. */
export interface Listeners {
  /** A line was said. */
  readonly line: (line: SpokenLine) => void;
  /** The two have agreed on TLS. */
  readonly tls: (client: string, server: string, info: TlsInfo) => void;
}

/** What stands for a secret. */
const MASK = "••••••";

/** One conversation between a client and a server; it is the {@link Tap} of the client's connection. */
export class Conversation implements Tap {
  readonly #client: string;
  readonly #server: string;
  readonly #listeners: Listeners;
  #secret = false;
  /** The beginnings of lines. */
  #sent = "";
  #received = "";
  /** The lines of a reply whose last is still to come. */
  #reply: string[] = [];
  #mode: "commands" | "message" | "login" = "commands";
  /** Octets of a BDAT chunk still to come. */
  #chunk = 0;

  /** @param client who opened it. @param server to whom. */
  constructor(client: string, server: string, listeners: Listeners) {
    this.#client = client;
    this.#server = server;
    this.#listeners = listeners;
  }

  sent(octets: Uint8Array): void {
    const lines = (this.#sent + decode(octets)).split("\r\n");
    this.#sent = lines.pop() ?? "";
    for (const line of lines) this.#say(line);
  }

  received(octets: Uint8Array): void {
    const lines = (this.#received + decode(octets)).split("\r\n");
    this.#received = lines.pop() ?? "";
    for (const line of lines) this.#answer(line);
  }

  secured(info: TlsInfo): void {
    this.#secret = true;
    this.#listeners.tls(this.#client, this.#server, info);
  }

  closed(): void {}

  #say(text: string): void {
    const message = this.#mode === "message" || this.#chunk > 0;
    const shown = this.#mode === "login" ? MASK : message ? text : maskLogin(text);
    this.#listeners.line({
      from: this.#client,
      to: this.#server,
      kind: message ? "message" : "command",
      text: shown,
      secret: this.#secret,
    });
    this.#followCommand(text, message);
  }

  #followCommand(text: string, message: boolean): void {
    if (this.#chunk > 0) {
      this.#chunk = Math.max(0, this.#chunk - new TextEncoder().encode(`${text}\r\n`).length);
    } else if (message && text === ".") {
      this.#mode = "commands";
    } else if (!message) {
      this.#chunk = Number(/^BDAT (\d{1,12})/i.exec(text)?.[1] ?? 0);
    }
  }

  #answer(line: string): void {
    const more = /^(\d{3})-(.*)$/.exec(line);
    if (more !== null) {
      this.#reply.push(this.#reply.length === 0 ? `${more[1]} ${more[2]}` : more[2]!);
      return;
    }
    const last = this.#reply.length === 0 ? line : line.slice(4);
    const text = [...this.#reply, last].join(" · ");
    this.#reply = [];
    this.#listeners.line({
      from: this.#server,
      to: this.#client,
      kind: "reply",
      text,
      secret: this.#secret,
    });
    if (/^354/.test(line)) this.#mode = "message";
    else if (/^334/.test(line)) this.#mode = "login";
    else if (this.#mode === "login") this.#mode = "commands";
  }
}

/** `AUTH PLAIN` with its password hidden. */
function maskLogin(command: string): string {
  return command.replace(/^(AUTH \S+ ).+$/i, `$1${MASK}`);
}
