/**
 * The whole station, wired by hand: options in, running services out.
 *
 * @module
 */

import { domainKey, parseAddress, parseDomain } from "./address.ts";
import { maildirDelivery } from "./delivery/maildir/maildir.ts";
import type { Directory } from "./directory/directory.ts";
import { describeError, type EventSink, type MtaFact } from "./events.ts";
import type { IntakeServices } from "./intake/services.ts";
import { type Network, parseNetwork } from "./net_address.ts";
import { PolicyChain } from "./policy/chain.ts";
import type { Policy } from "./policy/policy.ts";
import { senderIdentity } from "./policy/sender_identity.ts";
import { BodyStore } from "./queue/body_store.ts";
import type { LocalDelivery } from "./queue/local_delivery.ts";
import { SpaceGuard } from "./queue/space_guard.ts";
import { Router } from "./routing/router.ts";
import { Deadlines } from "./runtime/deadlines.ts";
import {
  errorCode,
  formatSocketAddress,
  type Runtime,
  type SocketAddress,
  SystemError,
  type TlsCertificate,
  type TlsServer,
} from "./runtime/runtime.ts";
import { SmtpListener } from "./server/listener.ts";
import { ReadBuffers } from "./server/read_buffers.ts";
import {
  DEFAULT_LIMITS,
  type Role,
  type RoleOverrides,
  ROLES,
  settingsOf,
} from "./server/roles.ts";
import type { ConnectionServices, ConnectionSettings } from "./server/smtp_connection.ts";

/** What a station is made of. */
export interface MtaOptions {
  /** The machine. */
  readonly runtime: Runtime;
  /** Our name in greetings and trace fields; should resolve to this machine. */
  readonly hostname: string;
  /** Where mail comes in. */
  readonly listeners: readonly ListenerOptions[];
  /** Who lives here. */
  readonly directory: Directory;
  /** Where mailboxes lie (`ROOT/domain/user`), or something else that delivers. */
  readonly delivery: { readonly maildirRoot: string } | LocalDelivery;
  /**
   * A folder for messages too large for memory; made when missing, emptied at start, of this station
   * alone. Default `.incoming` in the Maildir root; must be given where there is none.
   */
  readonly temporary?: string;
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
 *
 * @throws {TypeError} when the options contradict each other, a network or address cannot be read, or a
 * certificate is wrong; the message says which.
 */
export async function startMta(options: MtaOptions): Promise<Mta> {
  const { runtime, hostname, directory, onEvent } = options;
  checkOptions(options);
  const temporary = temporaryFolder(options);
  const { clock, files, random, network } = runtime;
  const emit = (fact: MtaFact) => {
    try {
      onEvent?.({ time: clock.now(), ...fact });
    } catch {
      // Who only watches must not change what becomes of a mail, nor end the process.
    }
  };

  const bodies = new BodyStore({
    files,
    random,
    directory: temporary,
    ...(options.bodyMemory !== undefined && { memory: options.bodyMemory }),
  });
  const intake: IntakeServices = {
    hostname,
    clock,
    random,
    directory,
    router: await newRouter(options),
    policies: new PolicyChain([newSenderIdentity(options), ...options.policies ?? []], clock),
    delivery: newDelivery(options),
    bodies,
    space: newSpaceGuard(options, temporary),
    queue: null,
    relayFrom: (options.relayFrom ?? []).map(readNetwork),
    emit,
  };
  const services: ConnectionServices = {
    intake,
    deadlines: new Deadlines(clock, (error) => emit(internalError("deadlines", error))),
    buffers: new ReadBuffers(),
    clock,
    nonce: () => random.bytes(18).toBase64(),
    emit,
  };
  const certificates = options.certificates ?? [];
  const tls = certificates.length === 0 ? null : network.tlsServer({ certificates });
  const settings = options.listeners.map((listener) => connectionSettings(listener, options, tls));

  // Listening comes first: who cannot have the port must not touch the folder of the one who has it.
  const listeners = await listenAll(options, services, settings);
  await bodies.prepare().catch(async (error) => {
    await closeAll(listeners);
    throw error;
  });
  const running = listeners.map((listener) => listener.run());
  return {
    addresses: listeners.map((listener) => listener.address),
    replaceCertificates(replacement) {
      if (tls === null) throw new TypeError("this station was started without certificates");
      tls.replace(replacement);
    },
    async stop({ grace = 10_000 } = {}) {
      const giveUp = new AbortController();
      const stopped = new AbortController();
      clock.sleep(grace, stopped.signal).then(() => giveUp.abort(), () => {});
      await Promise.all(listeners.map((listener) => listener.stop(giveUp.signal)));
      await Promise.all(running);
      stopped.abort();
      services.deadlines.stop();
    },
  };
}

async function newRouter(options: MtaOptions): Promise<Router> {
  const { directory, hostname, subaddressDelimiter, postmaster } = options;
  const address = postmaster === undefined
    ? undefined
    : parseAddress(postmaster, { smtputf8: true });
  if (address === null) throw new TypeError(`postmaster: ${postmaster} is not a mail address`);
  // Mail for postmaster must never be refused (RFC 5321 §4.5.1), and we cannot send it on.
  if (address !== undefined && !await directory.isLocalDomain(domainKey(address.domain))) {
    throw new TypeError(`postmaster: ${postmaster} must be an address of a local domain`);
  }
  return new Router(directory, {
    hostname,
    ...(subaddressDelimiter !== undefined && { subaddressDelimiter }),
    ...(address !== undefined && { postmaster: address }),
  });
}

/** RFC 6409 §6.1: who submits mail is held to the addresses of the account. */
function newSenderIdentity({ directory, subaddressDelimiter }: MtaOptions): Policy {
  return senderIdentity(directory, {
    ...(subaddressDelimiter !== undefined && { subaddressDelimiter }),
  });
}

function newDelivery({ delivery, runtime: { files, clock }, hostname }: MtaOptions): LocalDelivery {
  if (!("maildirRoot" in delivery)) return delivery;
  return maildirDelivery({ files, clock, root: delivery.maildirRoot, hostname });
}

/** What the type checker would have said to a program that has none, and what it cannot see. */
function checkOptions({ hostname, listeners, delivery }: MtaOptions): void {
  if (parseDomain(hostname) === null) {
    throw new TypeError(`hostname: "${hostname}" is no host name such as mail.example.org`);
  }
  if (!Array.isArray(listeners) || listeners.length === 0) {
    throw new TypeError("listeners: at least one is needed");
  }
  for (const { role } of listeners) {
    if (ROLES.includes(role)) continue;
    throw new TypeError(`listeners: role "${role}" is none of ${ROLES.join(", ")}`);
  }
  if (typeof delivery !== "object" || delivery === null) {
    throw new TypeError("delivery: say { maildirRoot } or give a LocalDelivery");
  }
}

function temporaryFolder({ temporary, delivery }: MtaOptions): string {
  if (temporary !== undefined) return temporary;
  if ("maildirRoot" in delivery) return `${delivery.maildirRoot}/.incoming`;
  throw new TypeError(
    "temporary: a folder for large messages is needed with a delivery of your own",
  );
}

/** Twice the largest message, and 256 MiB at least, stay free for what is already here. */
function newSpaceGuard(
  { runtime, listeners, delivery }: MtaOptions,
  temporary: string,
): SpaceGuard {
  const largest = Math.max(
    ...listeners.map(({ limits }) => limits?.messageSize ?? DEFAULT_LIMITS.messageSize),
  );
  const { files, clock } = runtime;
  const bytes = Math.max(2 * largest, 256 * 1024 * 1024);
  const paths = "maildirRoot" in delivery ? [temporary, delivery.maildirRoot] : [temporary];
  return new SpaceGuard({ files, clock, paths, bytes });
}

function readNetwork(text: string): Network {
  const network = parseNetwork(text);
  if (network === null) {
    throw new TypeError(`relayFrom: ${text} is not a network such as 10.0.0.0/8`);
  }
  if (text.endsWith("/0")) throw new TypeError(`relayFrom: ${text} would relay for everybody`);
  return network;
}

/** What a listener offers, from its role, the overrides, and what the station can do. */
function connectionSettings(
  listener: ListenerOptions,
  { hostname, directory }: MtaOptions,
  tls: TlsServer | null,
): ConnectionSettings {
  const { role } = listener;
  const name = listener.name ?? role;
  const session = settingsOf(role, hostname, listener);
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

async function listenAll(
  { runtime, listeners }: MtaOptions,
  services: ConnectionServices,
  settings: readonly ConnectionSettings[],
): Promise<SmtpListener[]> {
  const nextId = sessionIds(runtime);
  const open: SmtpListener[] = [];
  try {
    for (const [index, { address, connections, connectionsPerClient }] of listeners.entries()) {
      const limits = {
        connections: connections ?? 10_000,
        connectionsPerClient: connectionsPerClient ?? 50,
      };
      const socket = await runtime.network.listen(address).catch((error) => refuse(address, error));
      open.push(new SmtpListener(socket, services, settings[index]!, limits, nextId));
    }
    return open;
  } catch (error) {
    await closeAll(open);
    throw error;
  }
}

/** Says which address it was that could not be had. */
function refuse(address: SocketAddress, error: unknown): never {
  const code = errorCode(error);
  if (code === undefined) throw error;
  const what = `cannot listen on ${formatSocketAddress(address)}`;
  throw new SystemError(code, `${what}: ${(error as Error).message}`, { cause: error });
}

async function closeAll(listeners: readonly SmtpListener[]): Promise<void> {
  const now = AbortSignal.abort();
  await Promise.all(listeners.map((listener) => listener.stop(now)));
}

/** Ids that no other process of this station has used: its start, randomness, a count. */
function sessionIds({ clock, random }: Runtime): () => string {
  const start = clock.now().toString(36) + random.bytes(3).toHex();
  let count = 0;
  return () => `${start}.${(++count).toString(36)}`;
}

function internalError(where: string, error: unknown): MtaFact {
  return { type: "internal.error", where, error: describeError(error) };
}
