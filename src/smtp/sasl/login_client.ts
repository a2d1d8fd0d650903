/**
 * LOGIN (draft-murchison-sasl-login-00: never a standard, still all that some servers have), the client's side:
 * the name for the first question, the password for the second, whatever they ask.
 *
 * @module
 */

import { encode } from "../../bytes.ts";
import { type SaslClient, type SaslClientStep, saslFailed } from "./client.ts";

/**
 * One LOGIN exchange.
 *
 * @example
 * ```ts
 * import { LoginClient } from "./login_client.ts";
 * import { encode } from "../../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const machine = new LoginClient("tim", "secret");
 * assertEquals(machine.start(), { type: "wait" });
 * assertEquals(machine.challenge(), { type: "respond", data: encode("tim") });
 * assertEquals(machine.challenge(), { type: "respond", data: encode("secret") });
 * ```
 */
export class LoginClient implements SaslClient {
  readonly mechanism = "LOGIN";
  readonly #answers: string[];

  /** Logs in as `user`. */
  constructor(user: string, password: string) {
    this.#answers = [user, password];
  }

  /** Whether both questions were answered. */
  get complete(): boolean {
    return this.#answers.length === 0;
  }

  /** Waits for the first question: some servers take no initial response. */
  start(): SaslClientStep {
    return { type: "wait" };
  }

  /** The name, then the password. */
  challenge(): SaslClientStep {
    const answer = this.#answers.shift();
    if (answer === undefined) return saslFailed("the server asks for more than LOGIN has");
    return { type: "respond", data: encode(answer) };
  }
}
