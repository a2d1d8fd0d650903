/**
 * What is asked about a mail, and the answer, as data: a list of steps.
 *
 * @module
 */

import type { Address } from "../address.ts";

/** What is asked about. */
export interface ExplainQuestion {
  readonly recipient: Address;
  /** The reverse-path; `null` for `<>`. */
  readonly sender: Address | null;
  /** The IP address of the client; default one that nobody knows. */
  readonly client?: string;
  /** Who has logged in; default the sender, where it is a user. */
  readonly login?: string;
  /** Whether the mail comes with REQUIRETLS (RFC 8689). Default `false`. */
  readonly requireTls?: boolean;
}

/** One step of the way. The names of steps do not change; words may. */
export interface ExplainStep {
  readonly step: ExplainStepName;
  /** What it is about: a listener, an address, a destination, a host. */
  readonly about: string;
  /** `good`: it goes on; `later`: it waits; `bad`: it ends here; `told`: it is as it is. */
  readonly outcome: "good" | "later" | "bad" | "told";
  /** What comes of it, in a line. */
  readonly verdict: string;
  /** Why, in a line. */
  readonly because: string;
  /** More, a line each: what was said, hosts in order, hosts that are passed over. */
  readonly details?: readonly string[];
}

/** What a step can be. */
export type ExplainStepName =
  /** What a listener answers. */
  | "reply"
  /** Which policies would be asked too, and were not. */
  | "policies"
  /** What SPF says of the sender's domain and the client. */
  | "spf"
  /** What DMARC says of mail whose From names the sender's domain. */
  | "dmarc"
  /** What an address means here. */
  | "address"
  /** A mailbox here, and where it lies. */
  | "mailbox"
  /** The reverse-path with which mail goes on. */
  | "sender"
  /** Which way mail for a domain goes. */
  | "route"
  /** Whether it goes at once. */
  | "queue"
  /** Whom DNS names. */
  | "hosts"
  /** What the domain publishes so that mail for it goes to the right hosts (DANE, MTA-STS). */
  | "guard"
  /** What TLS the next server must give. */
  | "tls"
  /** As whom we log in there. */
  | "login"
  /** What is run. */
  | "program"
  /** When it is tried again. */
  | "retry"
  /** What the next server says when it is asked. */
  | "connect";

/** The answer. */
export interface Explanation {
  readonly recipient: string;
  /** `<>` for the null sender. */
  readonly sender: string;
  readonly client: string;
  readonly login: string | null;
  readonly steps: readonly ExplainStep[];
}
