/**
 * The whole station, wired by hand: options in, running services out; other options in, and the services go on by
 * them.
 *
 *     options ─► draft ─► generation ─► sockets ─► in force
 *              pure      beside the    opened     swapped, at once
 *              checks    one in force  beside
 *
 * @module
 */

import { describeError } from "./events.ts";
import {
  type SubmitEnvelope,
  type SubmitMessage,
  submitMessage,
  type SubmitOptions,
  type Submitted,
} from "./intake/submit.ts";
import { openCore, type StationCore } from "./mta_core.ts";
import { buildGeneration, draftGeneration, type Generation } from "./mta_generation.ts";
import {
  checkOptions,
  demandSameGround,
  type MtaOptions,
  type ReloadOptions,
} from "./mta_options.ts";
import type { ListenerStatus, MtaStatus } from "./mta_status.ts";
import type { Tracer } from "./observe/trace.ts";
import type { QueueControl } from "./queue/operator/queue_control.ts";
import { formatSocketAddress, type SocketAddress } from "./runtime/network.ts";
import type { TlsCertificate } from "./runtime/tls.ts";
import type { SmtpListener } from "./server/listener.ts";
import type { PreparedListeners } from "./server/listener_set.ts";

/** A running station. */
export interface Mta {
  /** Where it listens, with real ports, in the order of the options. */
  readonly addresses: readonly SocketAddress[];
  /** The queue, seen and changed; `null` where there is none. */
  readonly queue: QueueControl | null;
  /** Where conversations can be listened to while they go on. */
  readonly tracer: Tracer;
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
   * @throws {RangeError} for a retry schedule, or limits, that cannot be.
   * @throws {Error} when the station is stopping, and what the machine says when an address cannot be had.
   *
   * @example
   * ```ts
   * import { startMta } from "./mta.ts";
   * import { mapDirectory } from "./directory/map_directory.ts";
   * import { memoryRuntime } from "./runtime/memory.ts";
   * import { assertEquals, assertRejects } from "@std/assert";
   *
   * const runtime = memoryRuntime();
   * const address = { transport: "tcp", hostname: "192.0.2.1", port: 25 } as const;
   * const options = {
   *   runtime,
   *   hostname: "mail.example.org",
   *   directory: mapDirectory({ accounts: { "alice@example.org": {} } }),
   *   delivery: { maildirRoot: "/mail" },
   *   listeners: [{ role: "mx", address }],
   * } as const;
   * const mta = await startMta(options);
   *
   * const directory = mapDirectory({ accounts: { "alice@example.org": {}, "bob@example.org": {} } });
   * await mta.reload({ ...options, directory, hostname: "mx.example.org" });
   * assertEquals(mta.status().hostname, "mx.example.org");
   *
   * await assertRejects(() => mta.reload({ ...options, hostname: "no host name" }), TypeError);
   * assertEquals(mta.status().hostname, "mx.example.org");
   * await runtime.clock.runUntil(mta.stop());
   * ```
   */
  reload(options: ReloadOptions): Promise<void>;
  /**
   * The first half of {@link reload}: checks, and has all that the options need beside what runs; nothing goes by
   * them before they are adopted. For who has several stations to reload, all or none. Other reloads wait until
   * it is adopted or discarded.
   *
   * @throws as {@link reload}.
   */
  prepareReload(options: ReloadOptions): Promise<PreparedReload>;
  /** Tries what is held for a domain (ETRN), as a client of its own could ask; nothing without a queue. */
  startDomain(domain: string): void;
  /** What goes on at this moment. Cheap enough to be asked every second. */
  status(): MtaStatus;
  /** New certificates for handshakes from now on, until the next reload brings its own. */
  replaceCertificates(certificates: readonly TlsCertificate[]): void;
  /**
   * Stops listening and begins no delivery any more, lets sessions finish what they are doing (421 at
   * their next command) and deliveries too, and breaks off what is left after `grace` milliseconds
   * (default 10,000). The queue is closed at the end, also where it is a store of your own. Asked for
   * again, the earlier end counts: `grace: 0` breaks off now. Nothing acknowledged is lost either way.
   */
  stop(options?: { readonly grace?: number }): Promise<void>;
}

/** Other options that a station could go by. One of the two is to be called, once. */
export interface PreparedReload {
  /** Where it would listen, with real ports, in the order of the options. */
  readonly addresses: readonly SocketAddress[];
  /** Goes by them, at once. @throws {Error} when the station has begun to stop meanwhile; they are discarded then. */
  adopt(): void;
  /** Gives them up. */
  discard(): Promise<void>;
}

/**
 * Builds and starts a station; resolves when all listeners are up. Fails, with all listeners closed
 * again, when one cannot be had.
 *
 * @throws {TypeError} when the options contradict each other, a network or address cannot be read, or a
 * certificate is wrong; the message says which.
 */
export async function startMta(options: MtaOptions): Promise<Mta> {
  checkOptions(options);
  const draft = draftGeneration(options);
  const core = await openCore(options);
  try {
    const generation = await buildGeneration(draft, core, null);
    // Listening comes first: who cannot have the port must not touch the folder of the one who has it.
    const listeners = await core.listeners.prepare(generation.listeners);
    try {
      await core.bodies.prepare();
    } catch (error) {
      await listeners.discard();
      throw error;
    }
    return new Station(core, generation, listeners);
  } catch (error) {
    core.deadlines.stop();
    core.moments.stop();
    await core.queue?.close();
    throw error;
  }
}

/** A station at work. */
class Station implements Mta {
  readonly queue: QueueControl | null;
  readonly tracer: Tracer;
  readonly #core: StationCore;
  #generation: Generation;
  readonly #started: number;
  #loaded: number;
  #reloads = 0;
  /** Resolves when all reloads asked for so far are over. */
  #reloading: Promise<unknown> = Promise.resolve();
  /** Aborted when those under way have had their time. */
  readonly #giveUp = new AbortController();
  readonly #ended = new AbortController();
  #stopped: Promise<void> | null = null;

  constructor(core: StationCore, generation: Generation, listeners: PreparedListeners) {
    this.#core = core;
    this.queue = core.queue?.control ?? null;
    this.tracer = core.tracer;
    this.#generation = generation;
    this.#started = this.#loaded = core.runtime.clock.now();
    this.#putInForce(generation, listeners);
  }

  get addresses(): readonly SocketAddress[] {
    return this.#core.listeners.current.map(({ address }) => address);
  }

  submit(
    envelope: SubmitEnvelope,
    message: SubmitMessage,
    options?: SubmitOptions,
  ): Promise<Submitted> {
    const { intake } = this.#generation;
    return submitMessage(intake, this.#core.nextId, envelope, message, options);
  }

  async reload(options: ReloadOptions): Promise<void> {
    (await this.prepareReload(options)).adopt();
  }

  prepareReload(options: ReloadOptions): Promise<PreparedReload> {
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    const prepared = this.#reloading.then(() => this.#prepare(options, end));
    this.#reloading = prepared.then(() => over, () => {});
    return prepared;
  }

  startDomain(domain: string): void {
    this.#core.queue?.startDomain(domain);
  }

  status(): MtaStatus {
    const { bodies, listeners, queue } = this.#core;
    return {
      started: this.#started,
      loaded: this.#loaded,
      reloads: this.#reloads,
      hostname: this.#generation.options.hostname,
      stopping: this.#stopped !== null,
      listeners: [...listeners.current, ...listeners.retired].map(listenerStatus),
      bodyMemory: bodies.memoryUsed,
      queue: queue?.status() ?? null,
    };
  }

  replaceCertificates(certificates: readonly TlsCertificate[]): void {
    const { tls } = this.#generation;
    if (tls === null) throw new TypeError("this station has no certificates to replace");
    tls.replace(certificates);
  }

  stop({ grace = 10_000 }: { readonly grace?: number } = {}): Promise<void> {
    const { clock } = this.#core.runtime;
    clock.sleep(grace, this.#ended.signal).then(() => this.#giveUp.abort(), () => {});
    const drained = this.#core.queue?.drain(grace);
    return this.#stopped ??= this.#stop(drained);
  }

  async #stop(drained: Promise<void> | undefined): Promise<void> {
    const { deadlines, moments, listeners, queue } = this.#core;
    const { signal } = this.#giveUp;
    // All at once: a client that holds up its session must not use up the time of deliveries.
    await Promise.all([drained, listeners.stop(signal), this.#reloaded(signal)]);
    this.#ended.abort();
    // Last of all: what sessions finished meanwhile is in it.
    await queue?.close();
    deadlines.stop();
    moments.stop();
  }

  /** Resolves when no reload is under way, which could have sockets open yet, or when it is given up. */
  #reloaded(giveUp: AbortSignal): Promise<unknown> {
    const { promise: givenUp, resolve } = Promise.withResolvers<void>();
    if (giveUp.aborted) resolve();
    giveUp.addEventListener("abort", () => resolve(), { once: true });
    return Promise.race([this.#reloading, givenUp]);
  }

  /** @param end is called when the reload is over, whatever became of it; not where this throws. */
  async #prepare(given: ReloadOptions, end: () => void): Promise<PreparedReload> {
    const { runtime, listeners, emit } = this.#core;
    const begun = runtime.clock.now();
    const fail = (error: unknown): never => {
      emit({ type: "station.reload-failed", error: describeError(error) });
      throw error;
    };
    try {
      this.#demandRunning();
      const options: MtaOptions = { ...given, runtime: given.runtime ?? runtime };
      checkOptions(options);
      demandSameGround(this.#generation.options, options);
      const generation = await buildGeneration(
        draftGeneration(options),
        this.#core,
        this.#generation,
      );
      const prepared = await listeners.prepare(generation.listeners);
      const discard = () => prepared.discard().finally(end);
      if (this.#stopped !== null) await discard();
      this.#demandRunning();
      return {
        addresses: prepared.addresses,
        discard,
        adopt: () => {
          try {
            if (this.#stopped !== null) discard();
            this.#demandRunning();
            this.#adopt(generation, prepared, begun);
          } catch (error) {
            fail(error);
          } finally {
            end();
          }
        },
      };
    } catch (error) {
      return fail(error);
    }
  }

  #adopt(generation: Generation, prepared: PreparedListeners, begun: number): void {
    const { started, stopped, kept } = this.#putInForce(generation, prepared);
    this.#loaded = this.#core.runtime.clock.now();
    this.#reloads++;
    this.#core.emit({
      type: "station.reloaded",
      started: started.map(formatSocketAddress),
      stopped: stopped.map(formatSocketAddress),
      kept,
      duration: this.#loaded - begun,
    });
  }

  /** In one go: nothing waits here, and nothing can fail. */
  #putInForce(generation: Generation, listeners: PreparedListeners) {
    const { outlet, bodies, queue } = this.#core;
    this.#generation = generation;
    outlet.sink = generation.options.onEvent;
    bodies.resize(generation.options.bodyMemory);
    const change = listeners.adopt();
    // Where we listen tells mail out who we are.
    if (generation.mailOut !== null) queue?.adopt(generation.mailOut);
    return change;
  }

  #demandRunning(): void {
    if (this.#stopped !== null) throw new Error("the station is stopping");
  }
}

function listenerStatus({ plan, address, connections, listening }: SmtpListener): ListenerStatus {
  const { listener: name, role } = plan.settings;
  return { name, role, address, connections, listening };
}
