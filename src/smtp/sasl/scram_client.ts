/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677), the client's side: proves the password without sending it, and has the
 * server prove that it knows it too. No channel binding (`n,,`).
 *
 * The server says how often the password is to be hashed: less than 4096 times is refused (RFC 7677 §4, a
 * server that asks for one round wants to guess the password), and so is more than we are willing to compute.
 * The hashing is slow and the driver's (`derive`). The nonce is given, never drawn here.
 *
 * @module
 */

import { timingSafeEqual } from "node:crypto";
import { decodeStrict, encode } from "../../bytes.ts";
import { formatBase64, parseBase64 } from "./base64.ts";
import { type SaslClient, type SaslClientStep, saslFailed } from "./client.ts";
import { MAX_NAME, MAX_PASSWORD } from "./sasl.ts";
import { saslprep } from "./saslprep.ts";
import { hmacSha256, sha256 } from "./scram_verifier.ts";

/** Octets of one server message, and of its salt. */
const MAX_MESSAGE = 4096;
const MAX_SALT = 1024;
/** RFC 7677 §4. */
const MIN_ITERATIONS = 4096;
/** RFC 5802 §7 `printable`: visible ASCII without the comma. */
const PRINTABLE = /^[\x21-\x2b\x2d-\x7e]+$/;
/** RFC 5802 §6: no channel binding; `biws` in base64. */
const GS2_HEADER = "n,,";

/** What the exchange waits for. */
type State =
  | { readonly at: "begin" }
  | { readonly at: "first"; readonly bare: string }
  | { readonly at: "key"; readonly signed: string; readonly withoutProof: string }
  | { readonly at: "final"; readonly signature: Uint8Array }
  | { readonly at: "complete" }
  | { readonly at: "failed" };

/** Who logs in, and what we let the server ask for. */
export interface ScramClientOptions {
  /** The name, as typed. */
  readonly user: string;
  /** The password, as typed. */
  readonly password: string;
  /** Printable ASCII without commas, never used before, at least 18 random octets in base64. */
  readonly nonce: string;
  /** Rounds we are willing to compute. */
  readonly maxIterations: number;
}

/**
 * One SCRAM-SHA-256 exchange.
 *
 * @example The beginning of the exchange of RFC 7677 §3
 * ```ts
 * import { ScramClient } from "./scram_client.ts";
 * import { encode } from "../../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const machine = new ScramClient({
 *   user: "user",
 *   password: "pencil",
 *   nonce: "rOprNGfwEbeRWgbNEkqO",
 *   maxIterations: 100_000,
 * });
 * assertEquals(machine.start(), {
 *   type: "respond",
 *   data: encode("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"),
 * });
 * ```
 */
export class ScramClient implements SaslClient {
  readonly mechanism = "SCRAM-SHA-256";
  readonly #options: ScramClientOptions;
  #state: State = { at: "begin" };

  /** Stands before its first message. @throws {TypeError} when the nonce is not printable. */
  constructor(options: ScramClientOptions) {
    if (!PRINTABLE.test(options.nonce)) {
      throw new TypeError("a SCRAM nonce is printable ASCII, no commas");
    }
    this.#options = options;
  }

  /** Whether the server has proved that it knows the password. */
  get complete(): boolean {
    return this.#state.at === "complete";
  }

  /** client-first-message. */
  start(): SaslClientStep {
    const name = saslprep(this.#options.user, MAX_NAME);
    if (name === null) return this.#fail("the user name cannot be prepared");
    const escaped = name.replaceAll("=", "=3D").replaceAll(",", "=2C");
    const bare = `n=${escaped},r=${this.#options.nonce}`;
    this.#state = { at: "first", bare };
    return { type: "respond", data: encode(GS2_HEADER + bare) };
  }

  /** Reads server-first-message, then server-final-message. */
  challenge(data: Uint8Array | null): SaslClientStep {
    const state = this.#state;
    const text = data === null || data.length > MAX_MESSAGE ? null : decodeStrict(data);
    if (text === null) return this.#fail("the server's challenge cannot be read");
    switch (state.at) {
      case "first":
        // RFC 4954 §4: a server that took no initial response asks with an empty challenge.
        return text === "" ? this.start() : this.#readFirst(state.bare, text);
      case "final":
        return this.#readFinal(state.signature, text);
      default:
        return this.#fail("the server asks for more than SCRAM has");
    }
  }

  /** client-final-message, made with the salted password. */
  derived(key: Uint8Array): SaslClientStep {
    const state = this.#state;
    if (state.at !== "key") throw new Error(`SCRAM has asked for no key: it is at "${state.at}"`);
    const clientKey = hmacSha256(key, "Client Key");
    const clientSignature = hmacSha256(sha256(clientKey), state.signed);
    const proof = formatBase64(clientKey.map((octet, i) => octet ^ clientSignature[i]!));
    const signature = hmacSha256(hmacSha256(key, "Server Key"), state.signed);
    this.#state = { at: "final", signature };
    return { type: "respond", data: encode(`${state.withoutProof},p=${proof}`) };
  }

  /** `nonce "," salt "," iteration-count ["," extensions]` (RFC 5802 §7). */
  #readFirst(bare: string, text: string): SaslClientStep {
    const { nonce: ours, maxIterations } = this.#options;
    const [nonce = "", salt = "", count = ""] = text.split(",");
    if (nonce.startsWith("m=")) return this.#fail("mandatory extensions are not supported");
    if (!nonce.startsWith("r=") || !salt.startsWith("s=") || !/^i=[1-9]\d{0,9}$/.test(count)) {
      return this.#fail("the server's first message has not the form r=nonce,s=salt,i=rounds");
    }
    const whole = nonce.slice(2);
    if (!whole.startsWith(ours) || whole.length === ours.length || !PRINTABLE.test(whole)) {
      return this.#fail("the server's nonce does not go on from ours");
    }
    const octets = parseBase64(salt.slice(2));
    if (octets === null || octets.length === 0 || octets.length > MAX_SALT) {
      return this.#fail("the server's salt cannot be read");
    }
    const iterations = Number(count.slice(2));
    if (iterations < MIN_ITERATIONS || iterations > maxIterations) {
      return this.#fail(
        `the server asks for ${iterations} rounds, not between ${MIN_ITERATIONS} and ${maxIterations}`,
      );
    }
    const password = saslprep(this.#options.password, MAX_PASSWORD);
    if (password === null) return this.#fail("the password cannot be prepared");
    const withoutProof = `c=${formatBase64(encode(GS2_HEADER))},r=${whole}`;
    this.#state = { at: "key", signed: `${bare},${text},${withoutProof}`, withoutProof };
    return { type: "derive", password: encode(password), salt: octets, iterations };
  }

  /** `v=` and the server's signature, or `e=` and an error; extensions may follow (RFC 5802 §7). */
  #readFinal(signature: Uint8Array, text: string): SaslClientStep {
    const [first = ""] = text.split(",");
    if (first.startsWith("e=")) return this.#fail("the server does not accept the proof");
    const given = first.startsWith("v=") ? parseBase64(first.slice(2)) : null;
    if (given?.length !== signature.length || !timingSafeEqual(given, signature)) {
      return this.#fail("the server has not proved that it knows the password");
    }
    this.#state = { at: "complete" };
    return { type: "respond", data: new Uint8Array(0) };
  }

  #fail(reason: string): SaslClientStep {
    this.#state = { at: "failed" };
    return saslFailed(reason);
  }
}
