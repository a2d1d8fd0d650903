/**
 * Lines over a connection in memory, for clients and servers of the simulation: all that is read is waited for with
 * a limit, and whoever waits in vain hangs up.
 *
 * @module
 */

import { encode } from "../../../src/bytes.ts";
import type { Connection } from "../../../src/runtime/network.ts";
import type { Clock } from "../../../src/runtime/runtime.ts";
import { latin1 } from "../../delivery/scripted_peer.ts";

/** The other side is gone, or silent, or talks nonsense. */
export class LineDown extends Error {}

/** A connection read by lines. Octets are characters of the same number. */
export class Wire {
  #heard = "";
  readonly #buffer = new Uint8Array(16384);

  constructor(
    readonly connection: Connection,
    readonly clock: Clock,
    /** Milliseconds that something is waited for. */
    readonly patience: number,
  ) {}

  /** The next line, without its end. @throws {LineDown} */
  async line(): Promise<string> {
    for (;;) {
      const end = this.#heard.indexOf("\r\n");
      if (end >= 0) {
        const line = this.#heard.slice(0, end);
        this.#heard = this.#heard.slice(end + 2);
        return line;
      }
      await this.#more();
    }
  }

  /** So many octets. @throws {LineDown} */
  async octets(length: number): Promise<string> {
    while (this.#heard.length < length) await this.#more();
    const octets = this.#heard.slice(0, length);
    this.#heard = this.#heard.slice(length);
    return octets;
  }

  /** Up to and with the line that is a dot alone, dots undone. @throws {LineDown} */
  async text(): Promise<string> {
    for (;;) {
      const end = this.#heard.startsWith(".\r\n") ? 0 : this.#heard.indexOf("\r\n.\r\n") + 2;
      if (end !== 1) {
        const text = this.#heard.slice(0, end);
        this.#heard = this.#heard.slice(end + 3);
        return text.replace(/^\./gm, "");
      }
      await this.#more();
    }
  }

  /** A whole reply: its code. @throws {LineDown} */
  async reply(): Promise<number> {
    for (;;) {
      const line = await this.line();
      if (!/^[2-5]\d\d([ -]|$)/.test(line)) throw new LineDown(`no reply: ${line}`);
      if (line[3] !== "-") return Number(line.slice(0, 3));
    }
  }

  /** Writes. @throws {LineDown} */
  async say(text: string | Uint8Array): Promise<void> {
    await this.#within(this.connection.write(typeof text === "string" ? encode(text) : text));
  }

  async #more(): Promise<void> {
    const length = await this.#within(this.connection.read(this.#buffer));
    if (length === null) throw new LineDown("closed");
    this.#heard += latin1(this.#buffer.subarray(0, length));
  }

  async #within<T>(work: Promise<T>): Promise<T> {
    const over = new AbortController();
    this.clock.sleep(this.patience, over.signal).then(() => this.connection.close(), () => {});
    try {
      return await work;
    } catch (error) {
      throw new LineDown(String(error));
    } finally {
      over.abort("over"); // a reason, lest an error be made each time
    }
  }
}
