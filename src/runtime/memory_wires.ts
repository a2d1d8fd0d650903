/**
 * What lies between machines in memory: who has which address, how links behave, which links there
 * are. Shared by all machines of one world; what one machine sees of it is `memory_network.ts`.
 *
 * @module
 */

import { MemoryConnection } from "./memory_connection.ts";
import { Pipe } from "./memory_pipe.ts";
import type { SocketAddress } from "./network.ts";
import type { Clock } from "./runtime.ts";

/** How a link behaves, in both directions. What is left out is ideal. */
export interface LinkConditions {
  /** Milliseconds until a write is seen by the other side. Default 0. */
  readonly delay?: number | (() => number);
  /** How many of the octets that could be read one read gives. Default all. */
  readonly split?: (available: number) => number;
  /** Octets written but not yet read, at most, each way. Default 65,536. */
  readonly window?: number;
  /** `refuse`: nobody listens there. `ignore`: connecting never ends. Default `accept`. */
  readonly connect?: "accept" | "refuse" | "ignore";
  /** Hurts the link after the write with which both directions have carried this many octets. */
  readonly fault?: { readonly after: number; readonly kind: "reset" | "silence" };
}

/** One open link between two sockets; a handle for a test to hurt it by. */
export interface MemoryLink {
  /** The end that connected. */
  readonly client: SocketAddress;
  /** The end that accepted. */
  readonly server: SocketAddress;
  /** Octets written so far, both ways together. */
  readonly carried: number;
  /** Both ends fail with ECONNRESET; whatever is under way is lost. */
  reset(): void;
  /** From now on nothing arrives, and neither end is told. */
  silence(): void;
}

/** One end of a link that is to be made. */
export interface LinkEnd<Machine> {
  /** Whose end. */
  readonly machine: Machine;
  /** Its address. */
  readonly address: SocketAddress;
}

/** Addresses and links. */
export class MemoryWires<Machine extends object> {
  /** Asked at each connect; the default is ideal. */
  conditions: (client: SocketAddress, server: SocketAddress) => LinkConditions = () => ({});
  /** What delays are delays of. */
  readonly clock: Clock;
  readonly #machines = new Map<string, Machine>();
  readonly #links = new Map<MemoryLink, Map<Machine, MemoryConnection[]>>();

  /** Wires without a machine. */
  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** The links of which one end at least is open, oldest first. */
  get links(): readonly MemoryLink[] {
    return [...this.#links.keys()];
  }

  /** Gives an address to a machine; `false` when another has it. */
  claim(hostname: string, machine: Machine): boolean {
    const owner = this.#machines.get(hostname) ?? machine;
    this.#machines.set(hostname, owner);
    return owner === machine;
  }

  /** Who has an address. */
  machineAt(hostname: string): Machine | undefined {
    return this.#machines.get(hostname);
  }

  /** Cuts a machine off: its links are reset, its ends closed, its addresses free. */
  remove(machine: Machine): void {
    for (const [link, ends] of [...this.#links]) {
      const own = ends.get(machine);
      if (own === undefined) continue;
      link.reset();
      for (const connection of own) connection.close();
    }
    for (const [hostname, owner] of this.#machines) {
      if (owner === machine) this.#machines.delete(hostname);
    }
  }

  /** Makes a link; gives the client's end and the server's. */
  link(
    client: LinkEnd<Machine>,
    server: LinkEnd<Machine>,
    conditions: LinkConditions,
  ): [MemoryConnection, MemoryConnection] {
    const { fault, split = (available) => available, window = 65536 } = conditions;
    const onWrite = () => {
      if (fault === undefined || link.carried < fault.after) return;
      if (fault.kind === "reset") link.reset();
      else link.silence();
    };
    const pipes = [0, 1].map(() =>
      new Pipe(this.clock, { delay: delayOf(conditions), split, window, onWrite })
    );
    const [up, down] = pipes as [Pipe, Pipe];
    const link: MemoryLink = {
      client: client.address,
      server: server.address,
      get carried() {
        return up.written + down.written;
      },
      reset: () => pipes.forEach((pipe) => pipe.break()),
      silence: () => pipes.forEach((pipe) => pipe.silence()),
    };
    let open = 2;
    const onClose = () => {
      if (--open === 0) this.#links.delete(link);
    };
    const [ours, theirs] = [
      new MemoryConnection({
        local: client.address,
        remote: server.address,
        incoming: down,
        outgoing: up,
        onClose,
      }),
      new MemoryConnection({
        local: server.address,
        remote: client.address,
        incoming: up,
        outgoing: down,
        onClose,
      }),
    ];
    const ends = new Map([[client.machine, [ours]]]);
    ends.set(server.machine, [...ends.get(server.machine) ?? [], theirs]);
    this.#links.set(link, ends);
    return [ours, theirs];
  }
}

/** The delay of a link as a function. */
export function delayOf({ delay = 0 }: LinkConditions): () => number {
  return typeof delay === "number" ? () => delay : delay;
}
