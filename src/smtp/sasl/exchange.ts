/**
 * One AUTH exchange as SMTP carries it (RFC 4954 §4): base64 lines in, 334 lines and questions out,
 * around a SASL mechanism that knows nothing of SMTP.
 *
 * @module
 */

import { decode } from "../../bytes.ts";
import type { SaslMechanism } from "../extensions.ts";
import { type Reply, reply } from "../reply.ts";
import type { ServerEvent } from "../server_event.ts";
import { formatBase64, parseBase64 } from "./base64.ts";
import { LoginServer } from "./login.ts";
import { PlainServer } from "./plain.ts";
import type { PasswordRules, SaslServer, SaslStep } from "./sasl.ts";
import { ScramServer, type ScramVerifier } from "./scram.ts";

/** What the session does next. */
export type SaslOutcome =
  | { readonly challenge: Reply }
  | { readonly ask: ServerEvent }
  | { readonly failed: Extract<ServerEvent, { type: "auth-failed" }>; readonly reply: Reply };

/** The exchange of one AUTH command. */
export class SaslExchange {
  readonly #machine: SaslServer;

  constructor(mechanism: string, nonce: () => string, rules: PasswordRules = {}) {
    this.#machine = newServer(mechanism.toUpperCase() as SaslMechanism, nonce, rules);
  }

  /** Begins; `initial` is the base64 after the mechanism, `null` when there was none. */
  start(initial: string | null): SaslOutcome {
    if (initial === null) return this.#outcome(this.#machine.start(null));
    const octets = parseBase64(initial);
    return octets === null ? this.#malformed() : this.#outcome(this.#machine.start(octets));
  }

  /** A line of the client's. */
  respond(line: Uint8Array): SaslOutcome {
    const text = decode(line);
    if (text === "*") return this.#failed("cancelled", null, reply(501, "5.7.0", "cancelled"));
    const octets = parseBase64(text);
    return octets === null ? this.#malformed() : this.#outcome(this.#machine.respond(octets));
  }

  /** The verifier that was asked for. */
  verifier(verifier: ScramVerifier): SaslOutcome {
    return this.#outcome(this.#machine.verifier!(verifier));
  }

  #outcome(step: SaslStep): SaslOutcome {
    const { mechanism } = this.#machine;
    switch (step.type) {
      case "challenge":
        return { challenge: { code: 334, lines: [formatBase64(step.data)] } };
      case "credentials": {
        const { authorize, name, password } = step;
        return { ask: { type: "auth", mechanism, authorize, name, password } };
      }
      case "verifier":
        return { ask: { type: "scram", mechanism, name: step.name } };
      case "proved":
        return {
          ask: { type: "authenticated", mechanism, authorize: step.authorize, name: step.name },
        };
      case "failed": {
        if (step.malformed) return this.#malformed(step.reason, step.name);
        const refusal = reply(535, "5.7.8", "authentication failed");
        return this.#failed(step.reason, step.name, refusal);
      }
    }
  }

  #malformed(reason = "not base64", name: string | null = null): SaslOutcome {
    return this.#failed(reason, name, reply(501, "5.5.2", `cannot read that: ${reason}`));
  }

  #failed(reason: string, name: string | null, refusal: Reply): SaslOutcome {
    const { mechanism } = this.#machine;
    return { failed: { type: "auth-failed", mechanism, name, reason }, reply: refusal };
  }
}

function newServer(
  mechanism: SaslMechanism,
  nonce: () => string,
  rules: PasswordRules,
): SaslServer {
  switch (mechanism) {
    case "PLAIN":
      return new PlainServer(rules);
    case "LOGIN":
      return new LoginServer(rules);
    case "SCRAM-SHA-256":
      return new ScramServer(nonce());
  }
}
