/**
 * What each of several stations may use of what one may: limits that are promised of the whole are divided. Pure.
 *
 * | limit | each of N has |
 * | --- | --- |
 * | `limits.connections` | an Nth |
 * | `limits.connectionsPerClient` | twice an Nth: the system draws lots, and a client within its limit should not lose |
 * | `mail.memory` | an Nth, 1 MiB at least |
 * | `queue.concurrency` | an Nth |
 * | `connections` and `processes` of a route, to one destination | an Nth, one at least |
 * | `connections` and `concurrency` of a filter | an Nth, one at least |
 *
 * Everything else is of one session or message, or, such as what is known of destinations, each one's own.
 *
 * @module
 */

import type { PolicyPlan } from "../../config/policies/build.ts";
import type { StationOptions } from "../../config/station.ts";
import {
  DEFAULT_RELAY_CONNECTIONS,
  type RouteOptions,
  type ViaOptions,
} from "../../routing/route_table.ts";

const MIB = 1024 * 1024;

/** The options of one of `count` stations that share what the options promise. */
export function shareOf(options: StationOptions, count: number): StationOptions {
  if (count === 1) return options;
  const part = (limit: number) => Math.ceil(limit / count);
  const { listeners, bodyMemory, queue, routes } = options;
  return {
    ...options,
    listeners: listeners.map((listener) => ({
      ...listener,
      ...(listener.connections !== undefined && { connections: part(listener.connections) }),
      ...(listener.connectionsPerClient !== undefined && {
        connectionsPerClient: Math.min(
          listener.connectionsPerClient,
          part(2 * listener.connectionsPerClient),
        ),
      }),
    })),
    ...(bodyMemory !== undefined && {
      bodyMemory: Math.max(part(bodyMemory), Math.min(bodyMemory, MIB)),
    }),
    ...(queue !== undefined && {
      queue: {
        ...queue,
        ...(queue.limits?.concurrency !== undefined && {
          limits: { ...queue.limits, concurrency: part(queue.limits.concurrency) },
        }),
      },
    }),
    ...(routes !== undefined && { routes: shareRoutes(routes, part) }),
  };
}

/** The policies of one of `count` stations: a filter sees no more of us than with one. */
export function sharePolicies(plan: PolicyPlan, count: number): PolicyPlan {
  const part = (limit: number) => Math.ceil(limit / count);
  const filters = plan.filters.map((filter) =>
    filter.kind === "http"
      ? { ...filter, concurrency: part(filter.concurrency) }
      : { ...filter, connections: part(filter.connections) }
  );
  return { ...plan, filters };
}

function shareRoutes(
  routes: readonly RouteOptions[],
  part: (limit: number) => number,
): RouteOptions[] {
  const shared = routes.map((route) => ({ ...route, via: shareVia(route.via, part) }));
  if (routes.some(({ domains }) => domains.includes("*"))) return shared;
  const usual = { kind: "mx", connections: part(DEFAULT_RELAY_CONNECTIONS) } as const;
  return [...shared, { domains: ["*"], via: usual }];
}

function shareVia<V extends ViaOptions>(via: V, part: (limit: number) => number): V;
function shareVia(via: ViaOptions, part: (limit: number) => number): ViaOptions {
  switch (via.kind) {
    case "hold":
      return via.then === undefined ? via : { ...via, then: shareVia(via.then, part) };
    case "pipe":
      return via.processes === undefined ? via : { ...via, processes: part(via.processes) };
    default:
      return via.connections === undefined ? via : { ...via, connections: part(via.connections) };
  }
}
