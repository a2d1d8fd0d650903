/**
 * What the contract suites need of an adapter: a machine, and a folder of its own to work in.
 *
 * @module
 */

import type { Runtime } from "../../src/runtime/runtime.ts";

/** A machine for one test. */
export interface Machine {
  readonly runtime: Runtime;
  /** An existing empty folder. */
  readonly folder: string;
  /** Takes it down. */
  end(): Promise<void> | void;
}

/** An implementation to be held to a contract. */
export interface Adapter {
  readonly name: string;
  start(): Promise<Machine> | Machine;
}

/** Registers one test of a contract. */
export function contractTest(
  adapter: Adapter,
  name: string,
  test: (machine: Machine) => Promise<void>,
): void {
  Deno.test(`${adapter.name}: ${name}`, async () => {
    const machine = await adapter.start();
    try {
      await test(machine);
    } finally {
      await machine.end();
    }
  });
}
