/**
 * A small internet of whole stations in memory: each a machine of its own with a disk, a queue and a domain,
 * known to the others by DNS. Time is virtual and passes only when a test says so.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { decode } from "../../src/bytes.ts";
import { mapDirectory, type MapDirectoryOptions } from "../../src/directory/map_directory.ts";
import type { MtaEvent } from "../../src/events.ts";
import type { SubmitEnvelope, SubmitMessage } from "../../src/intake/submit.ts";
import { type Mta, startMta } from "../../src/mta.ts";
import type { ListenerOptions, MtaOptions } from "../../src/mta_options.ts";
import type { QueueSettings } from "../../src/mta_queue.ts";
import type { QueueEntry } from "../../src/queue/entry.ts";
import { queueMatcher } from "../../src/queue/operator/queue_filter.ts";
import { type MemoryRuntime, memoryRuntime } from "../../src/runtime/memory.ts";
import type { Unsynced } from "../../src/runtime/memory_disk.ts";
import { type PeerBehaviour, ScriptedPeer } from "../delivery/scripted_peer.ts";
import { mxCertificate } from "../support/certificates.ts";
import { SmtpPeer } from "../support/memory_station.ts";

export const SECOND = 1000;
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** What a test may say of a station; the rest is usual. */
export interface StationOptions
  extends Partial<Omit<MtaOptions, "runtime" | "listeners" | "directory" | "queue">> {
  /** Who lives there. Default Alice and Bob, who have no passwords. */
  readonly directory?: MapDirectoryOptions;
  /** What its MX says beside `mx`. */
  readonly listener?: Partial<Omit<ListenerOptions, "address">>;
  /** Listeners beside the MX. */
  readonly more?: readonly ListenerOptions[];
  readonly queue?: QueueSettings;
  /** Default: the next free one. */
  readonly address?: string;
}

/** An event of one type. */
export type EventOf<T extends MtaEvent["type"]> = Extract<MtaEvent, { type: T }>;

/** All machines. */
export class World {
  /** A machine that only holds the world together. */
  readonly hub: MemoryRuntime;
  readonly #stations: Station[] = [];
  #addresses = 0;
  readonly #clients: SmtpPeer[] = [];

  constructor(seed = 1) {
    this.hub = memoryRuntime({ address: "192.0.2.250", seed });
  }

  get clock() {
    return this.hub.clock;
  }

  get resolver() {
    return this.hub.resolver;
  }

  /** The address of the next machine: public, and of nobody. */
  nextAddress(): string {
    return `192.0.2.${++this.#addresses}`;
  }

  /**
   * Starts a station that is the mail host of a domain, as `mx.DOMAIN`, and has its queue in `/srv/spool/queue` and its
   * mailboxes in `/home/mail`.
   */
  async station(
    domain: string,
    options: StationOptions = {},
    { start = true }: { readonly start?: boolean } = {},
  ): Promise<Station> {
    const { address = this.nextAddress() } = options;
    const hostname = options.hostname ?? `mx.${domain}`;
    this.host(domain, hostname, address);
    const runtime = memoryRuntime({ address, beside: this.hub });
    const station = new Station(this, runtime, domain, { ...options, address, hostname });
    this.#stations.push(station);
    if (start) await station.start();
    return station;
  }

  /** A peer that does what the test says, as the mail host of a domain. */
  async peer(domain: string, behaviour: PeerBehaviour = {}): Promise<ScriptedPeer> {
    const address = this.nextAddress();
    this.host(domain, `mx.${domain}`, address);
    return await ScriptedPeer.start(memoryRuntime({ address, beside: this.hub }), behaviour);
  }

  /** Says by DNS who takes mail for a domain. */
  host(domain: string, hostname: string, address: string): void {
    this.resolver.set(domain, { mx: [`10 ${hostname}`] });
    this.resolver.set(hostname, { a: [address] });
  }

  /** A client of a station, from a machine of its own. */
  async client(station: Station, port = 25): Promise<SmtpPeer> {
    const address = `198.51.100.${this.#clients.length + 1}`;
    const machine = memoryRuntime({ address, beside: this.hub });
    const hostname = station.address;
    const connecting = machine.network.connect({ transport: "tcp", hostname, port });
    const peer = new SmtpPeer(await this.clock.runUntil(connecting), this.hub);
    this.#clients.push(peer);
    await peer.expect(220);
    return peer;
  }

  /** Lets everything that can happen do so, and then time pass. */
  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
  }

  /** Stops all stations; nothing may be left asleep or open. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.clock.runUntil(Promise.all(this.#stations.map((station) => station.stop())));
    await this.clock.settle();
    assertEquals(this.clock.sleepers, 0, "somebody still sleeps");
    assertEquals(this.hub.network.wires.links.length, 0, "a connection is still open");
  }
}

/** One station, that may be stopped and started again. */
export class Station {
  /** All that happened, over all starts. */
  readonly events: MtaEvent[] = [];
  #runtime: MemoryRuntime;
  #mta: Mta | null = null;

  constructor(
    readonly world: World,
    runtime: MemoryRuntime,
    readonly domain: string,
    readonly options: StationOptions & { readonly address: string; readonly hostname: string },
  ) {
    this.#runtime = runtime;
  }

  get runtime(): MemoryRuntime {
    return this.#runtime;
  }

  get address(): string {
    return this.options.address;
  }

  get isDown(): boolean {
    return this.#mta === null;
  }

  get mta(): Mta {
    if (this.#mta === null) throw new Error(`${this.domain} is down`);
    return this.#mta;
  }

  /** Starts it, or starts it again. */
  async start(): Promise<void> {
    const { directory, listener, more = [], queue, address: _, ...options } = this.options;
    const { domain } = this;
    const runtime = this.#runtime;
    const starting = startMta({
      delivery: { maildirRoot: "/home/mail" },
      certificates: [mxCertificate],
      ...options,
      runtime,
      directory: mapDirectory(
        directory ?? { accounts: { [`alice@${domain}`]: {}, [`bob@${domain}`]: {} } },
      ),
      queue: { directory: "/srv/spool/queue", ...queue },
      listeners: [
        {
          role: "mx",
          ...listener,
          extensions: { requireTls: true, ...listener?.extensions },
          address: { transport: "tcp", hostname: "0.0.0.0", port: 25 },
        },
        ...more,
      ],
      onEvent: (event) => {
        // What a machine without power says is heard by nobody.
        if (runtime !== this.#runtime) return;
        this.events.push(event);
        options.onEvent?.(event);
      },
    });
    const mta = await this.world.clock.runUntil(starting);
    // The machine may have lost its power while it started.
    if (runtime === this.#runtime) this.#mta = mta;
    else mta.stop({ grace: 0 }).catch(() => {});
  }

  /** Stops it in an orderly way. */
  async stop(grace = SECOND): Promise<void> {
    const mta = this.#mta;
    this.#mta = null;
    await mta?.stop({ grace });
  }

  /** The power goes and comes back: what ran is cut off from the world. It is to be started then. */
  crash(unsynced: Unsynced): void {
    this.#runtime = this.#runtime.reboot(unsynced);
    const dead = this.#mta;
    this.#mta = null;
    // It can do no harm, and its sleeps come to an end.
    dead?.stop({ grace: 0 }).catch(() => {});
  }

  /** Submits a mail from a program; gives its id. */
  async submit(
    sender: string | null,
    to: string | SubmitEnvelope["recipients"],
    more: Omit<Partial<SubmitEnvelope>, "sender"> & { readonly message?: SubmitMessage } = {},
  ): Promise<string> {
    const { message = "Subject: hi\r\n\r\nHello.\r\n", ...envelope } = more;
    const recipients = typeof to === "string" ? [to] : to;
    const taking = this.mta.submit({ sender, recipients, ...envelope }, message);
    return (await this.world.clock.runUntil(taking)).id;
  }

  /** The mails in a mailbox here, with CRLF line ends, in the order of their names. */
  async mailbox(user: string): Promise<string[]> {
    const { files } = this.#runtime;
    const folder = `/home/mail/${this.domain}/${user}/new`;
    if (await files.stat(folder) === null) return [];
    const names: string[] = [];
    for await (const { name } of files.list(folder)) names.push(name);
    return await Promise.all(
      names.sort().map(async (name) =>
        decode(await files.readFile(`${folder}/${name}`)).replace(/\r?\n/g, "\r\n")
      ),
    );
  }

  /** What waits in the queue. */
  async queued() {
    const matcher = queueMatcher({});
    if ("wrong" in matcher) throw new Error("unreachable");
    return await Array.fromAsync(this.mta.queue!.list(matcher, new AbortController().signal));
  }

  /** The events of a type. */
  of<T extends MtaEvent["type"]>(type: T): EventOf<T>[] {
    return this.events.filter((event) => event.type === type) as EventOf<T>[];
  }

  /** Faults of ours, of which there may be none. */
  get faults(): MtaEvent[] {
    return this.events.filter(({ type }) => type === "internal.error" || type === "queue.damaged");
  }
}

/** The ids of what waits. */
export function idsOf(entries: readonly Pick<QueueEntry, "id">[]): string[] {
  return entries.map(({ id }) => id);
}
