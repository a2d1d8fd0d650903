/**
 * PLAIN (RFC 4616), the server's side: one message, `[authzid] NUL authcid NUL passwd`.
 *
 * Name and password are brought to one form by {@link saslprep}; the password is the caller's to check
 * and nobody's to log. The client sees it as one more round when it sent no initial response.
 *
 * @module
 */

import { decodeStrict } from "../../bytes.ts";
import {
  malformed,
  MAX_NAME,
  MAX_PASSWORD,
  type PasswordRules,
  type SaslServer,
  type SaslStep,
} from "./sasl.ts";
import { prepPassword, saslprep } from "./saslprep.ts";

const NUL = "\0";

/**
 * One PLAIN exchange.
 *
 * @example
 * ```ts
 * import { PlainServer } from "./plain.ts";
 * import { encode } from "../../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(new PlainServer().start(encode("\0tim\0tanstaaftanstaaf")), {
 *   type: "credentials",
 *   authorize: "tim",
 *   name: "tim",
 *   password: "tanstaaftanstaaf",
 * });
 * ```
 */
export class PlainServer implements SaslServer {
  readonly mechanism = "PLAIN";
  readonly #rules: PasswordRules;

  /** A password must not be empty where the rules do not say so. */
  constructor(rules: PasswordRules = {}) {
    this.#rules = rules;
  }

  /** Reads the message, or asks for it with an empty challenge (RFC 4954 §4). */
  start(initial: Uint8Array | null): SaslStep {
    if (initial === null) return { type: "challenge", data: new Uint8Array(0) };
    return this.respond(initial);
  }

  /** Reads the message. */
  respond(data: Uint8Array): SaslStep {
    if (data.length > 2 * MAX_NAME + MAX_PASSWORD + 2) return malformed("message too long");
    const text = decodeStrict(data);
    if (text === null) return malformed("message is not UTF-8");
    const parts = text.split(NUL);
    if (parts.length !== 3) {
      return malformed("message has not the form authzid NUL name NUL password");
    }
    const [authzid, authcid, passwd] = parts as [string, string, string];
    const name = saslprep(authcid, MAX_NAME);
    if (name === null) return malformed("name is empty, too long or holds control characters");
    const authorize = authzid === "" ? name : saslprep(authzid, MAX_NAME);
    if (authorize === null) return malformed("authorization identity cannot be read", name);
    const password = prepPassword(passwd, this.#rules);
    if (password === null) return malformed("password cannot be read", name);
    return { type: "credentials", authorize, name, password };
  }
}
