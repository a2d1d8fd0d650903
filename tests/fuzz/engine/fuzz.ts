/**
 * The fuzzing of one target: inputs that a grammar makes and inputs made of earlier ones, of which those are kept
 * that made code run which never ran before. The same seed and number of inputs give the same run.
 *
 * @module
 */

import { attempt, type Fault, shrink, SLOW, timedAttempt } from "./attempt.ts";
import { Chance } from "./chance.ts";
import type { Coverage } from "./coverage.ts";
import { type Material, mutate } from "./mutate.ts";
import { type FuzzTarget, LONGEST } from "./target.ts";

/** A fault with the smallest input that was found for it. */
export interface Failure extends Fault {
  readonly input: Uint8Array;
  /** How many inputs had been tried. */
  readonly after: number;
}

/** How a run stands. */
export interface Progress {
  readonly inputs: number;
  /** Inputs worth keeping. */
  readonly pool: number;
  /** Characters of the source that ran, and those of the functions that ran; 0 without coverage. */
  readonly covered: number;
  readonly known: number;
  readonly failures: number;
}

/** What a run is to do. */
export interface FuzzOptions {
  readonly target: FuzzTarget;
  readonly seed: number;
  /** Inputs that come first, and that others are made of. */
  readonly corpus: readonly Uint8Array[];
  /** `null`: blindly. */
  readonly coverage: Coverage | null;
  /** Whether to go on, asked after each batch. */
  readonly more: (inputs: number) => boolean;
  /** Called before each input, so that somebody else can tell which one never ended. */
  readonly before?: (input: Uint8Array) => void;
  /** Called with each failure of a kind not seen before. */
  readonly failed?: (failure: Failure) => void;
  /** Called with each input that made code run which never ran before. */
  readonly found?: (input: Uint8Array) => void;
  /** Called after each batch. */
  readonly progress?: (progress: Progress) => void;
  /** Milliseconds an input may take. Default {@link SLOW}; `Infinity`: any. */
  readonly slow?: number;
}

/** Inputs between two looks at the coverage. */
const BATCH = 24;
/** Kinds of failure after which a target is left alone. */
const ENOUGH = 10;

/** Fuzzes a target; gives how it stood at the end. */
export async function fuzz(options: FuzzOptions): Promise<Progress> {
  return await new Fuzzer(options).run();
}

class Fuzzer {
  readonly #chance: Chance;
  readonly #pool: Uint8Array[] = [];
  readonly #material: Material;
  readonly #marks = new Set<string>();
  #inputs = 0;

  constructor(readonly options: FuzzOptions) {
    const { target, seed } = options;
    this.#chance = new Chance(seed);
    this.#material = {
      words: (target.words ?? []).map((word) =>
        typeof word === "string" ? new TextEncoder().encode(word) : word
      ),
      others: this.#pool,
      longest: target.longest ?? LONGEST,
    };
  }

  async run(): Promise<Progress> {
    const { corpus, coverage, more, progress } = this.options;
    coverage?.add(await coverage.take());
    const first = [...corpus];
    if (coverage === null) this.#pool.push(...corpus);
    while ((first.length > 0 || more(this.#inputs)) && this.#marks.size < ENOUGH) {
      const batch = first.length > 0
        ? first.splice(0, BATCH)
        : Array.from({ length: BATCH }, () => this.#make());
      for (const input of batch) await this.#try(input);
      this.#inputs += batch.length;
      await this.#learn(batch);
      progress?.(this.#standing());
    }
    return this.#standing();
  }

  #standing(): Progress {
    const { coverage } = this.options;
    return {
      inputs: this.#inputs,
      pool: this.#pool.length,
      covered: coverage?.covered ?? 0,
      known: coverage?.known ?? 0,
      failures: this.#marks.size,
    };
  }

  #make(): Uint8Array {
    const chance = this.#chance;
    const { target } = this.options;
    const pool = this.#pool;
    const fresh = pool.length === 0 || chance.oneIn(4);
    if (fresh) {
      const input = target.generate(chance).slice(0, this.#material.longest);
      return chance.oneIn(3) ? mutate(input, chance, this.#material) : input;
    }
    // The newest ones are where something new is likely.
    const from = chance.oneIn(2) ? Math.max(0, pool.length - 16) : 0;
    return mutate(pool[chance.between(from, pool.length - 1)]!, chance, this.#material);
  }

  /** Keeps those of a batch that got somewhere new. They run again, alone, to tell which. */
  async #learn(batch: readonly Uint8Array[]): Promise<void> {
    const { coverage, target, found } = this.options;
    if (coverage === null) return;
    const taken = await coverage.take();
    if (coverage.add(taken, true) === 0) return;
    for (const input of batch) {
      this.options.before?.(input);
      await attempt(target, input);
      if (coverage.add(await coverage.take()) === 0) continue;
      this.#pool.push(input);
      found?.(input);
    }
    // What none of them does alone (what filled a cache, say) is not new the next time.
    coverage.add(taken);
  }

  async #try(input: Uint8Array): Promise<void> {
    const { target, before, slow = SLOW } = this.options;
    before?.(input);
    const began = performance.now();
    let fault = await attempt(target, input);
    if (fault === null && performance.now() - began > slow) {
      fault = await timedAttempt(target, input, slow);
    }
    if (fault !== null) await this.#report(input, fault);
  }

  async #report(input: Uint8Array, fault: Fault): Promise<void> {
    if (this.#marks.has(fault.mark)) return;
    this.#marks.add(fault.mark);
    const { target, failed, before } = this.options;
    const same = async (candidate: Uint8Array) => {
      before?.(candidate);
      const other = await attempt(target, candidate);
      return other?.mark === fault.mark;
    };
    const small = fault.mark === "slow" ? input : await shrink(input, same);
    const { message } = await attempt(target, small) ?? fault;
    failed?.({ mark: fault.mark, message, input: small, after: this.#inputs });
  }
}
