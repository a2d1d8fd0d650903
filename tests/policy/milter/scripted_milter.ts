/**
 * A milter that does what a test tells it, on a station in memory, and keeps what it was told.
 *
 * @module
 */

import { concat, decode, encode } from "../../../src/bytes.ts";
import { milter, type MilterOptions } from "../../../src/policy/milter/milter.ts";
import type { Policy } from "../../../src/policy/policy.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";
import type { Connection, Listener, SocketAddress } from "../../../src/runtime/network.ts";
import { MemoryStation, type StationSetup } from "../../support/memory_station.ts";

/** Where it listens. */
export const ADDRESS: SocketAddress = { transport: "unix", path: "/run/milter.sock" };

/** A packet by hand, not by the code under test: four octets of length, the kind, the data. */
export function packet(kind: string, data: string | Uint8Array = ""): Uint8Array {
  const octets = typeof data === "string" ? encode(data) : data;
  const length = octets.length + 1;
  const lead = [length >>> 24, length >>> 16 & 255, length >>> 8 & 255, length & 255];
  return concat([Uint8Array.from(lead), encode(kind), octets]);
}

/** Numbers, big-endian. */
export function longs(...values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  values.forEach((value, index) => view.setUint32(index * 4, value));
  return new Uint8Array(view.buffer);
}

/** What it answers to a packet; nothing for the usual. `hang`: no answer. `close`: it goes away. */
export type Answer = Uint8Array | readonly Uint8Array[] | "hang" | "close" | undefined;

/** What a milter is told to do. */
export interface Script {
  /** What it negotiates: version, actions, steps; and lists of macros. */
  readonly negotiate?: Uint8Array;
  /** @param kind the command. @param data what came with it, NUL as `|`. @param count its number of this kind, from 1. */
  answer?(kind: string, data: string, count: number): Answer;
}

/** The milter. */
export class ScriptedMilter {
  /** All it was told on all connections, but macros: kind and data, NUL as `|`. */
  readonly heard: string[] = [];
  /** The macros, by the command they came before. */
  readonly macros: Record<string, Record<string, string>> = {};
  /** Connections so far. */
  connections = 0;
  readonly #listener: Listener;
  readonly #open = new Set<Connection>();

  private constructor(listener: Listener, readonly script: Script) {
    this.#listener = listener;
  }

  /** Listens on a machine. */
  static async start(runtime: MemoryRuntime, script: Script): Promise<ScriptedMilter> {
    const milter = new ScriptedMilter(await runtime.network.listen(ADDRESS), script);
    milter.#accept();
    return milter;
  }

  /** Connections that are open. */
  get open(): number {
    return this.#open.size;
  }

  /** The kinds of what it heard, but negotiations. */
  get kinds(): string {
    return this.heard.map(([kind]) => kind).filter((kind) => kind !== "O").join("");
  }

  /** Goes away with all its connections. */
  stop(): void {
    this.#listener.close();
    for (const connection of this.#open) connection.close();
  }

  async #accept(): Promise<void> {
    for (let next; (next = await this.#listener.accept()) !== null;) {
      this.connections++;
      this.#open.add(next);
      const connection = next;
      this.#serve(connection).catch(() => {}).finally(() => {
        this.#open.delete(connection);
        connection.close();
      });
    }
  }

  async #serve(connection: Connection): Promise<void> {
    let held: Uint8Array<ArrayBufferLike> = new Uint8Array(0);
    const buffer = new Uint8Array(70_000);
    const counts: Record<string, number> = {};
    for (let length; (length = await connection.read(buffer)) !== null;) {
      held = concat([held, buffer.subarray(0, length)]);
      while (held.length >= 4) {
        const size = new DataView(held.buffer, held.byteOffset).getUint32(0);
        if (held.length < 4 + size) break;
        const kind = String.fromCharCode(held[4]!);
        const data = held.slice(5, 4 + size);
        held = held.slice(4 + size);
        counts[kind] = (counts[kind] ?? 0) + 1;
        const answer = this.#answer(kind, data, counts[kind]);
        if (answer === "close") return;
        if (answer === "hang") continue;
        for (const each of answer) await connection.write(each);
      }
    }
  }

  #answer(kind: string, data: Uint8Array, count: number): readonly Uint8Array[] | "hang" | "close" {
    const text = decode(data).replaceAll("\0", "|");
    if (kind === "D") {
      const [command = "", ...rest] = [text[0], ...text.slice(1).split("|")];
      const values: Record<string, string> = this.macros[command] = {};
      for (let at = 0; at + 1 < rest.length; at += 2) values[rest[at]!] = rest[at + 1]!;
      return "hang";
    }
    this.heard.push(`${kind}${text}`);
    const told = this.script.answer?.(kind, text, count);
    if (told === "hang" || told === "close") return told;
    if (told !== undefined) return told instanceof Uint8Array ? [told] : told;
    if (kind === "O") return [packet("O", this.script.negotiate ?? longs(6, 0x1ff, 0))];
    return "AQK".includes(kind) ? "hang" : [packet("c")];
  }
}

/** A station with a filter. */
export interface FilteredStation extends AsyncDisposable {
  readonly station: MemoryStation;
  readonly filter: ScriptedMilter;
}

/** Starts both; policies of the test are asked before and after the filter. */
export async function filtered(
  script: Script,
  setup: StationSetup & {
    readonly options?: Partial<MilterOptions>;
    readonly before?: readonly Policy[];
    readonly after?: readonly Policy[];
  } = {},
): Promise<FilteredStation> {
  const { options, before = [], after = [], ...rest } = setup;
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const filter = await ScriptedMilter.start(runtime, script);
  const { network, clock, resolver } = runtime;
  const policy = milter({ address: ADDRESS, hostname: "mx.example.test", ...options }, {
    ...{ network, clock, resolver },
  });
  const policies = [...before, policy, ...after];
  const station = await MemoryStation.start({ ...rest, runtime, policies });
  return {
    station,
    filter,
    async [Symbol.asyncDispose]() {
      await station[Symbol.asyncDispose]();
      filter.stop();
    },
  };
}
