/**
 * A mail station in memory that does what a test says: speaks SMTP well until told otherwise, and notes
 * what it hears. A second implementation of the protocol, small and lax, so that a slip common to our
 * client and our server does not go unseen.
 *
 * @module
 */

import { decode, encode } from "../../src/bytes.ts";
import type { MemoryRuntime } from "../../src/runtime/memory.ts";
import type { Connection, SocketAddress } from "../../src/runtime/network.ts";
import type { TlsServer } from "../../src/runtime/tls.ts";

/** Ends the connection instead of an answer. */
export const CLOSE = Symbol("close");
/** Says nothing, and hears nothing more. */
export const SILENCE = Symbol("silence");

/** What is done about a line. */
export type Answer = string | typeof CLOSE | typeof SILENCE;

/** What a test may say of its peer. */
export interface PeerBehaviour {
  /** Default `220 peer.example ESMTP`. */
  readonly greeting?: Answer;
  /** Keyword lines of EHLO; default PIPELINING, 8BITMIME, ENHANCEDSTATUSCODES. */
  readonly extensions?: readonly string[];
  /**
   * What is said to a line instead of the usual; `undefined`: the usual. The end of a message is the line
   * `.`, each recipient's in LMTP. Lines are told apart by text and by how many came before.
   */
  readonly on?: (line: string, peer: ScriptedPeer) => Answer | undefined;
  /** Makes STARTTLS work. */
  readonly tls?: TlsServer;
  /** TLS from the first octet. */
  readonly implicit?: boolean;
  readonly lmtp?: boolean;
  /** Closes in an orderly way once so many octets were said in a connection. */
  readonly closeAfter?: number;
  /** Falls silent once so many octets were said in a connection. */
  readonly silentAfter?: number;
}

/** One message that was taken. */
export interface TakenMessage {
  /** The line of MAIL after `MAIL FROM:`. */
  readonly mail: string;
  /** The lines of RCPT after `RCPT TO:`, those taken. */
  readonly rcpt: readonly string[];
  /** The octets, dots undone. */
  readonly text: string;
  readonly tls: boolean;
}

/** A peer that listens. */
export class ScriptedPeer {
  /** Lines heard, of all connections, without CRLF; text of messages is not among them. */
  readonly lines: string[] = [];
  /** Messages answered 2xx. */
  readonly messages: TakenMessage[] = [];
  /** How many connections were made. */
  connections = 0;
  /** How many are open. */
  open = 0;
  /** Reads that brought something, of all connections. */
  reads = 0;

  private constructor(readonly behaviour: PeerBehaviour) {}

  /** Starts a peer on a machine. */
  static async start(
    machine: MemoryRuntime,
    behaviour: PeerBehaviour = {},
    address: SocketAddress = { transport: "tcp", hostname: "0.0.0.0", port: 25 },
  ): Promise<ScriptedPeer> {
    const peer = new ScriptedPeer(behaviour);
    const listener = await machine.network.listen(address);
    (async () => {
      for (let socket; (socket = await listener.accept()) !== null;) {
        peer.connections++;
        peer.open++;
        new PeerConnection(peer, socket).serve().catch(() => {}).finally(() => peer.open--);
      }
    })();
    return peer;
  }

  /** The lines that begin with a verb. */
  said(verb: string): string[] {
    return this.lines.filter((line) => line.toUpperCase().startsWith(verb.toUpperCase()));
  }
}

class PeerConnection {
  readonly #peer: ScriptedPeer;
  #socket: Connection;
  #heard = new Uint8Array(0);
  #written = 0;
  #mail = "";
  #rcpt: string[] = [];
  #chunks: string[] = [];

  constructor(peer: ScriptedPeer, socket: Connection) {
    this.#peer = peer;
    this.#socket = socket;
  }

  async serve(): Promise<void> {
    const { behaviour } = this.#peer;
    try {
      if (behaviour.implicit) this.#socket = await this.#socket.startTlsServer(behaviour.tls!);
      if (!await this.#say(behaviour.greeting ?? "220 peer.example ESMTP")) return;
      for (;;) {
        const line = await this.#line();
        if (line === null) return;
        this.#peer.lines.push(line);
        if (!await this.#handle(line)) return;
      }
    } finally {
      this.#socket.close();
    }
  }

  async #handle(line: string): Promise<boolean> {
    const { behaviour } = this.#peer;
    const own = behaviour.on?.(line, this.#peer);
    const verb = line.split(" ")[0]!.toUpperCase();
    if (verb === "BDAT" && typeof own !== "symbol") return await this.#chunk(line, own);
    if (own !== undefined && !(verb === "DATA" && own.toString().startsWith("354"))) {
      if (verb === "RCPT" && own.toString().startsWith("2")) this.#rcpt.push(line.slice(8));
      if (verb === "MAIL" && own.toString().startsWith("2")) this.#begin(line);
      return await this.#say(own);
    }
    switch (verb) {
      case "EHLO":
      case "LHLO":
        return await this.#say(this.#hello());
      case "MAIL":
        this.#begin(line);
        return await this.#say("250 2.1.0 OK");
      case "RCPT":
        this.#rcpt.push(line.slice(8));
        return await this.#say("250 2.1.5 OK");
      case "DATA":
        if (this.#rcpt.length === 0) return await this.#say("503 5.5.1 no recipients");
        return await this.#say(own ?? "354 go on") && await this.#data();
      case "STARTTLS":
        if (behaviour.tls === undefined) return await this.#say("454 4.7.0 not now");
        if (!await this.#say("220 2.0.0 go on")) return false;
        this.#heard = new Uint8Array(0);
        this.#socket = await this.#socket.startTlsServer(behaviour.tls);
        return true;
      case "QUIT":
        await this.#say("221 2.0.0 bye");
        return false;
      default:
        return await this.#say("250 2.0.0 OK");
    }
  }

  #begin(line: string): void {
    this.#mail = line.slice(10);
    this.#rcpt = [];
    this.#chunks = [];
  }

  #hello(): string {
    const { extensions, tls } = this.#peer.behaviour;
    const usual = ["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"];
    const offered = [...extensions ?? usual];
    if (tls !== undefined && this.#socket.tls === null) offered.push("STARTTLS");
    const lines = ["peer.example", ...offered];
    return lines.map((text, at) => `250${at === lines.length - 1 ? " " : "-"}${text}`).join("\r\n");
  }

  async #data(): Promise<boolean> {
    const lines: string[] = [];
    for (;;) {
      const line = await this.#line("latin1");
      if (line === null) return false;
      if (line === ".") break;
      lines.push(line.startsWith(".") ? line.slice(1) : line);
    }
    return await this.#taken(lines.map((line) => `${line}\r\n`).join(""));
  }

  async #chunk(line: string, own: string | undefined): Promise<boolean> {
    const [, size, last] = line.split(" ");
    const octets = await this.#octets(Number(size));
    if (octets === null) return false;
    this.#chunks.push(latin1(octets));
    if (last === undefined) return await this.#say(own ?? "250 2.0.0 so far");
    const text = this.#chunks.join("");
    return await this.#taken(text);
  }

  async #taken(text: string): Promise<boolean> {
    const { behaviour } = this.#peer;
    const times = behaviour.lmtp ? this.#rcpt.length : 1;
    const rcpt = [...this.#rcpt];
    const taken: string[] = [];
    for (let at = 0; at < times; at++) {
      this.#peer.lines.push(".");
      const answer = behaviour.on?.(".", this.#peer) ?? "250 2.0.0 taken";
      if (answer.toString().startsWith("2")) taken.push(...(behaviour.lmtp ? [rcpt[at]!] : rcpt));
      if (!await this.#say(answer)) return false;
    }
    if (taken.length > 0) {
      const tls = this.#socket.tls !== null;
      this.#peer.messages.push({ mail: this.#mail, rcpt: taken, text, tls });
    }
    return true;
  }

  /** Says a line; `false` when that was the last. */
  async #say(answer: Answer): Promise<boolean> {
    if (answer === CLOSE) return false;
    if (answer === SILENCE) return await this.#fallSilent();
    let octets = encode(`${answer}\r\n`);
    const { closeAfter = Infinity, silentAfter = Infinity } = this.#peer.behaviour;
    const limit = Math.min(closeAfter, silentAfter) - this.#written;
    const last = octets.length >= limit;
    if (last) octets = octets.subarray(0, limit);
    this.#written += octets.length;
    if (octets.length > 0) await this.#socket.write(octets);
    if (!last) return true;
    return silentAfter <= closeAfter ? await this.#fallSilent() : false;
  }

  /** Until the other side has had enough. */
  async #fallSilent(): Promise<boolean> {
    while (await this.#more());
    return false;
  }

  async #line(charset: "utf8" | "latin1" = "utf8"): Promise<string | null> {
    for (;;) {
      const end = this.#heard.indexOf(0x0a);
      if (end > 0 && this.#heard[end - 1] === 0x0d) {
        const octets = this.#heard.subarray(0, end - 1);
        this.#heard = this.#heard.slice(end + 1);
        return charset === "utf8" ? decode(octets) : latin1(octets);
      }
      if (end >= 0) throw new Error("a bare LF came over the wire");
      if (!await this.#more()) return null;
    }
  }

  async #octets(length: number): Promise<Uint8Array | null> {
    while (this.#heard.length < length) if (!await this.#more()) return null;
    const octets = this.#heard.slice(0, length);
    this.#heard = this.#heard.slice(length);
    return octets;
  }

  async #more(): Promise<boolean> {
    const buffer = new Uint8Array(65536);
    const length = await this.#socket.read(buffer);
    if (length === null) return false;
    this.#peer.reads++;
    const joined = new Uint8Array(this.#heard.length + length);
    joined.set(this.#heard);
    joined.set(buffer.subarray(0, length), this.#heard.length);
    this.#heard = joined;
    return true;
  }
}

/** Octets as characters of the same number, so that texts compare octet for octet. */
export function latin1(octets: Uint8Array): string {
  let text = "";
  for (let at = 0; at < octets.length; at += 8192) {
    text += String.fromCharCode(...octets.subarray(at, at + 8192));
  }
  return text;
}
