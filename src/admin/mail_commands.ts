/**
 * What any station can be asked, be it the process's own or a worker's: its conversations and its queue.
 *
 * @module
 */

import type { Mta } from "../mta.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ControlCommand } from "./control_server.ts";
import { queueCommands } from "./queue_requests.ts";
import { traceCommands } from "./trace_requests.ts";

/** The commands of a station, by name; those of the queue where it has one. */
export function mailCommands(
  mta: Mta,
  { clock, resolver }: Pick<Runtime, "clock" | "resolver">,
): Readonly<Record<string, ControlCommand>> {
  return {
    ...traceCommands({
      ...{ clock, resolver },
      tracer: mta.tracer,
      queue: () => mta.queue,
      listeners: () => mta.status().listeners.map(({ name }) => name),
    }),
    ...(mta.queue && queueCommands(mta.queue)),
  };
}
