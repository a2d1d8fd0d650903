/**
 * A ClamAV daemon in memory that speaks INSTREAM as clamd(8) describes it, and then does what a test says. A second
 * reading of the protocol: it takes the pieces apart by itself.
 *
 * @module
 */

import { concat, decode, encode } from "../../../src/bytes.ts";
import type { MemoryRuntime } from "../../../src/runtime/memory.ts";
import type { Connection, SocketAddress } from "../../../src/runtime/network.ts";

/** Where it listens if nothing else is said. */
export const CLAMD: SocketAddress = { transport: "tcp", hostname: "127.0.0.1", port: 3310 };

/** What is done with a message that has come whole. */
export type ClamdScript =
  | { readonly answer: string | Uint8Array }
  | { readonly end: "close" | "silence" };

/** What a test may say. */
export interface ClamdBehaviour {
  /** Default: `stream: OK`. */
  readonly on?: (message: string) => ClamdScript;
  /** Answers so and closes once it had so many octets of a message. */
  readonly limit?: { readonly octets: number; readonly answer: string };
  /** Says nothing and reads nothing. */
  readonly deaf?: boolean;
}

/** The daemon. */
export class ScriptedClamd {
  /** Messages that came whole. */
  readonly messages: string[] = [];
  /** The longest piece. */
  longest = 0;
  /** Connections now and at most at once. */
  open = 0;
  most = 0;

  private constructor(readonly behaviour: ClamdBehaviour) {}

  static async start(
    machine: MemoryRuntime,
    behaviour: ClamdBehaviour = {},
    address: SocketAddress = CLAMD,
  ): Promise<ScriptedClamd> {
    const clamd = new ScriptedClamd(behaviour);
    const listener = await machine.network.listen(address);
    (async () => {
      for (let socket; (socket = await listener.accept()) !== null;) {
        clamd.most = Math.max(clamd.most, ++clamd.open);
        const served = socket;
        clamd.#serve(served).catch(() => {}).finally(() => {
          clamd.open--;
          served.close();
        });
      }
    })();
    return clamd;
  }

  async #serve(connection: Connection): Promise<void> {
    const { on = () => ({ answer: "stream: OK\0" }), limit, deaf } = this.behaviour;
    const reader = new Reader(connection);
    if (deaf) return await new Promise(() => {});
    const command = decode(await reader.take(10));
    if (command !== "zINSTREAM\0") throw new Error(`unknown command: ${command}`);
    const pieces: Uint8Array[] = [];
    for (let total = 0;;) {
      const length = new DataView((await reader.take(4)).slice().buffer).getUint32(0);
      if (length === 0) break;
      this.longest = Math.max(this.longest, length);
      pieces.push((await reader.take(length)).slice());
      total += length;
      if (limit !== undefined && total > limit.octets) {
        await connection.write(encode(limit.answer));
        return connection.close();
      }
    }
    const message = decode(concat(pieces));
    this.messages.push(message);
    const script = on(message);
    if ("answer" in script) {
      const { answer } = script;
      await connection.write(typeof answer === "string" ? encode(answer) : answer);
    } else if (script.end === "silence") {
      await reader.take(1);
    }
    connection.close();
  }
}

/** Reads so many octets. */
class Reader {
  #buffer: Uint8Array = new Uint8Array(0);

  constructor(readonly connection: Connection) {}

  async take(count: number): Promise<Uint8Array> {
    while (this.#buffer.length < count) {
      const more = new Uint8Array(65_536);
      const length = await this.connection.read(more);
      if (length === null) throw new Error("closed");
      this.#buffer = concat([this.#buffer, more.subarray(0, length)]);
    }
    const taken = this.#buffer.subarray(0, count);
    this.#buffer = this.#buffer.subarray(count);
    return taken;
  }
}
