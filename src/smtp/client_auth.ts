/**
 * AUTH from the client's side (RFC 4954 §4): chooses the mechanism, carries its octets as base64 lines, and
 * tells how it ended. The mechanisms know nothing of SMTP.
 *
 * The strongest mechanism that both sides have is used, and no other after it fails: else somebody in the middle
 * could make us fall back to one that shows the password.
 *
 * @module
 */

import type { ClientCore } from "./client_core.ts";
import { type Reply, reply } from "./reply.ts";
import { boundReply } from "./reply_decoder.ts";
import { formatBase64, parseBase64 } from "./sasl/base64.ts";
import type { SaslClient, SaslClientStep } from "./sasl/client.ts";
import { LoginClient } from "./sasl/login_client.ts";
import { PlainClient } from "./sasl/plain_client.ts";
import { ScramClient } from "./sasl/scram_client.ts";
import { HIDDEN } from "./session_tap.ts";

/** Who to log in as. */
export interface ClientCredentials {
  /** The authentication identity. */
  readonly user: string;
  /** As typed; each mechanism prepares it as it wants. */
  readonly password: string;
}

/** A SASL mechanism a client can use. */
export type ClientMechanism = "SCRAM-SHA-256" | "PLAIN" | "LOGIN";

/** All of them, the strongest first. */
export const CLIENT_MECHANISMS: readonly ClientMechanism[] = ["SCRAM-SHA-256", "PLAIN", "LOGIN"];

/** Octets of the AUTH command with CRLF (RFC 4954 §4, RFC 5321 §4.5.3.1.4). */
const COMMAND_LIMIT = 512;
/** Challenges of one exchange. No mechanism here has more than three. */
const MAX_CHALLENGES = 5;

/** The exchange of one AUTH command. */
export class ClientAuth {
  readonly #core: ClientCore;
  #machine: SaslClient | null = null;
  #deriving = false;
  #challenges = 0;
  /** Why we have cancelled. */
  #cancelled: string | null = null;

  /** No exchange goes on yet. */
  constructor(core: ClientCore) {
    this.#core = core;
  }

  /** Whether {@link derived} is awaited. */
  get deriving(): boolean {
    return this.#deriving;
  }

  /** Begins; `nonce` is called where one is needed. */
  begin(
    credentials: ClientCredentials,
    mechanisms: readonly ClientMechanism[],
    nonce: () => string,
  ): void {
    this.#machine = null;
    const { settings, peer, secure } = this.#core;
    if (!secure && !settings.authInClear) return this.#failed(NOT_IN_CLEAR);
    const chosen = CLIENT_MECHANISMS.find((name) =>
      mechanisms.includes(name) && peer?.auth.includes(name)
    );
    if (chosen === undefined) return this.#failed(NO_MECHANISM);
    this.#challenges = 0;
    this.#cancelled = null;
    this.#core.keepSecret(credentials.password);
    this.#machine = newClient(chosen, credentials, nonce, settings.limits.scramIterations);
    this.#start(this.#machine.start());
  }

  /** The key that was asked for. */
  derived(key: Uint8Array): void {
    if (!this.#deriving) throw new Error("derived() without a question");
    this.#deriving = false;
    this.#step(this.#machine!.derived!(key));
  }

  #start(step: SaslClientStep): void {
    const command = `AUTH ${this.#machine!.mechanism}`;
    if (step.type === "failed") return this.#failed(unable(step.reason));
    if (step.type !== "respond") return this.#say(command, command);
    const response = formatBase64(step.data) || "=";
    const line = `${command} ${response}`;
    // A longer one must wait for the empty challenge (RFC 4954 §4).
    if (line.length + 2 > COMMAND_LIMIT) return this.#say(command, command);
    if (response !== "=") this.#core.keepSecret(response);
    this.#say(line, `${command} ${HIDDEN}`);
  }

  /** @param shown what listeners are told in its place. */
  #say(line: string, shown: string): void {
    this.#core.saySecret(
      line,
      shown,
      "AUTH",
      this.#core.settings.timeouts.command,
      (given) => this.#onReply(given),
    );
  }

  #onReply(given: Reply): void {
    const { code } = given;
    if (code === 334) return this.#challenge(given.lines[0] ?? "");
    if (code >= 400) {
      return this.#cancelled === null
        ? this.#failed(boundReply(given), true)
        : this.#failed(unable(this.#cancelled));
    }
    if (code !== 235) return this.#core.outOfPlace(given, "AUTH");
    const machine = this.#machine!;
    if (this.#cancelled === null && machine.complete) {
      const { mechanism } = machine;
      this.#core.tell({ type: "authenticated", mechanism, reply: boundReply(given) });
      this.#machine = null;
      return;
    }
    // Whoever takes any proof, or none, is not who knows the password.
    const why = unable(this.#cancelled ?? "the server has not proved that it knows the password");
    this.#failed(why);
    this.#core.fail("garbage", why, false);
    this.#core.sayLast("QUIT");
  }

  #challenge(text: string): void {
    if (this.#cancelled !== null) return this.#core.garbage("a challenge after the exchange");
    if (++this.#challenges > MAX_CHALLENGES) return this.#cancel("too many challenges");
    this.#step(this.#machine!.challenge(parseBase64(text)));
  }

  #step(step: SaslClientStep): void {
    switch (step.type) {
      case "respond": {
        const response = formatBase64(step.data);
        this.#core.keepSecret(response);
        return this.#say(response, HIDDEN);
      }
      case "derive":
        this.#deriving = true;
        return this.#core.tell(step);
      case "wait":
        return this.#cancel("a challenge too many");
      case "failed":
        return this.#cancel(step.reason);
    }
  }

  /** RFC 4954 §4: `*` ends the exchange; the server must refuse it then. */
  #cancel(reason: string): void {
    this.#cancelled = reason;
    this.#say("*", "*");
  }

  #failed(why: Reply, remote = false): void {
    const mechanism = this.#machine?.mechanism ?? null;
    const { tap } = this.#core;
    if (tap?.heard && !remote) tap.note(why.lines.join(" "));
    this.#machine = null;
    this.#core.tell({ type: "auth-failed", mechanism, reply: why, remote });
  }
}

function newClient(
  mechanism: ClientMechanism,
  { user, password }: ClientCredentials,
  nonce: () => string,
  maxIterations: number,
): SaslClient {
  switch (mechanism) {
    case "SCRAM-SHA-256":
      return new ScramClient({ user, password, nonce: nonce(), maxIterations });
    case "PLAIN":
      return new PlainClient(user, password);
    case "LOGIN":
      return new LoginClient(user, password);
  }
}

/** RFC 4954 §6: 5.7.8 is for wrong credentials alone; these are about the exchange. */
function unable(reason: string): Reply {
  return reply(454, "4.7.0", `not logged in: ${reason}`);
}

const NOT_IN_CLEAR = reply(538, "5.7.11", "not logged in: the connection is not secured");
const NO_MECHANISM = reply(504, "5.5.4", "not logged in: no mechanism in common");
