/**
 * LOGIN (draft-murchison-sasl-login-00: never a standard, still what many programs send), the server's
 * side: two questions, two answers. The prompts are the ones clients of old compare with.
 *
 * Some clients send the name along with AUTH; it is taken as the first answer. Names and passwords are
 * prepared as for PLAIN.
 *
 * @module
 */

import { decodeStrict, encode } from "../../bytes.ts";
import {
  malformed,
  MAX_NAME,
  MAX_PASSWORD,
  type PasswordRules,
  type SaslServer,
  type SaslStep,
} from "./sasl.ts";
import { prepPassword, saslprep } from "./saslprep.ts";

/**
 * One LOGIN exchange.
 *
 * @example
 * ```ts
 * import { LoginServer } from "./login.ts";
 * import { decode, encode } from "../../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const machine = new LoginServer();
 * const step = machine.start(null);
 * assertEquals(step.type === "challenge" && decode(step.data), "Username:");
 * machine.respond(encode("tim"));
 * assertEquals(machine.respond(encode("secret")).type, "credentials");
 * ```
 */
export class LoginServer implements SaslServer {
  readonly mechanism = "LOGIN";
  readonly #rules: PasswordRules;
  #name: string | null = null;

  /** A password must not be empty where the rules do not say so. */
  constructor(rules: PasswordRules = {}) {
    this.#rules = rules;
  }

  /** Asks for the name, or takes it from the initial response and asks for the password. */
  start(initial: Uint8Array | null): SaslStep {
    if (initial !== null) return this.respond(initial);
    return { type: "challenge", data: encode("Username:") };
  }

  /** The name, then the password. */
  respond(data: Uint8Array): SaslStep {
    if (this.#name === null) {
      const text = read(data, MAX_NAME);
      const name = text === null ? null : saslprep(text, MAX_NAME);
      if (name === null) return malformed("name is empty, too long or holds control characters");
      this.#name = name;
      return { type: "challenge", data: encode("Password:") };
    }
    const text = read(data, MAX_PASSWORD);
    const password = text === null ? null : prepPassword(text, this.#rules);
    if (password === null) return malformed("password cannot be read", this.#name);
    return { type: "credentials", authorize: this.#name, name: this.#name, password };
  }
}

function read(data: Uint8Array, limit: number): string | null {
  // NFKC can shorten a text, so what came may be longer than what is kept, but not without end.
  return data.length > 4 * limit ? null : decodeStrict(data);
}
