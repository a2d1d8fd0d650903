/**
 * A next station in the test process, which writes down whatever it has said 250 to and lives through
 * everything that happens to those who send to it. It offers PIPELINING, and puts off what it is asked to.
 *
 * @module
 */

const encoder = new TextEncoder();

/** A message that was taken. */
export interface SunkMessage {
  readonly recipients: readonly string[];
  /** As it was sent, with trace fields, without stuffed dots. */
  readonly octets: Uint8Array;
}

/** What a sink does. */
export interface SinkOptions {
  /** Is told of each message, which is answered when this settles. */
  readonly onMessage: (message: SunkMessage) => void | Promise<void>;
  /** Whether to answer 451 at this moment, to RCPT or, for `null`, to the final dot; never by default. */
  readonly defers?: (recipient: string | null) => boolean;
}

/** A sink that listens. */
export class RecordingSink implements AsyncDisposable {
  readonly #options: SinkOptions;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #connections = new Set<Deno.TcpConn>();
  readonly #done: Promise<void>;

  constructor(options: SinkOptions) {
    this.#options = options;
    this.#done = this.#accept();
  }

  /** Where it listens. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /** How many stations are connected. */
  get connections(): number {
    return this.#connections.size;
  }

  async #accept(): Promise<void> {
    const sessions: Promise<void>[] = [];
    for await (const connection of this.#listener) {
      this.#connections.add(connection);
      const session = this.#serve(connection)
        .catch(() => {}) // the other side was killed
        .finally(() => {
          this.#connections.delete(connection);
          close(connection);
        });
      sessions.push(session);
    }
    await Promise.all(sessions);
  }

  async #serve(connection: Deno.TcpConn): Promise<void> {
    connection.setNoDelay(true);
    const input = new Input(connection);
    const defers = this.#options.defers ?? (() => false);
    let recipients: string[] = [];
    let replies = "220 sink.test\r\n";
    for (;;) {
      // A pipelined group gets its replies in one write.
      if (replies !== "" && !input.hasLine()) {
        await write(connection, replies);
        replies = "";
      }
      const line = await input.line();
      if (line === null) return;
      const verb = line.slice(0, 4).toUpperCase();
      if (verb === "EHLO") {
        replies += "250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE\r\n";
      } else if (verb === "RCPT") {
        const recipient = /<(.*?)>/.exec(line)?.[1] ?? "";
        const taken = !defers(recipient);
        if (taken) recipients.push(recipient);
        replies += taken ? "250 2.1.5 ok\r\n" : "451 4.7.1 not now\r\n";
      } else if (verb === "DATA" && recipients.length === 0) {
        replies += "554 5.5.1 no recipients\r\n";
      } else if (verb === "DATA") {
        await write(connection, `${replies}354 go on\r\n`);
        const octets = await input.message();
        if (octets === null) return;
        const taken = !defers(null);
        if (taken) await this.#options.onMessage({ recipients, octets });
        replies = taken ? "250 2.0.0 taken\r\n" : "451 4.3.0 not now\r\n";
        recipients = [];
      } else if (verb === "QUIT") {
        return await write(connection, `${replies}221 2.0.0 bye\r\n`);
      } else {
        if (verb === "MAIL" || verb === "RSET") recipients = [];
        replies += "250 2.0.0 ok\r\n";
      }
    }
  }

  /** Closes everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) close(connection);
    await this.#done.catch(() => {});
  }
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch { /* it is closed */ }
}

async function write(connection: Deno.TcpConn, text: string): Promise<void> {
  const octets = encoder.encode(text);
  for (let at = 0; at < octets.length;) at += await connection.write(octets.subarray(at));
}

/** What came and is not read yet; all of it is ASCII or UTF-8. */
class Input {
  readonly #connection: Deno.TcpConn;
  readonly #buffer = new Uint8Array(64 * 1024);
  readonly #decoder = new TextDecoder();
  #text = "";

  constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  hasLine(): boolean {
    return this.#text.includes("\r\n");
  }

  /** A line without its end; `null` when no more come. */
  async line(): Promise<string | null> {
    while (!this.hasLine()) if (!await this.#more()) return null;
    return this.#take(this.#text.indexOf("\r\n"), 2);
  }

  /** A message up to its final dot, which is taken too; `null` when that does not come. */
  async message(): Promise<Uint8Array | null> {
    for (let seen = 0;;) {
      const end = this.#text.indexOf("\r\n.\r\n", Math.max(0, seen - 4));
      if (end !== -1) {
        return encoder.encode(this.#take(end + 2, 3).replace(/^\.\./gm, "."));
      }
      seen = this.#text.length;
      if (!await this.#more()) return null;
    }
  }

  #take(length: number, skipped: number): string {
    const text = this.#text.slice(0, length);
    this.#text = this.#text.slice(length + skipped);
    return text;
  }

  async #more(): Promise<boolean> {
    const length = await this.#connection.read(this.#buffer);
    if (length === null) return false;
    this.#text += this.#decoder.decode(this.#buffer.subarray(0, length), { stream: true });
    return true;
  }
}
