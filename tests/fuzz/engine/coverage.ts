/**
 * Which code of `src/` has run, by the profiler of V8: what tells the fuzzer that an input got somewhere new.
 *
 * V8 counts blocks, and tells of the functions that ran since it was asked last. A function's text is kept as a
 * map of the characters that have run, since the blocks V8 names change with what ran.
 *
 * What fails: where there is no inspector, {@link Coverage.start} gives `null` and the fuzzer does without.
 *
 * @module
 */

import { Session } from "node:inspector";

interface FunctionCoverage {
  readonly ranges: readonly { startOffset: number; endOffset: number; count: number }[];
}

interface ScriptCoverage {
  readonly scriptId: string;
  readonly url: string;
  readonly functions: readonly FunctionCoverage[];
}

/** What ran since it was asked last. */
export type Taken = readonly ScriptCoverage[];

const SOURCE = new URL("../../../src/", import.meta.url).href;

/** What of the source has run. */
export class Coverage {
  readonly #post: (method: string, parameters?: object) => Promise<unknown>;
  readonly #functions = new Map<string, Uint8Array>();
  #covered = 0;

  private constructor(post: (method: string, parameters?: object) => Promise<unknown>) {
    this.#post = post;
  }

  /** Begins to count; `null` where V8 cannot be asked. Call it before the source is loaded. */
  static async start(): Promise<Coverage | null> {
    try {
      const session = new Session();
      session.connect();
      const post = (method: string, parameters: object = {}) =>
        new Promise<unknown>((resolve, reject) => {
          session.post(
            method,
            parameters,
            (error: Error | null, result?: object) => error ? reject(error) : resolve(result),
          );
        });
      await post("Profiler.enable");
      await post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
      return new Coverage(post);
    } catch {
      return null;
    }
  }

  /** Characters of the source that have run. */
  get covered(): number {
    return this.#covered;
  }

  /** Functions that have run. */
  get functions(): number {
    return this.#functions.size;
  }

  /** Characters of the functions that have run, those too that have not run. */
  get known(): number {
    let sum = 0;
    for (const map of this.#functions.values()) sum += map.length;
    return sum;
  }

  /** What ran since it was asked last. */
  async take(): Promise<Taken> {
    const { result } = await this.#post("Profiler.takePreciseCoverage") as { result: Taken };
    return result.filter(({ url }) => url.startsWith(SOURCE));
  }

  /** How many characters ran that never did before; remembers them unless it only asks. */
  add(taken: Taken, onlyAsk = false): number {
    let fresh = 0;
    for (const { scriptId, functions } of taken) {
      for (const { ranges } of functions) {
        const whole = ranges[0];
        // The first is the module itself, which runs when it is loaded.
        if (whole === undefined || whole.count === 0 || whole.startOffset === 0) continue;
        const key = `${scriptId}:${whole.startOffset}:${whole.endOffset}`;
        const ran = paint(ranges);
        let map = this.#functions.get(key);
        if (map === undefined) {
          map = new Uint8Array(ran.length);
          if (!onlyAsk) this.#functions.set(key, map);
        }
        for (let i = 0; i < ran.length; i++) {
          if (ran[i] === 0 || map[i] !== 0) continue;
          fresh++;
          if (!onlyAsk) map[i] = 1;
        }
      }
    }
    if (!onlyAsk) this.#covered += fresh;
    return fresh;
  }
}

/** For each character of a function, whether it ran. A range within another comes after it. */
function paint(ranges: FunctionCoverage["ranges"]): Uint8Array {
  const { startOffset: start, endOffset: end } = ranges[0]!;
  const ran = new Uint8Array(end - start);
  for (const { startOffset, endOffset, count } of ranges) {
    ran.fill(count > 0 ? 1 : 0, startOffset - start, endOffset - start);
  }
  return ran;
}
