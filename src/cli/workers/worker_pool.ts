/**
 * The others that serve beside the first station of a process: threads, each with a spool of its own, and what
 * former threads left where there are fewer now, which is delivered here. Asked together, reloaded together, stopped
 * together.
 *
 * What fails: {@link WorkerPool.start} throws what keeps one from starting, and none runs then.
 *
 * @module
 */

import { answerBy } from "../../admin/command_port.ts";
import type { JsonObject } from "../../admin/control_protocol.ts";
import type { ControlCommand } from "../../admin/control_server.ts";
import type { WorkerStatus } from "../../admin/station_requests.ts";
import type { EventSink } from "../../events.ts";
import type { MtaStatus } from "../../mta_status.ts";
import type { Ledger } from "../../policy/ledger/ledger.ts";
import { serveLedger } from "../../policy/ledger/remote_ledger.ts";
import type { DkimKeyText } from "../../policy/mailauth/signing_keys.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { TlsCertificate } from "../../runtime/tls.ts";
import { CommandError, EXIT } from "../exit.ts";
import type { Output } from "../line_output.ts";
import { describeError } from "../trouble.ts";
import { KeptCounts } from "./kept_counts.ts";
import { MemberStation } from "./member_station.ts";
import type { MemberMetrics, MemberPlan, MemberStart } from "./messages.ts";
import { lastLine, SupervisedWorker } from "./supervised_worker.ts";
import type { ThreadStarter } from "./thread.ts";

/** Where one serves. */
export interface MemberPlace {
  /** Its number: 1 and up. Its spool is `w` and the number, in that of the first. */
  readonly index: number;
  /** Whether it takes mail in, or only delivers what is there. */
  readonly listens: boolean;
}

/** What a member is to go by, as data. */
export type PlanMaker = (place: MemberPlace) => Promise<MemberPlan>;

/** What a pool is made of. */
export interface PoolOptions {
  /** How many threads, beside the first. */
  readonly threads: number;
  /** Numbers of spools that no thread has. */
  readonly leftovers: readonly number[];
  /** By the configuration in force. */
  readonly plan: PlanMaker;
  readonly starter: ThreadStarter;
  /** The machine; of this thread, for what is left over. */
  readonly runtime: Runtime;
  readonly network: Omit<MemberStart, "plan">;
  /** What policies remember: all threads ask this one. */
  readonly ledger: Ledger;
  readonly onEvent: EventSink;
  /** Takes lines of the log in whole pieces. */
  readonly output: Output;
  /** A client of one of them has asked by ETRN. */
  readonly onTurn: (domain: string) => void;
  readonly onSaid: (text: string, warning: boolean) => void;
}

/** Another configuration, ready in all. One of the two is to be called. */
export interface Prepared {
  /** All go by it. Never rejects. */
  adopt(): Promise<void>;
  /** Gives it up. Never rejects. */
  discard(): Promise<void>;
}

/** Milliseconds that one has to say how it is. */
const PATIENCE = 2000;

/** Milliseconds after which one that does not do what it is told hangs, and is started again. */
const HANGING = 60_000;

/** Milliseconds between two looks whether threads answer. */
const HEARTBEAT = 10_000;

/** Milliseconds between two looks whether what was left over is delivered. */
const LOOK = 2000;

/** What is common to a thread and a leftover. */
interface Member {
  readonly name: string;
  readonly place: MemberPlace;
  readonly ask: ControlCommand;
  readonly running: boolean;
  /** How many threads have served; 0: it is none. */
  readonly threads: number;
  readonly counts: KeptCounts;
  /** Why it cannot go on; it is started anew where it can. */
  restart(why: string): void;
  stop(grace: number): Promise<void>;
}

/** All of them. */
export class WorkerPool {
  readonly #options: PoolOptions;
  #plan: PlanMaker;
  #members: Member[] = [];
  readonly #stopping = new AbortController();

  private constructor(options: PoolOptions) {
    this.#options = options;
    this.#plan = options.plan;
  }

  /** Starts all; resolves when they serve. */
  static async start(options: PoolOptions): Promise<WorkerPool> {
    const pool = new WorkerPool(options);
    try {
      const threads = Array.from(
        { length: options.threads },
        (_, index) => pool.#thread(index + 1),
      );
      await allOf([...threads, ...options.leftovers.map((index) => pool.#leftover(index))]);
    } catch (error) {
      await pool.stop(0);
      throw error;
    }
    pool.#watchLeftovers();
    pool.#watchThreads();
    return pool;
  }

  /** Asks each of them. */
  asks(): ControlCommand[] {
    return this.#members.map(({ ask }) => ask);
  }

  /** How they are; one that does not say so in time has no numbers. */
  async status(): Promise<{ readonly known: MtaStatus[]; readonly workers: WorkerStatus[] }> {
    const members = this.#members;
    const answers = await Promise.all(members.map((member) => inTime(member, { do: "status" })));
    const known = answers.map((answer) => answer as unknown as MtaStatus | null);
    return {
      known: known.filter((status) => status !== null),
      workers: members.map(({ name, place, running }, index) => ({
        name,
        state: !place.listens ? "leftover" : running ? "running" : "restarting",
        connections: (known[index]?.listeners ?? [])
          .reduce((sum, { connections }) => sum + connections, 0),
        messages: known[index]?.queue?.messages ?? 0,
      })),
    };
  }

  /** What the threads have counted. (Events of leftovers are told here.) */
  async metrics(): Promise<MemberMetrics[]> {
    const members = this.#members.filter(({ place }) => place.listens);
    const counted = await Promise.all(members.map(async (member) => {
      const { threads, counts } = member;
      const answer = await inTime(member, { do: "metrics" });
      return counts.take(threads, answer as unknown as MemberMetrics | null);
    }));
    return counted.filter((counts) => counts !== null);
  }

  /** Checks and readies another configuration in all of them. @throws the first's reason; nothing has changed then. */
  async prepare(plan: PlanMaker): Promise<Prepared> {
    const prepared: Member[] = [];
    const prepareOne = async (member: Member) => {
      await this.#tell(member, { do: "prepare", plan: await plan(member.place) });
      prepared.push(member);
    };
    const discard = async () => {
      await Promise.all(
        prepared.map((member) => this.#tell(member, { do: "discard" }).catch(() => {})),
      );
    };
    try {
      // One that does not run will begin with what is in force then.
      await allOf(this.#members.filter(({ running }) => running).map(prepareOne));
    } catch (error) {
      await discard();
      throw error;
    }
    return {
      discard,
      adopt: async () => {
        this.#plan = plan;
        await Promise.all(
          this.#members.filter(({ running }) => running).map(async (member) => {
            try {
              if (!prepared.includes(member)) await prepareOne(member);
              await this.#tell(member, { do: "adopt" });
            } catch (error) {
              member.restart(describeError(error));
            }
          }),
        );
      },
    };
  }

  /** New certificates for handshakes from now on. */
  async replaceCertificates(certificates: readonly TlsCertificate[]): Promise<void> {
    this.#outdate();
    await this.#tellAll({ do: "certificates", certificates });
  }

  /** Other DKIM keys sign from now on. */
  async replaceKeys(keys: readonly DkimKeyText[]): Promise<void> {
    this.#outdate();
    await this.#tellAll({ do: "keys", keys });
  }

  /** What is held for a domain is tried (ETRN). */
  async turn(domain: string): Promise<void> {
    await this.#tellAll({ do: "turn", domain });
  }

  /** Stops all, which have so many milliseconds for it. Never rejects. */
  async stop(grace: number): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#members.map((member) => member.stop(grace)));
  }

  /** Who is just starting, and hears of nothing yet, starts again with what is in force. */
  #outdate(): void {
    const plan = this.#plan;
    this.#plan = (place) => plan(place);
  }

  async #tellAll(request: JsonObject): Promise<void> {
    await Promise.all(this.#members.map((member) => this.#tell(member, request).catch(() => {})));
  }

  /** Asks for something without an answer. */
  async #tell(member: Member, request: JsonObject): Promise<void> {
    const done = new AbortController();
    this.#options.runtime.clock.sleep(HANGING, done.signal).then(
      () => member.restart(`it has not answered for ${HANGING / 1000} seconds`),
      () => {},
    );
    try {
      await lastLine(member.ask(request, new AbortController().signal));
    } finally {
      done.abort();
    }
  }

  async #thread(index: number): Promise<void> {
    const { starter, runtime: { clock }, network, ledger, output, onEvent, onTurn, onSaid } =
      this.#options;
    const askLedger = serveLedger(ledger);
    const place = { index, listens: true };
    const name = `worker ${index}`;
    let begun: PlanMaker | null = null;
    const worker = new SupervisedWorker({
      ...{ name, starter, clock, output, askLedger, onTurn },
      begin: async () => ({ ...network, plan: await (begun = this.#plan)(place) }),
      isCurrent: () => begun === this.#plan,
      onSaid: (text, warning) => onSaid(`${name}: ${text}`, warning),
      onTrouble: (error) =>
        onEvent({ time: clock.now(), type: "internal.error", where: name, error }),
    });
    this.#members.push({
      ...{ name, place, ask: worker.ask, counts: new KeptCounts() },
      get running() {
        return worker.running;
      },
      get threads() {
        return worker.threads;
      },
      restart: (why) => worker.restart(why),
      stop: (grace) => worker.stop(grace),
    });
    await worker.start().catch((error) => {
      throw new CommandError(EXIT.unavailable, `${name}: ${describeError(error)}`, {
        cause: error,
      });
    });
  }

  async #leftover(index: number): Promise<void> {
    const { runtime, ledger, onEvent, onTurn } = this.#options;
    const place = { index, listens: false };
    const station = await MemberStation.start(await this.#plan(place), {
      ...{ runtime, ledger, onEvent, onTurn },
      say: () => {},
    });
    const commands = station.commands();
    const ask: ControlCommand = (request, signal) => answerBy(commands, request, signal);
    const member: Member = {
      ...{ name: `left over by worker ${index}`, place, ask, running: true },
      ...{ threads: 0, counts: new KeptCounts() },
      restart: () => {},
      stop: async (grace) => {
        await lastLine(ask({ do: "stop", grace }, new AbortController().signal)).catch(() => {});
      },
    };
    this.#members.push(member);
  }

  /** Who hangs would keep its part of the connections waiting for ever. Never rejects. */
  async #watchThreads(): Promise<void> {
    const { clock } = this.#options.runtime;
    const asked = new Set<Member>();
    try {
      for (;;) {
        await clock.sleep(HEARTBEAT, this.#stopping.signal);
        for (const member of this.#members) {
          if (!member.place.listens || !member.running || asked.has(member)) continue;
          asked.add(member);
          this.#tell(member, { do: "status" }).catch(() => {}).finally(() => asked.delete(member));
        }
      }
    } catch {
      // Only the sleep throws, and only at the end.
    }
  }

  /** Ends those that have nothing any more. Never rejects. */
  async #watchLeftovers(): Promise<void> {
    const { runtime: { clock }, onSaid } = this.#options;
    const { signal } = this.#stopping;
    try {
      for (;;) {
        const leftovers = this.#members.filter(({ place }) => !place.listens);
        if (leftovers.length === 0) return;
        for (const member of leftovers) {
          if (!await isEmpty(member, signal)) continue;
          this.#members = this.#members.filter((other) => other !== member);
          await member.stop(0);
          onSaid(`what was ${member.name} is delivered`, false);
        }
        await clock.sleep(LOOK, signal);
      }
    } catch {
      // Only the sleep throws, and only at the end.
    }
  }
}

/** Whether its queue has nothing; one that cannot be read may have something. */
async function isEmpty(member: Member, signal: AbortSignal): Promise<boolean> {
  try {
    return await lastLine(member.ask({ do: "list", limit: 1 }, signal)) === null;
  } catch {
    return false;
  }
}

/** The line that answers; `null` where none comes in time. */
async function inTime(member: Member, request: JsonObject): Promise<JsonObject | null> {
  try {
    return await lastLine(member.ask(request, AbortSignal.timeout(PATIENCE)));
  } catch {
    return null;
  }
}

/** Waits for all of them, and throws what the first that failed did. */
async function allOf(tasks: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(tasks);
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
