/**
 * The whole station, wired by hand: options in, running services out.
 *
 * @module
 */

import type { Directory } from "./directory/directory.ts";
import type { EventSink } from "./events.ts";
import type { Policy } from "./policy/policy.ts";
import type { LocalDelivery } from "./queue/local_delivery.ts";
import type { Runtime, SocketAddress, TlsCertificate } from "./runtime/runtime.ts";
import type { Role, RoleOverrides } from "./server/roles.ts";

/** What a station is made of. */
export interface MtaOptions {
  readonly runtime: Runtime;
  /** Our name in greetings and trace fields; should resolve to this machine. */
  readonly hostname: string;
  readonly listeners: readonly ListenerOptions[];
  /** Who lives here. */
  readonly directory: Directory;
  /** Where mailboxes lie (`ROOT/domain/user`), or something else that delivers. */
  readonly delivery: { readonly maildirRoot: string } | LocalDelivery;
  /** A folder for messages too large for memory; made when missing, emptied at start. */
  readonly temporary: string;
  /** Certificates for STARTTLS and implicit TLS, chosen by SNI; none: no TLS. */
  readonly certificates?: readonly TlsCertificate[];
  /** Asked in this order at every stage, after the built-in ones. */
  readonly policies?: readonly Policy[];
  /** Gets every event. */
  readonly onEvent?: EventSink;
  /** Networks (CIDR) that may relay without logging in. Default: none. */
  readonly relayFrom?: readonly string[];
  /** Between user and tag (`user+tag`); `null` for none. Default `+`. */
  readonly subaddressDelimiter?: string | null;
  /** Where mail for `postmaster` goes when the directory does not say, as an address. */
  readonly postmaster?: string;
  /** Octets of message bodies held in memory at once; default 64 MiB. */
  readonly bodyMemory?: number;
}

/** One listener. */
export interface ListenerOptions extends RoleOverrides {
  readonly role: Role;
  readonly address: SocketAddress;
  /** Its name in the log; default the role. */
  readonly name?: string;
  /** Connections at once, in all; default 5,000. */
  readonly connections?: number;
  /** Connections at once from one address (IPv6: one /64); default 50, loopback and unix exempt. */
  readonly connectionsPerClient?: number;
}

/** A running station. */
export interface Mta {
  /** Where it listens, with real ports, in the order of the options. */
  readonly addresses: readonly SocketAddress[];
  /** New certificates for handshakes from now on. */
  replaceCertificates(certificates: readonly TlsCertificate[]): void;
  /**
   * Stops listening, lets sessions finish what they are doing (421 at their next command) and closes
   * what is left after `grace` milliseconds (default 10,000).
   */
  stop(options?: { readonly grace?: number }): Promise<void>;
}

/**
 * Builds and starts a station; resolves when all listeners are up. Fails, with all listeners closed
 * again, when one cannot be had.
 */
export function startMta(_options: MtaOptions): Promise<Mta> {
  throw new Error("being written");
}
