/**
 * Who a session belongs to, as the steps of intake see it.
 *
 * @module
 */

import type { Address } from "../address.ts";
import type { PolicyWatcher } from "../policy/chain.ts";
import type { LocalUser, ReceivedStamp } from "../message/received.ts";
import type { SessionView } from "../policy/policy.ts";
import type { Destinations } from "../routing/expand.ts";
import type { Soon } from "../soon.ts";

/** What is known of a session from its start. */
export interface IntakeOrigin {
  readonly id: string;
  readonly role: string;
  /** The client's IP address, or `"unix"`. */
  readonly client: string;
  /** The client's TCP port, where it has one. */
  readonly port?: number;
  /** RFC 2033: each recipient is answered for itself. */
  readonly lmtp: boolean;
  /** What comes in is a submission: it is completed (RFC 6409 §8). */
  readonly submission: boolean;
  /** The program itself submits: it may send to anybody. Default `false`. */
  readonly trusted?: boolean;
  /** Whose program it was, where a file came from one of this machine. */
  readonly user?: LocalUser;
  /** Nobody waits to try again: what a mailbox has no room for now is for the queue. Default `false`. */
  readonly unattended?: boolean;
  /**
   * The id follows from the message, and both may have been here before; then in milliseconds since the
   * epoch when it was handed in, which is the same each time.
   */
  readonly handedIn?: number;
}

/** A session, with what only intake needs to know of it. */
export interface IntakeClient extends SessionView, PolicyWatcher {
  /** What policies are shown of it: a value of this moment, which they cannot use to change anything. */
  readonly view: SessionView;
  readonly origin: IntakeOrigin;
  /** Somebody too slow may still look at octets it was given: their buffer must not change hands. */
  viewsHeld: boolean;
  /** How the client greeted: tells what it speaks. */
  readonly verb: "HELO" | "EHLO" | "LHLO";
  /** Writes the trace fields of its messages. */
  readonly stamp: ReceivedStamp;
  /** Where mail goes for an address that a policy added; `null`: nowhere, and that was told. */
  destinationsOf(address: Address): Soon<Destinations | null>;
}
