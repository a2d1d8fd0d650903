/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side: the client proves that it knows the password
 * without sending it, and we prove that we know its verifier.
 *
 * No channel binding: `-PLUS` is not offered, so the flags `n` and `y` are right and `p=` is refused
 * (RFC 5802 §6). The nonce is given, never drawn here. An unknown user must be answered with a fake
 * verifier, stable for the name, so that the exchange fails only at the proof. The server's signature
 * goes out as a last challenge, answered by an empty line (see `sasl.ts`).
 *
 * Names are prepared by `saslprep`; mandatory extensions (`m=`) are refused, optional ones ignored
 * (RFC 5802 §5.1). The driver must still look whether the name has an account: a proof against a fake
 * verifier cannot succeed, but nothing shall hang on that alone.
 *
 * @module
 */

import { timingSafeEqual } from "node:crypto";
import { decodeStrict, encode } from "../../bytes.ts";
import { formatBase64, parseBase64 } from "./base64.ts";
import { malformed, MAX_NAME, type SaslServer, type SaslStep } from "./sasl.ts";
import { saslprep } from "./saslprep.ts";
import { hmacSha256, type ScramVerifier, sha256 } from "./scram_verifier.ts";

export type { ScramVerifier } from "./scram_verifier.ts";

/** Octets of one client message, and of its nonce. */
const MAX_MESSAGE = 4096;
const MAX_NONCE = 256;

/** RFC 5802 §7 `printable`: visible ASCII without the comma. */
const PRINTABLE = /^[\x21-\x2b\x2d-\x7e]+$/;
/** RFC 5802 §7 `attr-val`: a letter, `=`, and at least one character that is neither NUL nor comma. */
const ATTRIBUTE = /^[A-Za-z]=[^\0,]+$/;

/** What the exchange waits for. */
type State =
  | { readonly at: "first" }
  | { readonly at: "verifier"; readonly first: ClientFirst }
  | {
    readonly at: "final";
    readonly first: ClientFirst;
    readonly serverFirst: string;
    readonly nonce: string;
    readonly verifier: ScramVerifier;
  }
  | { readonly at: "acknowledgement"; readonly first: ClientFirst }
  | { readonly at: "done" };

/**
 * One SCRAM-SHA-256 exchange.
 *
 * @example The exchange of RFC 7677 §3
 * ```ts
 * import { ScramServer } from "./scram.ts";
 * import { encode } from "../../bytes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const machine = new ScramServer("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
 * assertEquals(machine.start(encode("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")), {
 *   type: "verifier",
 *   name: "user",
 * });
 * ```
 */
export class ScramServer implements SaslServer {
  readonly mechanism = "SCRAM-SHA-256";
  readonly #nonce: string;
  #state: State = { at: "first" };

  /**
   * @param nonce our half of the nonce: printable ASCII without commas, never used before, at least 18
   * random octets in base64.
   * @throws {TypeError} when it is not printable.
   */
  constructor(nonce: string) {
    if (!PRINTABLE.test(nonce)) throw new TypeError("a SCRAM nonce is printable ASCII, no commas");
    this.#nonce = nonce;
  }

  /** Reads client-first-message, or asks for it with an empty challenge (RFC 4954 §4). */
  start(initial: Uint8Array | null): SaslStep {
    if (initial === null) return { type: "challenge", data: new Uint8Array(0) };
    return this.respond(initial);
  }

  /** Reads client-first-message, then client-final-message, then the empty line. */
  respond(data: Uint8Array): SaslStep {
    const state = this.#state;
    this.#state = { at: "done" };
    switch (state.at) {
      case "first":
        return this.#readFirst(data);
      case "final":
        return this.#readFinal(state, data);
      case "acknowledgement": {
        const { name, authorize } = state.first;
        if (data.length > 0) return malformed("data after the server's signature", name);
        return { type: "proved", authorize, name };
      }
      case "verifier":
      case "done":
        throw new Error(`SCRAM has no use for a response: it is at "${state.at}"`);
    }
  }

  /** Takes the verifier of the name in the `verifier` step and challenges the client with its salt. */
  verifier(verifier: ScramVerifier): SaslStep {
    if (this.#state.at !== "verifier") {
      throw new Error(`SCRAM has not asked for a verifier: it is at "${this.#state.at}"`);
    }
    const { first } = this.#state;
    const nonce = first.nonce + this.#nonce;
    const salt = formatBase64(verifier.salt);
    const serverFirst = `r=${nonce},s=${salt},i=${verifier.iterations}`;
    this.#state = { at: "final", first, serverFirst, nonce, verifier };
    return { type: "challenge", data: encode(serverFirst) };
  }

  #readFirst(data: Uint8Array): SaslStep {
    const first = parseClientFirst(data);
    if (typeof first === "string") return malformed(first);
    this.#state = { at: "verifier", first };
    return { type: "verifier", name: first.name };
  }

  #readFinal(state: State & { at: "final" }, data: Uint8Array): SaslStep {
    const { first, serverFirst, nonce, verifier } = state;
    const final = parseClientFinal(data);
    if (typeof final === "string") return malformed(final, first.name);
    // The GS2 header again, under the proof: a man in the middle cannot change it (RFC 5802 §6).
    if (final.binding !== formatBase64(encode(first.header))) {
      return failed("channel binding data is not what the client first sent", first.name);
    }
    if (final.nonce !== nonce) return failed("the nonce is not ours", first.name);
    const signed = encode(`${first.bare},${serverFirst},${final.withoutProof}`);
    const clientSignature = hmacSha256(verifier.storedKey, signed);
    const clientKey = final.proof.map((octet, i) => octet ^ clientSignature[i]!);
    if (!timingSafeEqual(sha256(clientKey), verifier.storedKey)) {
      return failed("wrong password or unknown name", first.name);
    }
    this.#state = { at: "acknowledgement", first };
    const signature = formatBase64(hmacSha256(verifier.serverKey, signed));
    return { type: "challenge", data: encode(`v=${signature}`) };
  }
}

/** client-first-message, read. */
interface ClientFirst {
  /** gs2-header as sent, with its last comma. */
  readonly header: string;
  /** client-first-message-bare as sent. */
  readonly bare: string;
  readonly authorize: string;
  readonly name: string;
  readonly nonce: string;
}

/** `gs2-cbind-flag "," [authzid] "," username "," nonce ["," extensions]` (RFC 5802 §7), or a reason. */
function parseClientFirst(data: Uint8Array): ClientFirst | string {
  const text = readText(data);
  if (text === null) return "first message is too long, not UTF-8 or holds NUL";
  const [flag, authzid, user, nonce, ...extensions] = text.split(",");
  if (flag?.startsWith("p=")) return "channel binding asked for, but not offered";
  if (flag !== "n" && flag !== "y") return "first message has no channel binding flag";
  if (user?.startsWith("m=")) return "mandatory extensions are not supported";
  if (authzid === undefined || user === undefined || nonce === undefined) {
    return "first message has not the form flag,authzid,n=name,r=nonce";
  }
  if (!user.startsWith("n=")) return "first message has no name";
  if (!nonce.startsWith("r=") || !PRINTABLE.test(nonce.slice(2))) {
    return "first message has no nonce";
  }
  if (nonce.length - 2 > MAX_NONCE) return "nonce too long";
  if (!extensions.every((extension) => ATTRIBUTE.test(extension))) {
    return "extensions are malformed";
  }
  const name = parseSaslName(user.slice(2));
  if (name === null) return "name is empty, too long or wrongly encoded";
  if (authzid !== "" && !authzid.startsWith("a=")) return "authorization identity has no a=";
  // GNU SASL writes "a=" where the grammar wants nothing.
  const authorize = authzid.length <= 2 ? name : parseSaslName(authzid.slice(2));
  if (authorize === null) return "authorization identity is wrongly encoded";
  const header = `${flag},${authzid},`;
  return { header, bare: text.slice(header.length), authorize, name, nonce: nonce.slice(2) };
}

/** client-final-message, read. */
interface ClientFinal {
  /** The channel binding data, still in base64. */
  readonly binding: string;
  readonly nonce: string;
  readonly withoutProof: string;
  readonly proof: Uint8Array;
}

/** `channel-binding "," nonce ["," extensions] "," proof` (RFC 5802 §7), or a reason. */
function parseClientFinal(data: Uint8Array): ClientFinal | string {
  const text = readText(data);
  if (text === null) return "final message is too long, not UTF-8 or holds NUL";
  const parts = text.split(",");
  const proofText = parts.length < 3 ? undefined : parts.pop();
  const [binding, nonce, ...extensions] = parts;
  if (!binding?.startsWith("c=") || !nonce?.startsWith("r=") || !proofText?.startsWith("p=")) {
    return "final message has not the form c=binding,r=nonce,p=proof";
  }
  if (!extensions.every((extension) => ATTRIBUTE.test(extension))) {
    return "extensions are malformed";
  }
  const proof = parseBase64(proofText.slice(2));
  if (proof === null || proof.length !== 32) return "proof is not 32 octets in base64";
  const withoutProof = text.slice(0, -proofText.length - 1);
  return { binding: binding.slice(2), nonce: nonce.slice(2), withoutProof, proof };
}

function readText(data: Uint8Array): string | null {
  const text = data.length > MAX_MESSAGE ? null : decodeStrict(data);
  return text === null || text.includes("\0") ? null : text;
}

/** RFC 5802 §7 `saslname`: `=2C` is a comma, `=3D` an equals sign, any other `=` an error. */
function parseSaslName(text: string): string | null {
  if (/=(?!2C|3D)/.test(text)) return null;
  const plain = text.replaceAll("=2C", ",").replaceAll("=3D", "=");
  return saslprep(plain, MAX_NAME);
}

function failed(reason: string, name: string): SaslStep {
  return { type: "failed", reason, name, malformed: false };
}
