/**
 * PLAIN (RFC 4616), the client's side: one message, `NUL authcid NUL passwd`. It goes out as it was typed: to
 * prepare it is the server's part (RFC 4616 §2).
 *
 * @module
 */

import { encode } from "../../bytes.ts";
import { type SaslClient, type SaslClientStep, saslFailed } from "./client.ts";

/**
 * One PLAIN exchange.
 *
 * @example
 * ```ts
 * import { PlainClient } from "./plain_client.ts";
 * import { encode } from "../../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(new PlainClient("tim", "tanstaaftanstaaf").start(), {
 *   type: "respond",
 *   data: encode("\0tim\0tanstaaftanstaaf"),
 * });
 * ```
 */
export class PlainClient implements SaslClient {
  readonly mechanism = "PLAIN";
  readonly #user: string;
  readonly #password: string;
  #complete = false;
  #asked = false;

  /** Logs in as `user`. */
  constructor(user: string, password: string) {
    this.#user = user;
    this.#password = password;
  }

  /** Whether the message was given. */
  get complete(): boolean {
    return this.#complete;
  }

  /** The message. */
  start(): SaslClientStep {
    if (this.#user === "" || `${this.#user}${this.#password}`.includes("\0")) {
      return saslFailed("PLAIN cannot carry an empty name, or NUL");
    }
    this.#complete = true;
    return { type: "respond", data: encode(`\0${this.#user}\0${this.#password}`) };
  }

  /** The message, when it was too long for the command; servers ask for it with an empty challenge. */
  challenge(): SaslClientStep {
    if (this.#asked) return saslFailed("the server asks for more than PLAIN has");
    this.#asked = true;
    return this.start();
  }
}
