/**
 * The parts of a station, each made from its options by a function: nothing here starts, opens or keeps
 * anything.
 *
 * @module
 */

import type { Address } from "./address.ts";
import { maildirDelivery } from "./delivery/maildir/maildir.ts";
import type { OwnStation } from "./delivery/mx.ts";
import {
  type ListenerOptions,
  type MtaOptions,
  namesMachine,
  temporaryFolder,
} from "./mta_options.ts";
import { queueFolder } from "./mta_queue.ts";
import { canonicalIp } from "./net_address.ts";
import type { Policy } from "./policy/policy.ts";
import { senderIdentity } from "./policy/sender_identity.ts";
import { BodyStore } from "./queue/body_store.ts";
import type { LocalDelivery } from "./queue/local_delivery.ts";
import { SpaceGuard } from "./queue/space_guard.ts";
import type { RouteTable } from "./routing/route_table.ts";
import { Router } from "./routing/router.ts";
import { restoreSender } from "./routing/srs.ts";
import type { SocketAddress } from "./runtime/network.ts";
import type { TlsServer } from "./runtime/tls.ts";
import { DEFAULT_LIMITS, type Role, settingsOf } from "./server/roles.ts";
import type { ConnectionSettings } from "./server/smtp_connection.ts";
import type { Extensions } from "./smtp/extensions.ts";

/** What an MX record must not lead us to. Where nothing listens here, no mail can come back. */
export function ownStation(
  { hostname, addresses = [] }: MtaOptions,
  listeners: readonly { readonly address: SocketAddress }[],
): OwnStation {
  if (listeners.length === 0) return { hostnames: [], addresses: [] };
  return { hostnames: [hostname], addresses: [...listeners.flatMap(ipOf), ...addresses] };
}

/** The address of a listener; none where it listens on all there are, which names no machine. */
function ipOf({ address }: { readonly address: SocketAddress }): string[] {
  return address.transport === "tcp" && namesMachine(address.hostname) ? [address.hostname] : [];
}

/** Where bodies are while they come in. */
export function newBodyStore(options: MtaOptions): BodyStore {
  const { runtime: { files, random }, bodyMemory } = options;
  return new BodyStore({
    files,
    random,
    directory: temporaryFolder(options),
    ...(bodyMemory !== undefined && { memory: bodyMemory }),
  });
}

/** What an address means here. @param srsSecrets what senders may be signed with; none without a queue. */
export function newRouter(
  { directory, hostname, runtime: { clock }, ...options }: MtaOptions,
  postmaster: Address | undefined,
  srsSecrets: readonly string[],
): Router {
  const { subaddressDelimiter, listeners, addresses = [] } = options;
  return new Router(directory, {
    hostname,
    // Mail to `postmaster` at an address of ours is ours too (RFC 5321 §4.5.1).
    literals: [...listeners.flatMap(ipOf), ...addresses].map(literalOf),
    ...(subaddressDelimiter !== undefined && { subaddressDelimiter }),
    ...(postmaster && { postmaster }),
    ...(srsSecrets.length > 0 && {
      restoreSender: (address) => restoreSender(address, srsSecrets, clock.now()),
    }),
  });
}

function literalOf(address: string): string {
  const ip = canonicalIp(address);
  return ip.includes(":") ? `[IPv6:${ip}]` : `[${ip}]`;
}

/** RFC 6409 §6.1: who submits mail is held to the addresses of the account. */
export function newSenderIdentity({ directory, subaddressDelimiter }: MtaOptions): Policy {
  return senderIdentity(directory, {
    ...(subaddressDelimiter !== undefined && { subaddressDelimiter }),
  });
}

/** Mail into mailboxes here. */
export function newDelivery(
  { delivery, runtime: { files, clock }, hostname }: MtaOptions,
): LocalDelivery {
  if (!("maildirRoot" in delivery)) return delivery;
  return maildirDelivery({ files, clock, root: delivery.maildirRoot, hostname });
}

/** Twice the largest message, and 256 MiB at least, stay free for what is already here. */
export function newSpaceGuard(options: MtaOptions): SpaceGuard {
  const { runtime, listeners, delivery, queue } = options;
  const largest = Math.max(
    ...listeners.map(({ limits }) => limits?.messageSize ?? DEFAULT_LIMITS.messageSize),
  );
  const { files, clock } = runtime;
  const bytes = Math.max(2 * largest, 256 * 1024 * 1024);
  const paths = [temporaryFolder(options)];
  if ("maildirRoot" in delivery) paths.push(delivery.maildirRoot);
  const folder = queueFolder(queue);
  if (folder !== null) paths.push(folder);
  return new SpaceGuard({ files, clock, paths, bytes });
}

/** What a listener offers, from its role, the overrides, and what the station can do. */
export function connectionSettings(
  listener: ListenerOptions,
  { hostname, directory, queue }: MtaOptions,
  routes: RouteTable,
  tls: TlsServer | null,
): ConnectionSettings {
  const { role } = listener;
  const name = listener.name ?? role;
  const offered = queue === undefined ? {} : queueExtensions(role, routes);
  const session = settingsOf(role, hostname, {
    ...listener,
    extensions: { ...offered, ...listener.extensions },
  });
  const implicitTls = role === "submissions";
  if (tls === null && (implicitTls || session.tls === "required")) {
    throw new TypeError(`listener ${name}: role ${role} needs a certificate`);
  }
  const auth = directory.scramVerifier === undefined
    ? session.extensions.auth.filter((mechanism) => mechanism !== "SCRAM-SHA-256")
    : session.extensions.auth;
  const startTls = session.extensions.startTls && tls !== null;
  return {
    session: { ...session, extensions: { ...session.extensions, auth, startTls } },
    role,
    listener: name,
    tls,
    implicitTls,
  };
}

/**
 * What only a station with a queue can promise. LMTP and the catcher end the road. REQUIRETLS is kept whoever the
 * next station is: mail that cannot go so is returned (RFC 8689 §4.2.1).
 */
function queueExtensions(role: Role, routes: RouteTable): Partial<Extensions> {
  if (role === "lmtp" || role === "catcher") return {};
  const promised = { dsn: true, binaryMime: true, requireTls: true };
  return role === "mx" ? { ...promised, etrn: routes.holdsAny } : promised;
}
