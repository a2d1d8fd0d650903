/**
 * A client as plain as can be, for tests that want to know the very reply and nothing else.
 *
 * @module
 */

const encoder = new TextEncoder();

/** A server that did not say what it was expected to say. */
export class UnexpectedReply extends Error {
  /** @param reply as it came. */
  constructor(readonly reply: string) {
    super(`unexpected reply: ${reply}`);
    this.name = "UnexpectedReply";
  }
}

/** One conversation. */
export class PlainClient implements Disposable {
  readonly #connection: Deno.TcpConn;
  readonly #buffer = new Uint8Array(4096);
  readonly #decoder = new TextDecoder();
  #text = "";

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
    connection.setNoDelay(true);
  }

  /** Connects to a port of this machine and says EHLO. */
  static async connect(port: number, hostname = "127.0.0.1"): Promise<PlainClient> {
    const client = new PlainClient(await Deno.connect({ hostname, port }));
    try {
      client.expect(await client.reply(), "220");
      client.expect(await client.say("EHLO client.test"), "250");
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** Writes all of it. */
  async send(octets: Uint8Array): Promise<void> {
    for (let at = 0; at < octets.length;) at += await this.#connection.write(octets.subarray(at));
  }

  /** One reply, all its lines, without the last line end. @throws {Error} where the server is gone. */
  async reply(): Promise<string> {
    for (;;) {
      const [reply] = /^(?:\d{3}-.*\r\n)*\d{3}(?: .*)?\r\n/.exec(this.#text) ?? [];
      if (reply !== undefined) {
        this.#text = this.#text.slice(reply.length);
        return reply.trimEnd();
      }
      const length = await this.#connection.read(this.#buffer);
      if (length === null) throw new Error("the server closed the connection");
      this.#text += this.#decoder.decode(this.#buffer.subarray(0, length), { stream: true });
    }
  }

  /** Sends command lines; gives the reply to the last of them. */
  async say(...commands: readonly string[]): Promise<string> {
    await this.send(encoder.encode(commands.map((command) => `${command}\r\n`).join("")));
    for (let left = commands.length; left > 1; left--) await this.reply();
    return await this.reply();
  }

  /** @throws {UnexpectedReply} for another code. */
  expect(reply: string, code: string): void {
    if (!reply.startsWith(code)) throw new UnexpectedReply(reply);
  }

  /** As far as to where the message may come. @throws {UnexpectedReply} */
  async begin(recipients: readonly string[], pipelined = true): Promise<void> {
    const commands = [
      "MAIL FROM:<sender@client.test>",
      ...recipients.map((recipient) => `RCPT TO:<${recipient}>`),
      "DATA",
    ];
    if (pipelined) return this.expect(await this.say(...commands), "354");
    for (const command of commands) {
      this.expect(await this.say(command), command === "DATA" ? "354" : "250");
    }
  }

  /** The message, dot-stuffed, and the final dot; gives the reply to it. */
  async end(message: string): Promise<string> {
    await this.send(encoder.encode(`${message.replace(/^\./gm, "..")}.\r\n`));
    return await this.reply();
  }

  /** Sends one message; gives the reply to the final dot. */
  async mail(recipients: readonly string[], message: string): Promise<string> {
    await this.begin(recipients);
    return await this.end(message);
  }

  /** Goes without a word. Harmless twice. */
  close(): void {
    try {
      this.#connection.close();
    } catch { /* it is closed */ }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
