/**
 * The mechanisms by name.
 *
 * @module
 */

import type { SaslMechanism } from "../extensions.ts";
import { LoginServer } from "./login.ts";
import { PlainServer } from "./plain.ts";
import type { SaslServer } from "./sasl.ts";
import { ScramServer } from "./scram.ts";

/**
 * The machine for one AUTH command.
 *
 * @param mechanism one that was offered.
 * @param nonce for SCRAM: at least 18 fresh random octets in base64 (RFC 5802 §5.1 `s-nonce`).
 */
export function saslServer(mechanism: SaslMechanism, nonce: string): SaslServer {
  switch (mechanism) {
    case "PLAIN":
      return new PlainServer();
    case "LOGIN":
      return new LoginServer();
    case "SCRAM-SHA-256":
      return new ScramServer(nonce);
  }
}
