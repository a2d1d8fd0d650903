/**
 * An SMTP client that does nothing but wait for replies, over any runtime's sockets: for many at once, since it
 * leaves the passing of time to others.
 *
 * @module
 */

import { decode, encode } from "../../src/bytes.ts";
import type { Connection, Network, SocketAddress } from "../../src/runtime/network.ts";

/** A reply that was not the one expected, or none. */
export class UnexpectedReply extends Error {
  /** @param line what was said. @param reply the answer; `null`: the connection ended. */
  constructor(readonly line: string, readonly reply: string | null) {
    super(`${line}: ${reply ?? "closed"}`);
    this.name = "UnexpectedReply";
  }
}

/** One connection. */
export class PlainClient {
  #connection: Connection;
  #buffer = "";
  /** The last reply to EHLO. */
  #hello = "";

  private constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Connects and waits for the greeting. */
  static async open(network: Network, address: SocketAddress): Promise<PlainClient> {
    const client = new PlainClient(await network.connect(address));
    await client.expect("connect", 220);
    return client;
  }

  /** Says EHLO, and secures itself where that is offered. */
  async hello(): Promise<void> {
    this.#hello = await this.say("EHLO client.example", 250);
    if (!this.offers("STARTTLS")) return;
    await this.say("STARTTLS", 220);
    this.#connection = await this.#connection.startTlsClient({
      serverName: "mx.example.test",
      verify: false,
    });
    this.#hello = await this.say("EHLO client.example", 250);
  }

  /** Whether the last EHLO was answered with a keyword. */
  offers(keyword: string): boolean {
    return new RegExp(`^250[- ]${keyword}\\b`, "m").test(this.#hello);
  }

  /** Sends one mail, command by command. */
  async mail(sender: string, recipients: readonly string[], text: string): Promise<void> {
    await this.say(`MAIL FROM:<${sender}>`, 250);
    for (const recipient of recipients) await this.say(`RCPT TO:<${recipient}>`, 250);
    await this.say("DATA", 354);
    await this.say(`${text}\r\n.`, 250);
  }

  /** Sends a line and waits for its reply. */
  async say(line: string, code: number): Promise<string> {
    await this.#connection.write(encode(`${line}\r\n`));
    return await this.expect(line, code);
  }

  /** @throws {UnexpectedReply} when the next reply has another code, or none comes. */
  async expect(line: string, code: number): Promise<string> {
    const reply = await this.#reply();
    if (reply === null || !reply.startsWith(`${code}`)) throw new UnexpectedReply(line, reply);
    return reply;
  }

  /** Says good-bye and waits until it is heard. */
  async quit(): Promise<void> {
    await this.say("QUIT", 221);
    this.close();
  }

  /** Goes away without a word. */
  close(): void {
    this.#connection.close();
  }

  async #reply(): Promise<string | null> {
    const bytes = new Uint8Array(4096);
    for (;;) {
      const whole = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(this.#buffer);
      if (whole !== null) {
        this.#buffer = this.#buffer.slice(whole[0].length);
        return whole[0].trimEnd();
      }
      const length = await this.#connection.read(bytes).catch(() => null);
      if (length === null) return null;
      this.#buffer += decode(bytes.subarray(0, length));
    }
  }
}
