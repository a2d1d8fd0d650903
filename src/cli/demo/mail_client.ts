/**
 * The mail program of somebody who sends a mail: STARTTLS with the certificate checked, a login, one
 * message, one command at a time, as it is told in books.
 *
 * @module
 */

import { concat, decode, encode } from "../../bytes.ts";
import type { Connection, Network, SocketAddress } from "../../runtime/network.ts";

/** What to send, and how. */
export interface Submission {
  readonly network: Network;
  readonly server: SocketAddress;
  /** The server's name, which its certificate must be for. */
  readonly serverName: string;
  /** Whom to trust, PEM. */
  readonly authority: string;
  readonly user: string;
  readonly password: string;
  readonly sender: string;
  readonly recipient: string;
  /** Its lines end in CRLF. */
  readonly message: string;
}

/**
 * Sends it; resolves with the server's last word.
 *
 * @throws {Error} when the server says no; the message is what it said.
 */
export async function submitMail(submission: Submission): Promise<string> {
  const { network, server, serverName, authority, user, password } = submission;
  let client = new Dialogue(await network.connect(server));
  try {
    await client.hear(220);
    await client.say("EHLO laptop.a.example", 250);
    await client.say("STARTTLS", 220);
    client = await client.secure(serverName, authority);
    await client.say("EHLO laptop.a.example", 250);
    await client.say(`AUTH PLAIN ${encode(`\0${user}\0${password}`).toBase64()}`, 235);
    await client.say(`MAIL FROM:<${submission.sender}>`, 250);
    await client.say(`RCPT TO:<${submission.recipient}>`, 250);
    await client.say("DATA", 354);
    // RFC 5321 §4.5.2: a dot at the beginning of a line is said twice.
    const accepted = await client.say(`${submission.message.replaceAll(/^\./gm, "..")}.`, 250);
    await client.say("QUIT", 221);
    return accepted;
  } finally {
    client.close();
  }
}

/** One command, one reply. */
class Dialogue {
  readonly #connection: Connection;
  #heard = new Uint8Array(0);

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async say(text: string, code: number): Promise<string> {
    await this.#connection.write(encode(`${text}\r\n`));
    return await this.hear(code);
  }

  async hear(code: number): Promise<string> {
    const buffer = new Uint8Array(4096);
    for (;;) {
      const text = decode(this.#heard);
      const reply = /^(?:\d{3}-[^\r]*\r\n)*\d{3}(?: [^\r]*)?\r\n/.exec(text)?.[0];
      if (reply !== undefined) {
        this.#heard = this.#heard.subarray(encode(reply).length);
        if (reply.startsWith(`${code}`)) return reply.trimEnd();
        throw new Error(`the server said: ${reply.trimEnd()}`);
      }
      const length = await this.#connection.read(buffer);
      if (length === null) throw new Error("the server hung up");
      this.#heard = concat([this.#heard, buffer.subarray(0, length)]) as Uint8Array<ArrayBuffer>;
    }
  }

  async secure(serverName: string, authority: string): Promise<Dialogue> {
    const options = { serverName, verify: true, authorities: [authority] };
    return new Dialogue(await this.#connection.startTlsClient(options));
  }

  close(): void {
    this.#connection.close();
  }
}
