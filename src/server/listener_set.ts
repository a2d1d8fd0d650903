/**
 * The listeners of a station, and how they become others while it runs. Sockets are matched by their
 * addresses: one that is wanted again is never closed, not for a moment, so nobody is refused.
 *
 * What fails: an address that cannot be had is thrown with the machine's code, and nothing has changed then.
 *
 * @module
 */

import { canonicalIp, classifyIp } from "../net_address.ts";
import { formatSocketAddress, type Network, type SocketAddress } from "../runtime/network.ts";
import { errorCode, SystemError } from "../runtime/system_error.ts";
import { ClientCounts } from "./client_counts.ts";
import { type ListenerPlan, SmtpListener } from "./listener.ts";

/** A listener as it is to be. */
export interface WantedListener {
  /** Port 0: a free one, and where there is one that was wanted so before, that one. */
  readonly address: SocketAddress;
  readonly plan: ListenerPlan;
}

/** The listeners to come, with their sockets open: to be put in force, or dropped. */
export interface PreparedListeners {
  /** Where they listen, with real ports, in the order in which they are wanted. */
  readonly addresses: readonly SocketAddress[];
  /** Puts them in force; what is no more wanted lets its sessions end. Tells what has changed. */
  adopt(): ListenerChange;
  /** Closes the sockets that were opened for them. */
  discard(): Promise<void>;
}

/** What became of sockets. */
export interface ListenerChange {
  readonly started: readonly SocketAddress[];
  readonly stopped: readonly SocketAddress[];
  readonly kept: number;
}

/** A listener, and the address it was wanted at. */
interface Place {
  readonly wanted: SocketAddress;
  readonly listener: SmtpListener;
}

/** All listeners of a station. */
export class ListenerSet {
  readonly #network: Pick<Network, "listen">;
  readonly #nextId: () => string;
  readonly #clients = new ClientCounts();
  #places: readonly Place[] = [];
  /** Those that are not wanted any more and have sessions yet. */
  readonly #retired = new Set<SmtpListener>();

  /** Empty. @param nextId gives the ids of sessions. */
  constructor(network: Pick<Network, "listen">, nextId: () => string) {
    this.#network = network;
    this.#nextId = nextId;
  }

  /** Those in force, in the order in which they were wanted. */
  get current(): readonly SmtpListener[] {
    return this.#places.map(({ listener }) => listener);
  }

  /** Those that only let their sessions end. */
  get retired(): readonly SmtpListener[] {
    return [...this.#retired];
  }

  /** Opens the sockets that are not there yet. Nobody is accepted there before they are adopted. */
  async prepare(wanted: readonly WantedListener[]): Promise<PreparedListeners> {
    const before = this.#places;
    const kept = matchAddresses(before.map(addressesOf), wanted.map(({ address }) => address));
    const gone = before.filter((_, index) => !kept.includes(index));
    const opened: SmtpListener[] = [];
    const discard = async () => {
      const now = AbortSignal.abort();
      await Promise.all(opened.map((listener) => listener.stop(now)));
    };
    const places: Place[] = [];
    try {
      for (const [index, { address, plan }] of wanted.entries()) {
        const known = before[kept[index]!];
        const listener = known?.listener ?? await this.#open(address, plan, gone);
        if (known === undefined) opened.push(listener);
        places.push({ wanted: address, listener });
      }
    } catch (error) {
      await discard();
      throw error;
    }
    return {
      addresses: places.map(({ listener }) => listener.address),
      discard,
      adopt: () => {
        this.#places = places;
        places.forEach(({ listener }, index) => listener.adopt(wanted[index]!.plan));
        for (const listener of opened) listener.start();
        for (const { listener } of gone) this.#retire(listener);
        return {
          started: opened.map(({ address }) => address),
          stopped: gone.map(({ listener }) => listener.address),
          kept: places.length - opened.length,
        };
      },
    };
  }

  /** Stops all; see {@link SmtpListener.stop}. */
  async stop(giveUp: AbortSignal): Promise<void> {
    const all = [...this.current, ...this.#retired];
    await Promise.all(all.map((listener) => listener.stop(giveUp)));
  }

  async #open(
    address: SocketAddress,
    plan: ListenerPlan,
    gone: readonly Place[],
  ): Promise<SmtpListener> {
    try {
      const socket = await this.#network.listen(address);
      return new SmtpListener(socket, plan, this.#nextId, this.#clients);
    } catch (error) {
      const code = errorCode(error);
      if (code === undefined) throw error;
      const ours = code === "EADDRINUSE" &&
        gone.find(({ listener }) => overlaps(listener, address));
      const why = ours
        ? `this station still listens on ${
          formatSocketAddress(ours.listener.address)
        }: needs a restart`
        : (error as Error).message;
      const what = `cannot listen on ${formatSocketAddress(address)}`;
      throw new SystemError(code, `${what}: ${why}`, { cause: error });
    }
  }

  #retire(listener: SmtpListener): void {
    this.#retired.add(listener);
    listener.retire().finally(() => this.#retired.delete(listener));
  }
}

function addressesOf({ wanted, listener }: Place): readonly SocketAddress[] {
  return [wanted, listener.address];
}

/**
 * Which of the sockets there are serves each address that is wanted; -1 where none does. A socket goes by the
 * address it was wanted at, then by the one it got; among equals the first goes with the first.
 *
 * @example
 * ```ts
 * import { matchAddresses } from "./listener_set.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const at = (port: number) => ({ transport: "tcp", hostname: "127.0.0.1", port } as const);
 * const open = [[at(0), at(40123)], [at(0), at(40124)], [at(25), at(25)]];
 * assertEquals(matchAddresses(open, [at(25), at(0), at(40124), at(587)]), [2, 0, 1, -1]);
 * ```
 */
export function matchAddresses(
  open: readonly (readonly SocketAddress[])[],
  wanted: readonly SocketAddress[],
): number[] {
  const matches: number[] = wanted.map(() => -1);
  for (const name of [0, 1]) {
    wanted.forEach((address, index) => {
      if (matches[index] !== -1) return;
      const key = addressKey(address);
      matches[index] = open.findIndex((names, socket) =>
        !matches.includes(socket) && addressKey(names[name]!) === key
      );
    });
  }
  return matches;
}

function addressKey(address: SocketAddress): string {
  if (address.transport === "unix") return `unix:${address.path}`;
  const { hostname, port } = address;
  const host = classifyIp(hostname) === null ? hostname.toLowerCase() : canonicalIp(hostname);
  return `${host} ${port}`;
}

/** Whether a socket of ours is why an address cannot be had: it has the port on all addresses, or they have it. */
function overlaps({ address: ours }: SmtpListener, address: SocketAddress): boolean {
  if (ours.transport === "unix" || address.transport === "unix") return false;
  return ours.port === address.port &&
    [ours.hostname, address.hostname].some((hostname) => classifyIp(hostname) === "unspecified");
}
