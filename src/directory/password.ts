/**
 * Passwords, kept only as SCRAM-SHA-256 verifiers (RFC 5802 §3): one stored form checks SCRAM, PLAIN
 * and LOGIN. The text form is PostgreSQL's:
 *
 *     SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>      (base64)
 *
 * The hash (PBKDF2-HMAC-SHA-256, some 60 ms for 100,000 iterations) runs in the thread pool, two at once
 * with a bounded line behind them; a full line throws {@link BusyError}, which the server answers with
 * 454, never with "wrong password".
 *
 * @module
 */

import { pbkdf2, timingSafeEqual } from "node:crypto";
import { encode } from "../bytes.ts";
import type { Random } from "../runtime/runtime.ts";
import { formatBase64, parseBase64 } from "../smtp/sasl/base64.ts";
import { MAX_PASSWORD } from "../smtp/sasl/sasl.ts";
import { saslprep } from "../smtp/sasl/saslprep.ts";
import { scramKeys, type ScramVerifier } from "../smtp/sasl/scram_verifier.ts";
import { Gate } from "../gate.ts";

/** Iterations of verifiers made here, and the fewest taken from others. */
export const DEFAULT_ITERATIONS = 100_000;
/** The most taken: some 6 s of hashing. A larger number is a slip, or an attack on us. */
export const MAX_ITERATIONS = 10_000_000;

const SCHEME = "SCRAM-SHA-256";
const KEY_LENGTH = 32;
const SALT_LENGTH = 16;

/** All hashing of the process goes through here: it is the machine that is shared. */
const hashing = new Gate(2, 128);

/** Why a password cannot be used, for people; or `null` when it can. */
export function passwordProblem(password: string): string | null {
  if (password === "") return "the password is empty";
  if (saslprep(password, MAX_PASSWORD) !== null) return null;
  return `the password holds control characters or is longer than ${MAX_PASSWORD} octets`;
}

/**
 * Makes the verifier of a password, with a fresh salt.
 *
 * @throws {RangeError} for iterations outside 100,000 to 10,000,000.
 * @throws {TypeError} for a password that {@link passwordProblem} refuses.
 * @throws {BusyError} when too many passwords are being hashed.
 *
 * @example
 * ```ts
 * import { formatVerifier, makeVerifier } from "./password.ts";
 * import { assertMatch } from "@std/assert";
 *
 * const random = {
 *   bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
 *   float: () => 0.5,
 * };
 * const text = formatVerifier(await makeVerifier("pencil", random));
 * assertMatch(text, /^SCRAM-SHA-256\$100000:[^:$]+\$[^:$]+:[^:$]+$/);
 * ```
 */
export async function makeVerifier(
  password: string,
  random: Random,
  iterations: number = DEFAULT_ITERATIONS,
): Promise<ScramVerifier> {
  if (!isSound(iterations)) {
    throw new RangeError(`iterations must be ${DEFAULT_ITERATIONS} to ${MAX_ITERATIONS}`);
  }
  const prepared = saslprep(password, MAX_PASSWORD);
  if (prepared === null) throw new TypeError(passwordProblem(password) ?? "unusable password");
  const salt = random.bytes(SALT_LENGTH);
  return { iterations, salt, ...scramKeys(await salted(prepared, salt, iterations)) };
}

/**
 * Whether this is the password of the verifier. Always does the whole work.
 *
 * @throws {BusyError} when too many passwords are being hashed.
 */
export async function checkPassword(password: string, verifier: ScramVerifier): Promise<boolean> {
  // A password that cannot be prepared is wrong, but costs the same time as any other wrong one.
  const prepared = saslprep(password, MAX_PASSWORD);
  const keys = scramKeys(await salted(prepared ?? "", verifier.salt, verifier.iterations));
  const same = verifier.storedKey.length === KEY_LENGTH &&
    timingSafeEqual(keys.storedKey, verifier.storedKey);
  return same && prepared !== null;
}

/** Text for a file. */
export function formatVerifier(verifier: ScramVerifier): string {
  const { iterations, salt, storedKey, serverKey } = verifier;
  const keys = `${formatBase64(storedKey)}:${formatBase64(serverKey)}`;
  return `${SCHEME}$${iterations}:${formatBase64(salt)}$${keys}`;
}

/** A verifier, or why the text is none. */
export type ParsedVerifier =
  | { readonly ok: true; readonly verifier: ScramVerifier }
  | { readonly ok: false; readonly problem: string };

/** Reads the text form. The problem never repeats the text: it is a secret. */
export function parseVerifier(text: string): ParsedVerifier {
  const match = /^([^$]*)\$(\d{1,9}):([^$:]*)\$([^$:]*):([^$:]*)$/.exec(text);
  if (match === null || match[1] !== SCHEME) {
    return problem(`not of the form ${SCHEME}$iterations:salt$storedkey:serverkey`);
  }
  const iterations = Number(match[2]);
  const [salt, storedKey, serverKey] = match.slice(3).map(parseBase64);
  if (!isSound(iterations)) {
    return problem(
      `${iterations} iterations, allowed are ${DEFAULT_ITERATIONS} to ${MAX_ITERATIONS}`,
    );
  }
  if (!salt || salt.length < 8 || salt.length > 64) return problem("salt is not 8 to 64 octets");
  if (storedKey?.length !== KEY_LENGTH) return problem("stored key is not 32 octets");
  if (serverKey?.length !== KEY_LENGTH) return problem("server key is not 32 octets");
  return { ok: true, verifier: { iterations, salt, storedKey, serverKey } };
}

function problem(problem: string): ParsedVerifier {
  return { ok: false, problem };
}

function isSound(iterations: number): boolean {
  return Number.isInteger(iterations) && iterations >= DEFAULT_ITERATIONS &&
    iterations <= MAX_ITERATIONS;
}

function salted(password: string, salt: Uint8Array, iterations: number): Promise<Uint8Array> {
  return hashing.run(() =>
    new Promise((resolve, reject) => {
      pbkdf2(encode(password), salt, iterations, KEY_LENGTH, "sha256", (error, key) => {
        if (error) reject(error);
        else resolve(key);
      });
    })
  );
}
