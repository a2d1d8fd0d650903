/**
 * Checks passwords for a directory so that a stranger learns nothing but right or wrong: a name nobody
 * has costs the same work as a wrong password, and gets a fake verifier whose salt is always the same
 * for the name.
 *
 * A password found right is remembered five minutes, as an HMAC under a key that lives and dies with the
 * process, so that a program that logs in for every mail costs one hash, not one a mail. What is
 * remembered holds the verifier: a changed password is forgotten with it.
 *
 * @module
 */

import { createHmac } from "node:crypto";
import { encode } from "../bytes.ts";
import type { Clock, Random } from "../runtime/runtime.ts";
import type { ScramVerifier } from "../smtp/sasl/scram_verifier.ts";
import { checkPassword, DEFAULT_ITERATIONS, formatVerifier } from "./password.ts";

/** Of the verifiers that `makeVerifier` makes. */
const OWN_SHAPE: VerifierShape = { iterations: DEFAULT_ITERATIONS, saltLength: 16, count: 1 };

/** What a checker needs. */
export interface PasswordCheckerOptions {
  readonly clock: Clock;
  readonly random: Random;
  /**
   * What fake verifiers are made from: 16 octets at least, secret, and the same after a restart, else
   * names that get a new salt then are known to be fake. Default: drawn at random.
   */
  readonly secret?: Uint8Array;
  /** What fake verifiers look like: as the real ones do. Default: as those that are made here. */
  readonly shapes?: readonly VerifierShape[];
  /** Milliseconds a right password is remembered; 0 never. Default five minutes. */
  readonly remember?: number;
  /** How many are remembered at once. Default 1,000. */
  readonly capacity?: number;
  /** What does the work. Default {@link checkPassword}. */
  readonly check?: typeof checkPassword;
}

/** What a stranger sees of a verifier, who need only ask (RFC 5802 §5.1, `s=` and `i=`). */
export interface VerifierShape {
  readonly iterations: number;
  /** Octets. */
  readonly saltLength: number;
  /** How many verifiers have it: 1 or more. */
  readonly count: number;
}

/** Checks passwords against verifiers. */
export class PasswordChecker {
  readonly #clock: Clock;
  readonly #secret: Uint8Array;
  readonly #shapes: readonly VerifierShape[];
  readonly #remember: number;
  readonly #capacity: number;
  readonly #check: typeof checkPassword;
  /** Of this process alone: what is remembered is worthless to who reads it elsewhere. */
  readonly #key: Uint8Array;
  /** Mark of name, password and verifier → when to forget it. Oldest first. */
  readonly #known = new Map<string, number>();

  constructor(options: PasswordCheckerOptions) {
    this.#clock = options.clock;
    this.#secret = options.secret ?? options.random.bytes(32);
    this.#shapes = options.shapes?.length ? options.shapes : [OWN_SHAPE];
    this.#remember = options.remember ?? 5 * 60_000;
    this.#capacity = options.capacity ?? 1000;
    this.#check = options.check ?? checkPassword;
    this.#key = options.random.bytes(32);
  }

  /**
   * Whether the password is right. `verifier` is `null` for a name nobody has, or that may not log in.
   *
   * @param name in the one form the directory knows names by.
   * @throws {BusyError} when too many passwords are being hashed.
   */
  async verify(name: string, password: string, verifier: ScramVerifier | null): Promise<boolean> {
    const used = verifier ?? this.fakeVerifier(name);
    const mark = this.#mark(name, password, used);
    const forgetAt = this.#known.get(mark);
    if (forgetAt !== undefined) {
      if (this.#clock.now() < forgetAt) return true;
      this.#known.delete(mark);
    }
    const right = await this.#check(password, used) && verifier !== null;
    if (right && this.#remember > 0) this.#keep(mark);
    return right;
  }

  /** A verifier no password is right for; always the same for a name. */
  fakeVerifier(name: string): ScramVerifier {
    const { iterations, saltLength } = this.#shapeOf(name);
    const blocks = Array.from({ length: Math.ceil(saltLength / 32) }, (_, index) => {
      const what = index === 0 ? "salt" : `salt ${index}`;
      return [...this.#derive(what, name)];
    });
    return {
      iterations,
      salt: new Uint8Array(blocks.flat().slice(0, saltLength)),
      storedKey: this.#derive("stored key", name),
      serverKey: this.#derive("server key", name),
    };
  }

  /**
   * Drawn by the name, as often as real ones have it, and such that another account changes it for few names
   * (weighted rendezvous hashing): a name that looks otherwise all of a sudden would be known to be nobody's.
   */
  #shapeOf(name: string): VerifierShape {
    let chosen = this.#shapes[0]!;
    if (this.#shapes.length === 1) return chosen;
    let least = Infinity;
    for (const shape of this.#shapes) {
      const octets = this.#derive(`shape ${shape.iterations} ${shape.saltLength}`, name);
      const drawn = (octets.readUIntBE(0, 6) + 1) / 2 ** 48; // more than 0, to 1
      const score = -Math.log(drawn) / shape.count;
      if (score < least) [chosen, least] = [shape, score];
    }
    return chosen;
  }

  #derive(what: string, name: string) {
    return createHmac("sha256", this.#secret).update(`${what}\0${name}`).digest();
  }

  #mark(name: string, password: string, verifier: ScramVerifier): string {
    // Lengths first, so that no name and password can run together into another pair.
    const parts = [name, password, formatVerifier(verifier)];
    const hmac = createHmac("sha256", this.#key);
    for (const part of parts) {
      const octets = encode(part);
      hmac.update(`${octets.length}:`).update(octets);
    }
    return hmac.digest("base64");
  }

  #keep(mark: string): void {
    this.#known.delete(mark);
    this.#known.set(mark, this.#clock.now() + this.#remember);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= this.#capacity) break;
      this.#known.delete(oldest);
    }
  }
}
