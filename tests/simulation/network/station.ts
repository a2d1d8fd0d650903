/**
 * One station of the network on a machine of its own: whole, with its queue and its mailboxes on a disk in
 * memory. It can lose its power at any call, be stopped, started again and reloaded, and its wall clock can be
 * set. Its supervisor starts it again a while after it is down, and again where the start fails.
 *
 * @module
 */

import { mapDirectory } from "../../../src/directory/map_directory.ts";
import type { MtaEvent } from "../../../src/events.ts";
import { type Mta, startMta } from "../../../src/mta.ts";
import type { MtaOptions } from "../../../src/mta_options.ts";
import type { RouteOptions } from "../../../src/routing/route_table.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";
import type { Unsynced } from "../../../src/runtime/memory_disk.ts";
import type { MemoryFiles } from "../../../src/runtime/memory_files.ts";
import type { Clock } from "../../../src/runtime/runtime.ts";
import { type Found, identify } from "./mail.ts";
import { ALIASES, MACHINES, type StationName, USERS } from "./places.ts";

const SECOND = 1000;
/** How long mail is tried, and a notice: longer than any trouble lasts, with all that clocks are set forward. */
const LIFETIME = 60 * 3_600_000;

/** Octets that a disk has; under the 256 MiB that a station wants to be free it takes no mail. */
export const DISK = 4 * 1024 ** 3;

/** Ways that are not whatever DNS says. */
const ROUTES: Readonly<Record<StationName, readonly RouteOptions[]>> = {
  a: [{
    domains: ["held.test"],
    accept: true,
    via: { kind: "hold", then: { kind: "smarthost", host: "mx.sink.test" } },
  }],
  b: [],
  c: [
    { domains: ["b.test"], accept: true, via: { kind: "mx" } },
    {
      domains: ["lmtp.test"],
      accept: true,
      via: { kind: "lmtp", address: { transport: "tcp", hostname: MACHINES.lmtp, port: 24 } },
    },
  ],
  d: [{ domains: ["*"], via: { kind: "smarthost", host: "mx.a.test" } }],
};

/** What a station tells of itself. */
export interface StationWatch {
  /** Something happened while it had power. */
  readonly onEvent: (station: SimulatedStation, event: MtaEvent) => void;
  /** Its files, each time it has power anew. */
  readonly onPower: (station: SimulatedStation, files: MemoryFiles) => void;
  /** It is up, or cannot start. */
  readonly onStart: (station: SimulatedStation, error?: unknown) => void;
}

/** A station and its machine. */
export class SimulatedStation {
  /** Milliseconds that its wall clock is ahead of the world's. Sleeps are not touched by it (CLOCK_MONOTONIC). */
  skew = 0;
  /** How often it was started. */
  starts = 0;
  #machine: MemoryRuntime;
  #mta: Mta | null = null;
  /** Stations without power, or stopped, that have yet to end. */
  readonly #endings = new Set<Promise<void>>();
  #starting: Promise<void> = Promise.resolve();
  #over = false;

  constructor(
    readonly name: StationName,
    readonly hub: MemoryRuntime,
    readonly watch: StationWatch,
  ) {
    this.#machine = memoryRuntime({ address: MACHINES[name], beside: hub });
    this.#machine.files.disk.capacity = DISK;
  }

  /** Where it runs now. */
  get machine(): MemoryRuntime {
    return this.#machine;
  }

  /** The station, while it is up. */
  get mta(): Mta | null {
    return this.#mta;
  }

  /** Starts it, again and again until it is up; does nothing where it is, or is being started. */
  start(): Promise<void> {
    return this.#starting = this.#starting.then(() => this.#start());
  }

  /** Stops it in an orderly way. */
  async stop(grace: number): Promise<void> {
    const mta = this.#mta;
    this.#mta = null;
    if (mta !== null) await this.#end(mta, grace);
  }

  /** For good. */
  async finish(): Promise<void> {
    this.#over = true;
    await this.#starting;
    await this.stop(SECOND);
    await Promise.all(this.#endings);
  }

  /** The power goes, and is there again at once; what ran is cut off from the world. */
  crash(unsynced: Unsynced): void {
    const dead = this.#mta;
    this.#mta = null;
    this.#machine = this.#machine.reboot(unsynced);
    // It can do no harm any more; its sleeps must come to an end.
    if (dead !== null) this.#end(dead, 0);
  }

  /** Other options of every kind that the way of mail does not depend on. */
  async reload(variant: number): Promise<void> {
    await this.#mta?.reload(this.#options(this.#machine, variant));
  }

  /** What lies in its mailboxes, by address. */
  async mailboxes(): Promise<Map<string, Found[]>> {
    const { files } = this.#machine;
    const found = new Map<string, Found[]>();
    for (const user of USERS) {
      const folder = `/mail/${this.name}.test/${user}/new`;
      const mails: Found[] = [];
      if (await files.stat(folder) !== null) {
        const names: string[] = [];
        for await (const { name } of files.list(folder)) names.push(name);
        for (const name of names.sort()) {
          mails.push(identify(await files.readFile(`${folder}/${name}`)));
        }
      }
      found.set(`${user}@${this.name}.test`, mails);
    }
    return found;
  }

  async #start(): Promise<void> {
    while (this.#mta === null && !this.#over) {
      const machine = this.#machine;
      try {
        this.watch.onPower(this, machine.files);
        const mta = await startMta({
          ...this.#options(machine, this.starts),
          runtime: this.#runtime(machine),
        });
        // It may have lost its power while it started.
        if (machine !== this.#machine) {
          this.#end(mta, 0);
        } else {
          this.#mta = mta;
          this.starts++;
          this.watch.onStart(this);
          return;
        }
      } catch (error) {
        this.watch.onStart(this, error);
      }
      await this.hub.clock.sleep(30 * SECOND);
    }
  }

  /** Waits for the end of a station that is not in use any more, in {@link finish}. */
  #end(mta: Mta, grace: number): Promise<void> {
    const ending = mta.stop({ grace }).catch(() => {}).finally(() => this.#endings.delete(ending));
    this.#endings.add(ending);
    return ending;
  }

  #runtime(machine: MemoryRuntime): MtaOptions["runtime"] {
    const { clock } = this.hub;
    const wall: Clock = {
      now: () => clock.now() + this.skew,
      sleep: (ms, signal) => clock.sleep(ms, signal),
    };
    return { ...machine, clock: wall };
  }

  #options(machine: MemoryRuntime, variant: number): Omit<MtaOptions, "runtime"> {
    const { name } = this;
    const domain = `${name}.test`;
    const aliases = Object.entries(ALIASES).filter(([alias]) => alias.endsWith(`@${domain}`));
    return {
      hostname: `mx.${domain}`,
      addresses: [MACHINES[name]],
      directory: mapDirectory({
        accounts: Object.fromEntries(USERS.map((user) => [`${user}@${domain}`, {}])),
        aliases: Object.fromEntries(aliases.map(([alias, targets]) => [alias, [...targets]])),
      }),
      delivery: { maildirRoot: "/mail" },
      postmaster: `pm@${domain}`,
      relayFrom: ["198.51.100.0/25", ...(name === "a" ? [`${MACHINES.d}/32`] : [])],
      routes: ROUTES[name],
      bodyMemory: [1 << 20, 1 << 16][variant % 2]!,
      queue: {
        directory: "/queue",
        retry: {
          usual: { lifetime: LIFETIME, noticeLifetime: LIFETIME },
          // That its mail ends in time must be seen too; the days until then cost most of a seed's time.
          domains: { "gone.test": { lifetime: LIFETIME / 8 } },
        },
        limits: { concurrency: [100, 1, 5][variant % 3]!, jobRecipients: [100, 1][variant % 2]! },
      },
      listeners: [
        { role: "mx", address: { transport: "tcp", hostname: "0.0.0.0", port: 25 } },
        // Comes and goes with reloads.
        ...(variant % 2 === 0 ? [] : [
          { role: "mx", address: { transport: "tcp", hostname: "0.0.0.0", port: 2525 } } as const,
        ]),
      ],
      onEvent: (event) => {
        // What a machine without power says is heard by nobody.
        if (machine === this.#machine) this.watch.onEvent(this, event);
      },
    };
  }
}
