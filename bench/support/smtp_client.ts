/**
 * A client that sends one message after the other, with little work of its own. It takes no reply for granted:
 * any other than the expected one ends it.
 *
 * @module
 */

import { encode } from "../../src/bytes.ts";

/** How messages are sent. */
export interface Transaction {
  /** The envelope's commands with DATA: one group where the client pipelines (RFC 2920), else three. */
  readonly commands: readonly Uint8Array[];
  /** The message with its final dot. */
  readonly body: Uint8Array;
}

/** A transaction whose message has about `size` octets, in lines of 76. */
export function transactionOf(size: number, recipient: string, pipelined: boolean): Transaction {
  const commands = ["MAIL FROM:<a@client.test>\r\n", `RCPT TO:<${recipient}>\r\n`, "DATA\r\n"];
  const head = `From: <a@client.test>\r\nTo: <${recipient}>\r\nSubject: bench\r\n` +
    "Date: Sun, 22 Nov 2026 12:00:00 +0000\r\nMessage-Id: <1@client.test>\r\n\r\n";
  const lines = Math.max(0, Math.round((size - head.length) / 78));
  return {
    commands: (pipelined ? [commands.join("")] : commands).map((text) => encode(text)),
    body: encode(`${head}${`${"x".repeat(76)}\r\n`.repeat(lines)}.\r\n`),
  };
}

const LF = 10;
const HYPHEN = 45;

/** One session. */
export class SmtpClient {
  readonly #connection: Deno.TcpConn;
  readonly #buffer = new Uint8Array(4096);
  #at = 0;
  #end = 0;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
    connection.setNoDelay(true);
  }

  /** Connects, and is greeted. */
  static async connect(port: number): Promise<SmtpClient> {
    const client = new SmtpClient(await Deno.connect({ hostname: "127.0.0.1", port }));
    await client.#expect(220);
    await client.command("EHLO client.test", 250);
    return client;
  }

  /** Says a command, which must be answered so. */
  async command(text: string, code: number): Promise<void> {
    await this.#write(encode(`${text}\r\n`));
    await this.#expect(code);
  }

  /** Sends a message; gives the milliseconds from its final dot to the reply. */
  async send({ commands, body }: Transaction): Promise<number> {
    if (commands.length === 1) {
      await this.#write(commands[0]!);
      await this.#expect(250);
      await this.#expect(250);
    } else {
      for (const command of commands.slice(0, -1)) {
        await this.#write(command);
        await this.#expect(250);
      }
      await this.#write(commands.at(-1)!);
    }
    await this.#expect(354);
    const start = performance.now();
    await this.#write(body);
    await this.#expect(250);
    return performance.now() - start;
  }

  /** Takes leave. */
  async quit(): Promise<void> {
    await this.command("QUIT", 221);
    this.close();
  }

  /** Hangs up. */
  close(): void {
    this.#connection.close();
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
  }

  /** Reads a reply, all its lines. */
  async #expect(code: number): Promise<void> {
    for (;;) {
      const line = await this.#line();
      if (line[3] === HYPHEN) continue;
      const got = (line[0]! - 48) * 100 + (line[1]! - 48) * 10 + line[2]! - 48;
      if (got !== code) throw new Error(`wanted ${code}: ${new TextDecoder().decode(line)}`);
      return;
    }
  }

  /** The next line, valid until the next call. */
  async #line(): Promise<Uint8Array> {
    for (let seen = this.#at;;) {
      const found = this.#buffer.subarray(0, this.#end).indexOf(LF, seen);
      if (found >= 0) {
        const line = this.#buffer.subarray(this.#at, found);
        this.#at = found + 1;
        return line;
      }
      seen = this.#end - this.#at;
      this.#buffer.copyWithin(0, this.#at, this.#end);
      this.#at = 0;
      this.#end = seen;
      const count = await this.#connection.read(this.#buffer.subarray(seen));
      if (count === null || count === 0) throw new Error("the server has hung up");
      this.#end += count;
    }
  }
}
