/**
 * The whole network of a seed: stations, servers of others, clients and names; and the meddler that stops, starts
 * and hurts what it likes until the troubles are over. Then everything is well again, and the mail has time to end.
 *
 * @module
 */

import type { MtaEvent } from "../../../src/events.ts";
import { queueMatcher } from "../../../src/queue/operator/queue_filter.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";
import type { MemoryFiles } from "../../../src/runtime/memory_files.ts";
import type { Unsynced } from "../../../src/runtime/memory_disk.ts";
import { MemoryRandom } from "../../../src/runtime/memory_random.ts";
import { Clients } from "./clients.ts";
import { EventWatch } from "./event_watch.ts";
import { Faults } from "./faults.ts";
import { Journal } from "./journal.ts";
import { STATIONS, ZONES } from "./places.ts";
import { Sink } from "./sinks.ts";
import { DISK, SimulatedStation } from "./station.ts";
import { drawWeather, type Meddling, type Weather } from "./weather.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** After so long nothing may wait in a queue: a mail has two and a half days, and so has the notice that it ends in. */
const LONGEST = 8 * 24 * HOUR;

const LOSSES: readonly Unsynced[] = ["torn", "torn", "lost", "kept"];

/** A network. */
export class World {
  readonly hub: MemoryRuntime;
  readonly weather: Weather;
  readonly journal: Journal;
  readonly faults: Faults;
  readonly stations: readonly SimulatedStation[];
  readonly sinks: readonly Sink[];
  readonly clients: Clients;
  readonly events: EventWatch;
  /** What went wrong, in words. */
  readonly problems: string[] = [];
  readonly #random: MemoryRandom;
  /** Aborted when the troubles are over. */
  readonly #well = new AbortController();
  readonly #meddlings: Promise<void>[] = [];
  readonly #matcher = queueMatcher({});

  constructor(seed: number, traced: boolean) {
    const random = new MemoryRandom(seed);
    this.hub = memoryRuntime({ address: "192.0.2.250", seed: random.below(2 ** 31) });
    const { hub } = this;
    this.weather = drawWeather(random);
    this.journal = new Journal(hub.clock, traced);
    const { weather, journal } = this;
    const faults = this.faults = new Faults(random.fork(), weather, journal);
    this.events = new EventWatch(this.problems, journal);
    this.stations = STATIONS.map((name) =>
      new SimulatedStation(name, hub, {
        onEvent: (station, event) => this.#onEvent(station, event),
        onPower: (station, files) =>
          faults.watchFiles(station.name, files, () => this.#crash(station)),
        onStart: (station, error) =>
          journal.note(station.name, error === undefined ? "is up" : `cannot start: ${error}`),
      })
    );
    this.sinks = (["sink", "lmtp"] as const).map((name) =>
      new Sink(name, random.fork(), weather.rude, faults, journal, hub)
    );
    this.clients = new Clients(hub, random.fork(), weather, faults, journal, this.stations);
    this.#random = random;
    hub.network.wires.conditions = (client, server) => faults.link(client, server);
    for (const [name, records] of Object.entries(ZONES)) hub.resolver.set(name, records);
  }

  /** From the first start to the last stop. */
  async run(): Promise<void> {
    const { clock } = this.hub;
    const closing: (() => void)[] = [];
    for (const sink of this.sinks) closing.push(await sink.start());
    await Promise.all(this.stations.map((station) => station.start()));
    const sent = this.clients.sendAll();
    await Promise.all([this.#meddle(), clock.sleep(this.weather.length)]);
    await this.#makeWell();
    await sent;
    // What is held for a domain is asked for, before its time is over.
    this.stations[0]!.mta?.startDomain("held.test");
    await this.#untilEmpty();
    await this.#checkRest();
    // What an ill disk kept from being cleared away, a start clears away.
    for (const station of this.stations) {
      await station.stop(0);
      await station.start();
    }
    await Promise.all(this.stations.map((station) => station.finish()));
    await this.#checkLeft();
    for (const close of closing) close();
  }

  #onEvent(station: SimulatedStation, event: MtaEvent): void {
    this.events.see(station.name, event);
  }

  /** Takes the power away, looks at what lies in the mailboxes then, and gives it back after a while. */
  #crash(station: SimulatedStation): void {
    const unsynced = LOSSES[this.#random.below(LOSSES.length)]!;
    const pause = SECOND + this.#random.below(this.#random.below(3) === 0 ? 2 * HOUR : MINUTE);
    this.journal.trouble(`crash, unsynced ${unsynced}`, station.name, { pause });
    station.crash(unsynced);
    this.#meddlings.push(this.#lookForHalves(station));
    this.#sleep(pause).then(() => station.start());
  }

  async #lookForHalves(station: SimulatedStation): Promise<void> {
    const { machine } = station;
    const mailboxes = await station.mailboxes().catch((error) => {
      if (machine === station.machine) throw error;
      return []; // the power is gone again
    });
    for (const [name, mails] of mailboxes) {
      for (const found of mails) {
        if (found.kind === "garbage" || (found.kind === "copy" && found.flaw !== undefined)) {
          this.problems.push(`half a mail lies in ${name} after a crash`);
        }
      }
    }
  }

  async #meddle(): Promise<void> {
    const { meddling, length } = this.weather;
    for (const one of meddling) {
      await this.#sleep(this.#random.below(2 * length / meddling.length));
      if (!this.faults.active) return;
      // Not waited for: a station that stops goes on stopping while others crash.
      this.#meddlings.push(this.#do(one, this.stations[this.#random.below(this.stations.length)]!));
    }
  }

  async #do(meddling: Meddling, station: SimulatedStation): Promise<void> {
    const { resolver } = this.hub;
    const { journal } = this;
    const random = this.#random;
    const tell = (facts?: object) => journal.trouble(meddling, station.name, facts);
    switch (meddling) {
      case "crash":
        if (station.mta !== null) this.#crash(station);
        return;
      case "stop": {
        if (station.mta === null) return;
        const { machine } = station;
        tell();
        await station.stop(random.below(20) * SECOND);
        if (machine === station.machine && machine.files.handles > 0) {
          this.problems.push(`${station.name} left ${machine.files.handles} files open`);
        }
        await this.#sleep(random.below(20 * MINUTE));
        return await station.start();
      }
      case "reload":
        tell();
        return await station.reload(random.below(6)).catch((error) =>
          journal.note(station.name, `cannot reload: ${error}`)
        );
      case "full": {
        const { disk } = station.machine.files;
        // What has begun may end, or not even that.
        const room = random.below(2) === 0 ? random.below(3000) : 200 * 1024 ** 2;
        disk.capacity -= disk.space.bytes - room;
        tell({ room });
        await this.#sleep(random.below(2 * HOUR));
        disk.capacity = DISK;
        return journal.note(station.name, "has room again");
      }
      case "dns-fails": {
        const names = Object.keys(ZONES);
        const name = names[random.below(names.length)]!;
        resolver.failures.set(name, random.below(2) === 0 ? "servfail" : "timeout");
        tell({ name });
        await this.#sleep(random.below(HOUR));
        resolver.failures.delete(name);
        return;
      }
      case "dns-empty":
        tell();
        resolver.set("fickle.test", {});
        await this.#sleep(random.below(2 * HOUR));
        return resolver.set("fickle.test", ZONES["fickle.test"]!);
      case "clock-forward":
      case "clock-back": {
        const by = random.below(90 * MINUTE) * (meddling === "clock-back" ? -1 : 1);
        tell({ by });
        station.skew += by;
      }
    }
  }

  /** Sleeps, but no longer than there is trouble. */
  #sleep(ms: number): Promise<void> {
    return this.hub.clock.sleep(ms, this.#well.signal).catch(() => {});
  }

  async #makeWell(): Promise<void> {
    this.journal.note("world", "all is well from here on");
    this.faults.active = false;
    this.#well.abort();
    await Promise.all(this.#meddlings);
    this.hub.resolver.failures.clear();
    for (const [name, records] of Object.entries(ZONES)) this.hub.resolver.set(name, records);
    for (const station of this.stations) station.machine.files.disk.capacity = DISK;
    for (const station of this.stations) {
      // What could not be read at a start stays where it is for the next one; its operator was told so.
      if (this.events.unreadable.has(station.name)) await station.stop(0);
      await station.start();
    }
  }

  /** How many wait in all queues. */
  async #waiting(): Promise<string[]> {
    const waiting: string[] = [];
    if ("wrong" in this.#matcher) throw new Error("unreachable");
    for (const { name, mta } of this.stations) {
      if (mta === null) {
        waiting.push(`${name} is down`);
        continue;
      }
      for await (const { id } of mta.queue!.list(this.#matcher, new AbortController().signal)) {
        waiting.push(`${name} ${id}`);
      }
    }
    return waiting;
  }

  async #untilEmpty(): Promise<void> {
    const { clock } = this.hub;
    const end = clock.now() + LONGEST;
    for (let pause = HOUR;; pause = Math.min(2 * pause, 24 * HOUR)) {
      await clock.sleep(pause);
      const waiting = await this.#waiting();
      if (waiting.length === 0) return;
      if (clock.now() < end) continue;
      this.problems.push(`still in a queue: ${waiting.join(", ")}`);
      return;
    }
  }

  /** When all mail has ended nothing may be held in memory for any. */
  async #checkRest(): Promise<void> {
    // Sessions that nobody ends have five minutes.
    await this.hub.clock.sleep(20 * MINUTE);
    for (const { name, mta } of this.stations) {
      const { bodyMemory, queue, listeners } = mta!.status();
      const { messages, running, troubled } = queue!;
      const connections = listeners.reduce((sum, listener) => sum + listener.connections, 0);
      const left = { bodyMemory, messages, running, troubled: Number(troubled), connections };
      for (const [what, count] of Object.entries(left)) {
        if (count > 0) this.problems.push(`${name} holds ${count} (${what}) at rest`);
      }
    }
  }

  /** A station that has ended, and whose queue is empty, leaves nothing open, and nothing of any mail on the disk. */
  async #checkLeft(): Promise<void> {
    for (const { name, machine: { files } } of this.stations) {
      if (files.handles > 0) this.problems.push(`${name} left ${files.handles} files open`);
      const left = await filesBelow(files, "/queue");
      const mails = left.filter((path) => MAILS.test(path));
      if (mails.length > 0) this.problems.push(`${name} left ${mails.join(", ")}`);
    }
    const { links } = this.hub.network.wires;
    if (links.length > 0) this.problems.push(`${links.length} connections are still open`);
  }
}

/** Where mails lie, or parts of them. */
const MAILS = /^\/queue\/(segments|deferred|held|bodies|transit|incoming)\//;

async function filesBelow(files: MemoryFiles, folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, kind } of files.list(folder)) {
    const path = `${folder}/${name}`;
    if (kind === "directory") found.push(...await filesBelow(files, path));
    else found.push(path);
  }
  return found;
}
