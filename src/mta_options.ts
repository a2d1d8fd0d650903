/**
 * What a station is told: the options, and what must hold of them before anything is started.
 *
 * @module
 */

import { type Address, domainKey, parseAddress, parseDomain } from "./address.ts";
import type { TlsGuards } from "./delivery/tls_guard.ts";
import type { Directory } from "./directory/directory.ts";
import type { EventSink } from "./events.ts";
import { checkQueueOptions, queueFolder, type QueueOptions } from "./mta_queue.ts";
import { classifyIp, type Network, parseNetwork } from "./net_address.ts";
import type { Policy } from "./policy/policy.ts";
import type { LocalDelivery } from "./queue/local_delivery.ts";
import type { QueueStore } from "./queue/store.ts";
import type { RouteOptions } from "./routing/route_table.ts";
import type { SocketAddress } from "./runtime/network.ts";
import type { Runtime } from "./runtime/runtime.ts";
import type { TlsCertificate } from "./runtime/tls.ts";
import { type Role, type RoleOverrides, ROLES } from "./server/roles.ts";

/** What a station is made of. */
export interface MtaOptions {
  /** The machine. */
  readonly runtime: Runtime;
  /** Our name in greetings and trace fields; should resolve to this machine. */
  readonly hostname: string;
  /**
   * The IP addresses at which DNS has this machine, where the listeners do not say so: they are on all
   * addresses (`0.0.0.0`, `::`), or behind NAT. Mail is not sent to them, and `postmaster@[ADDRESS]` is ours.
   */
  readonly addresses?: readonly string[];
  /** Where mail comes in. None where there is a queue, and only the program itself sends. */
  readonly listeners: readonly ListenerOptions[];
  /** Who lives here. */
  readonly directory: Directory;
  /** Where mailboxes lie (`ROOT/domain/user`), or something else that delivers. */
  readonly delivery: { readonly maildirRoot: string } | LocalDelivery;
  /**
   * A folder for messages too large for memory; made when missing, emptied at start, of this station
   * alone. Default `incoming` in the folder of the queue, else `.incoming` in the Maildir root; must be given
   * where there is neither.
   */
  readonly temporary?: string;
  /** Certificates for STARTTLS and implicit TLS, chosen by SNI; none: no TLS. */
  readonly certificates?: readonly TlsCertificate[];
  /** Asked in this order at every stage, after the built-in ones. */
  readonly policies?: readonly Policy[];
  /** Gets every event. What it throws changes nothing; the first time it is told on standard error. */
  readonly onEvent?: EventSink;
  /** Networks (CIDR) that may relay without logging in. Default: none. */
  readonly relayFrom?: readonly string[];
  /** Between user and tag (`user+tag`); `null` for none. Default `+`. */
  readonly subaddressDelimiter?: string | null;
  /**
   * Where mail for `postmaster` goes when the directory does not say, as an address; also who is told of mail
   * that can neither be delivered nor returned. Of a local domain, unless there is a queue.
   */
  readonly postmaster?: string;
  /**
   * Where mail waits that goes on from here. Without it mail only ends here, and what is for elsewhere is
   * refused. With it DSN and BINARYMIME are offered.
   */
  readonly queue?: QueueOptions;
  /** How mail for other domains goes; what is not named goes to whoever DNS names. Only with a queue. */
  readonly routes?: readonly RouteOptions[];
  /**
   * What guards the hosts that mail goes to, beside DANE, and is told how TLS with them went; asked after DANE
   * (RFC 8461 §2). Only with a queue.
   */
  readonly guards?: TlsGuards;
  /** Octets of message bodies held in memory at once, the rest lies in files; default 64 MiB. Heads may have a quarter beside. */
  readonly bodyMemory?: number;
  /**
   * What its ids have in common, where several stations share mailboxes and a log: no two of them may have the
   * same. Letters and digits.
   */
  readonly instance?: string;
  /** Is told the domain when a client asks for the mail that is held for it (ETRN, RFC 1985). Must not throw. */
  readonly onTurn?: (domain: string) => void;
}

/** What a running station can be told anew: everything but the machine, which stays. */
export type ReloadOptions = Omit<MtaOptions, "runtime"> & Partial<Pick<MtaOptions, "runtime">>;

/** One listener. */
export interface ListenerOptions extends RoleOverrides {
  /** What it is for; decides what it offers and demands. */
  readonly role: Role;
  /** Where it listens; port 0 takes a free one. */
  readonly address: SocketAddress;
  /** Its name in the log; default the role. */
  readonly name?: string;
  /** Connections at once, in all; default 10,000. */
  readonly connections?: number;
  /** Connections at once from one address (IPv6: one /64); default 50, loopback and unix exempt. */
  readonly connectionsPerClient?: number;
}

/**
 * What the type checker would have said to a program that has none, and what it cannot see.
 *
 * @throws {TypeError} saying which option it is.
 */
export function checkOptions(options: MtaOptions): void {
  const { hostname, addresses = [], listeners, delivery, queue, routes, bodyMemory } = options;
  if (parseDomain(hostname) === null) {
    throw new TypeError(`hostname: "${hostname}" is no host name such as mail.example.org`);
  }
  const wrong = addresses.find((address) => !namesMachine(address));
  if (wrong !== undefined) throw new TypeError(`addresses: "${wrong}" is no address of a machine`);
  if (!Array.isArray(listeners) || (listeners.length === 0 && queue === undefined)) {
    throw new TypeError("listeners: at least one is needed, or a queue to submit to");
  }
  for (const { role } of listeners) {
    if (ROLES.includes(role)) continue;
    throw new TypeError(`listeners: role "${role}" is none of ${ROLES.join(", ")}`);
  }
  if (typeof delivery !== "object" || delivery === null) {
    throw new TypeError("delivery: say { maildirRoot } or give a LocalDelivery");
  }
  if (bodyMemory !== undefined && !(Number.isSafeInteger(bodyMemory) && bodyMemory >= 0)) {
    throw new TypeError(`bodyMemory: ${bodyMemory} is no number of octets`);
  }
  if (queue === undefined && routes !== undefined && routes.length > 0) {
    throw new TypeError("routes: mail that goes on needs a queue");
  }
  if (queue !== undefined) checkQueueOptions(queue);
  temporaryFolder(options);
}

/**
 * What must be the same while a station runs.
 *
 * @throws {TypeError} naming all that is not, and that it takes a restart.
 */
export function demandSameGround(running: MtaOptions, wanted: MtaOptions): void {
  const changes: string[] = [];
  const note = (name: string, before: unknown, after: unknown) => {
    if (before === after) return;
    const shown = typeof before === "string" && typeof after === "string"
      ? `${name} (${before} to ${after})`
      : name;
    changes.push(shown);
  };
  note("runtime", running.runtime, wanted.runtime);
  const [before, after] = [running.queue, wanted.queue];
  if (before === undefined || after === undefined) {
    note(after === undefined ? "queue (switched off)" : "queue (switched on)", before, after);
  } else {
    note("queue.directory", queueFolder(before), queueFolder(after));
    note("queue.store", storeOf(before), storeOf(after));
  }
  // Where nobody names it, it goes with the queue.
  if (changes.length === 0 || wanted.temporary !== undefined) {
    note("the folder for large messages", temporaryFolder(running), temporaryFolder(wanted));
  }
  if (changes.length > 0) {
    throw new TypeError(`a restart is needed to change ${changes.join(", ")}`);
  }
}

function storeOf(queue: QueueOptions): QueueStore | null {
  return "store" in queue ? queue.store : null;
}

/** Where large messages lie on their way in. @throws {TypeError} where nothing tells. */
export function temporaryFolder({ temporary, delivery, queue }: MtaOptions): string {
  if (temporary !== undefined) return temporary;
  const folder = queueFolder(queue);
  // Beside the queue, so that a large message gets there by a rename.
  if (folder !== null) return `${folder}/incoming`;
  if ("maildirRoot" in delivery) return `${delivery.maildirRoot}/.incoming`;
  throw new TypeError(
    "temporary: a folder for large messages is needed with a delivery of your own",
  );
}

/** Whether an IP address is one that a machine can have, and not all of them (`0.0.0.0`). */
export function namesMachine(address: string): boolean {
  const kind = classifyIp(address);
  return kind !== null && kind !== "unspecified";
}

/** @throws {TypeError} where it is no address, or one that mail cannot get to. */
export async function readPostmaster(
  { postmaster, directory, queue }: MtaOptions,
): Promise<Address | undefined> {
  if (postmaster === undefined) return undefined;
  const address = parseAddress(postmaster, { smtputf8: true });
  if (address === null) throw new TypeError(`postmaster: ${postmaster} is not a mail address`);
  // Mail for postmaster must never be refused (RFC 5321 §4.5.1), and without a queue we cannot send it on.
  if (queue === undefined && !await directory.isLocalDomain(domainKey(address.domain))) {
    throw new TypeError(`postmaster: ${postmaster} must be an address of a local domain`);
  }
  return address;
}

/** A network of `relayFrom`. @throws {TypeError} where it is none, or everybody's. */
export function readNetwork(text: string): Network {
  const network = parseNetwork(text);
  if (network === null) {
    throw new TypeError(`relayFrom: ${text} is not a network such as 10.0.0.0/8`);
  }
  // By what it means, not by how it is written: ::ffff:0:0/96 is every IPv4 client there is.
  if (network.prefix === 0) throw new TypeError(`relayFrom: ${text} would relay for everybody`);
  return network;
}
