/**
 * What policies of a station that serves work with.
 *
 * @module
 */

import type { PolicyServices } from "../config/policies/build.ts";
import type { EventSink } from "../events.ts";
import type { Ledger } from "../policy/ledger/ledger.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { thisRuntime } from "./machine.ts";

/**
 * The machine of a station may have no way out, where it never sends: filters are asked all the same, and nobody else
 * is connected to here.
 */
export function policyServices(
  { clock, random, resolver }: Runtime,
  ledger: Ledger,
  onEvent: EventSink,
  keys?: PolicyServices["keys"],
  observe?: PolicyServices["observe"],
): PolicyServices {
  return {
    ...{ clock, random, resolver, ledger, fetch },
    network: thisRuntime().network,
    ...(keys && { keys }),
    ...(observe && { observe }),
    emit: (fact) => onEvent({ time: clock.now(), ...fact }),
  };
}
