/**
 * The whole station, wired by hand: options in, running services out.
 *
 * @module
 */

import type { Address } from "./address.ts";
import type { OwnStation } from "./delivery/mx.ts";
import { maildirDelivery } from "./delivery/maildir/maildir.ts";
import { describeError, type MtaFact } from "./events.ts";
import type { IntakeServices } from "./intake/services.ts";
import {
  type SubmitEnvelope,
  type SubmitMessage,
  submitMessage,
  type SubmitOptions,
  type Submitted,
} from "./intake/submit.ts";
import {
  checkOptions,
  type ListenerOptions,
  type MtaOptions,
  namesMachine,
  readNetwork,
  readPostmaster,
  type ReloadOptions,
  temporaryFolder,
} from "./mta_options.ts";
import {
  type OpenQueue,
  openQueue,
  queueFolder,
  queueServices,
  StationQueue,
} from "./mta_queue.ts";
import type { MtaStatus } from "./mta_status.ts";
import { canonicalIp } from "./net_address.ts";
import { PolicyChain } from "./policy/chain.ts";
import type { Policy } from "./policy/policy.ts";
import { senderIdentity } from "./policy/sender_identity.ts";
import { BodyStore } from "./queue/body_store.ts";
import type { LocalDelivery } from "./queue/local_delivery.ts";
import type { QueueControl } from "./queue/operator/queue_control.ts";
import { SpaceGuard } from "./queue/space_guard.ts";
import { RouteTable } from "./routing/route_table.ts";
import { Router } from "./routing/router.ts";
import { restoreSender } from "./routing/srs.ts";
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
import { DEFAULT_LIMITS, type Role, settingsOf } from "./server/roles.ts";
import type { ConnectionServices, ConnectionSettings } from "./server/smtp_connection.ts";
import type { Extensions } from "./smtp/extensions.ts";

/** A running station. */
export interface Mta {
  /** Where it listens, with real ports, in the order of the options. */
  readonly addresses: readonly SocketAddress[];
  /** The queue, seen and changed; `null` where there is none. */
  readonly queue: QueueControl | null;
  /**
   * Takes a message from the program itself, for anybody; resolves when it is durable: delivered, or in
   * the queue.
   *
   * @throws {TypeError} for an address that is none; {@link SubmitError} when it is refused.
   */
  submit(
    envelope: SubmitEnvelope,
    message: SubmitMessage,
    options?: SubmitOptions,
  ): Promise<Submitted>;
  /**
   * Gives the running station other options: all of them, as at the start, not only what is to change. They are
   * checked, and everything is built beside what runs, sockets of new listeners included; then all is swapped at
   * once. What is wrong with them throws, and nothing has changed then.
   *
   * Sessions that are open, and deliveries under way, end as they began; whatever begins after the promise has
   * resolved goes by the new options. A listener at an address that was there before keeps its socket, which is
   * never closed for it (port 0 counts as the same where it was 0 before); one that is gone takes no more
   * connections and lets its sessions end. Reloads are done one after the other.
   *
   * The directory, the policies and a delivery of your own stay yours: the old ones are asked until the last
   * session ends that began with them, and are never closed by the station.
   *
   * @throws {TypeError} as {@link startMta}; and, with all of them in the message, for what needs a restart:
   * the runtime, whether there is a queue, its folder or store, the folder for large messages.
   * @throws {Error} when the station is stopping, and what the machine says when an address cannot be had.
   */
  reload(options: ReloadOptions): Promise<void>;
  /** What goes on at this moment. Cheap enough to be asked every second. */
  status(): MtaStatus;
  /** New certificates for handshakes from now on, until the next reload brings its own. */
  replaceCertificates(certificates: readonly TlsCertificate[]): void;
  /**
   * Stops listening and begins no delivery any more, lets sessions finish what they are doing (421 at
   * their next command) and deliveries too, and breaks off what is left after `grace` milliseconds
   * (default 10,000). The queue is closed at the end, also where it is a store of your own.
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
  const { runtime, onEvent } = options;
  checkOptions(options);
  const routes = new RouteTable(options.routes);
  const certificates = options.certificates ?? [];
  const tls = certificates.length === 0 ? null : runtime.network.tlsServer({ certificates });
  const settings = options.listeners.map((listener) =>
    connectionSettings(listener, options, routes, tls)
  );
  const emit = (fact: MtaFact) => {
    try {
      onEvent?.({ time: runtime.clock.now(), ...fact });
    } catch {
      // Who only watches must not change what becomes of a mail, nor end the process.
    }
  };
  const open = options.queue === undefined ? null : await openQueue(options.queue, runtime, emit);
  try {
    return await startStation(options, { routes, tls, settings, open, emit });
  } catch (error) {
    await open?.store.close();
    throw error;
  }
}

/** What is made of the options before anything starts. */
interface Prepared {
  readonly routes: RouteTable;
  readonly tls: TlsServer | null;
  readonly settings: readonly ConnectionSettings[];
  readonly open: OpenQueue | null;
  readonly emit: (fact: MtaFact) => void;
}

async function startStation(
  options: MtaOptions,
  { routes, tls, settings, open, emit }: Prepared,
): Promise<Mta> {
  const { runtime, hostname, directory } = options;
  const { clock, random } = runtime;
  const postmaster = await readPostmaster(options);
  const router = newRouter(options, postmaster, open);
  const delivery = newDelivery(options);
  const bodies = newBodyStore(options);
  let queue: StationQueue | null = null;
  const intake: IntakeServices = {
    ...{ hostname, clock, random, directory, router, delivery, bodies, emit },
    policies: new PolicyChain([newSenderIdentity(options), ...options.policies ?? []], clock),
    space: newSpaceGuard(options),
    queue: open && queueServices(open, routes, () => queue),
    relayFrom: (options.relayFrom ?? []).map(readNetwork),
  };
  const deadlines = new Deadlines(clock, (error) => emit(internalError("deadlines", error)));
  const services: ConnectionServices = {
    ...{ intake, deadlines, clock, emit },
    buffers: new ReadBuffers(),
    nonce: () => random.bytes(18).toBase64(),
  };
  const nextId = sessionIds(runtime);

  // Listening comes first: who cannot have the port must not touch the folder of the one who has it.
  const listeners = await listenAll(options, services, settings, nextId);
  try {
    await bodies.prepare();
    queue = open && new StationQueue(options.queue!, open, {
      ...{ runtime, hostname, router, routes, delivery, deadlines, emit },
      own: ownStation(options, listeners),
      ...(postmaster && { postmaster }),
      ...pick(options, "subaddressDelimiter"),
    });
  } catch (error) {
    await closeAll(listeners);
    deadlines.stop();
    throw error;
  }
  const running = listeners.map((listener) => listener.run());
  return {
    addresses: listeners.map((listener) => listener.address),
    queue: queue?.control ?? null,
    submit: (envelope, message, options) =>
      submitMessage(intake, nextId, envelope, message, options),
    reload: () => Promise.reject(new Error("reload: not built yet")),
    status: () => ({
      ...{ started: clock.now(), loaded: clock.now(), reloads: 0, hostname, stopping: false },
      ...{ listeners: [], bodyMemory: bodies.memoryUsed, queue: null },
    }),
    replaceCertificates(replacement) {
      if (tls === null) throw new TypeError("this station was started without certificates");
      tls.replace(replacement);
    },
    async stop({ grace = 10_000 } = {}) {
      const giveUp = new AbortController();
      const stopped = new AbortController();
      clock.sleep(grace, stopped.signal).then(() => giveUp.abort(), () => {});
      // Both at once: a client that holds up its session must not use up the time of deliveries.
      await Promise.all([
        queue?.drain(grace),
        ...listeners.map((listener) => listener.stop(giveUp.signal)),
      ]);
      await Promise.all(running);
      stopped.abort();
      // Last of all: what sessions finished meanwhile is in it.
      await queue?.close();
      deadlines.stop();
    },
  };
}

/** An option where it is given, for options that must not be there as `undefined`. */
function pick<K extends keyof MtaOptions>(
  options: MtaOptions,
  name: K,
): Partial<Pick<MtaOptions, K>> {
  const value = options[name];
  return value === undefined ? {} : { [name]: value } as Pick<MtaOptions, K>;
}

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

/** What an address means here. */
export function newRouter(
  { directory, hostname, runtime: { clock }, ...options }: MtaOptions,
  postmaster: Address | undefined,
  open: Pick<OpenQueue, "srsSecret"> | null,
): Router {
  const { subaddressDelimiter, listeners, addresses = [] } = options;
  return new Router(directory, {
    hostname,
    // Mail to `postmaster` at an address of ours is ours too (RFC 5321 §4.5.1).
    literals: [...listeners.flatMap(ipOf), ...addresses].map(literalOf),
    ...(subaddressDelimiter !== undefined && { subaddressDelimiter }),
    ...(postmaster && { postmaster }),
    ...(open && {
      restoreSender: (address) => restoreSender(address, [open.srsSecret], clock.now()),
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
 * What only a station with a queue can promise. LMTP and the catcher end the road. REQUIRETLS is not promised
 * unless a listener says so: RFC 8689 §4.2.1 wants names of hosts that DNSSEC or MTA-STS vouch for.
 */
function queueExtensions(role: Role, routes: RouteTable): Partial<Extensions> {
  if (role === "lmtp" || role === "catcher") return {};
  const promised = { dsn: true, binaryMime: true };
  return role === "mx" ? { ...promised, etrn: routes.holdsAny } : promised;
}

async function listenAll(
  { runtime, listeners }: MtaOptions,
  services: ConnectionServices,
  settings: readonly ConnectionSettings[],
  nextId: () => string,
): Promise<SmtpListener[]> {
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
