/**
 * A configuration as the options of a station: what the file says in its own words becomes what
 * `startMta` takes. The machine, the directory and the certificates are added by whoever starts it. Pure.
 *
 * @module
 */

import type { MtaOptions } from "../mta_options.ts";
import type { QueueOptions } from "../mta_queue.ts";
import type { RetrySchedule } from "../queue/retry.ts";
import type { Credentials } from "../routing/route.ts";
import type { RelayOptions, RouteOptions, ViaOptions, WayOptions } from "../routing/route_table.ts";
import type { Secret } from "./fields.ts";
import type { LoadedConfig } from "./load.ts";
import type { Config } from "./schema.ts";
import { secretText } from "./secrets.ts";

/** What a configuration says of a station; the rest of {@link MtaOptions} is of the machine. */
export type StationOptions = Omit<
  MtaOptions,
  "runtime" | "directory" | "certificates" | "policies" | "onEvent" | "guards"
>;

/** The options that a loaded configuration stands for. */
export function stationOptions(loaded: LoadedConfig): StationOptions {
  const { config, paths, authorities } = loaded;
  const { mail, relay } = config;
  return {
    hostname: config.hostname,
    addresses: config.addresses,
    listeners: config.listeners.map((listener) => listenerOptions(listener, config.limits)),
    delivery: { maildirRoot: paths.mail },
    bodyMemory: mail.memory,
    subaddressDelimiter: mail.subaddressDelimiter,
    ...(mail.postmaster !== undefined && { postmaster: mail.postmaster }),
    relayFrom: relay.from,
    ...(relay.enabled && {
      queue: queueOptions(config, paths.queue),
      routes: relay.routes.map((route) => routeOptions(route, authorities)),
    }),
  };
}

function listenerOptions(
  listener: Config["listeners"][number],
  { connections, connectionsPerClient, ...limits }: Config["limits"],
): MtaOptions["listeners"][number] {
  const { extensions, ...rest } = listener;
  return {
    ...defined(rest),
    extensions: defined(extensions),
    ...{ limits, connections, connectionsPerClient },
  };
}

function queueOptions({ queue }: Config, directory: string): QueueOptions {
  const { paused, retry, retryDomains, concurrency, srsSecret } = queue;
  const domains: Record<string, Partial<RetrySchedule>> = {};
  for (const [name, given] of Object.entries(retryDomains)) domains[name] = defined(given);
  return {
    ...{ directory, paused },
    retry: { usual: retry, domains },
    limits: { concurrency },
    ...(srsSecret !== undefined && { srsSecret: secretText(srsSecret) }),
  };
}

type Route = Config["relay"]["routes"][number];
type Via = Route["via"];
type Way = Exclude<Via, { kind: "pipe" | "hold" }>;
/** PEM texts by path. */
type Authorities = LoadedConfig["authorities"];

function routeOptions({ domains, accept, via }: Route, authorities: Authorities): RouteOptions {
  return { domains, accept, via: viaOptions(via, authorities) };
}

function viaOptions(via: Via, authorities: Authorities): ViaOptions {
  switch (via.kind) {
    case "pipe":
      return via;
    case "hold":
      return { kind: "hold", then: wayOptions(via.then, authorities) };
    default:
      return wayOptions(via, authorities);
  }
}

function wayOptions(way: Way, authorities: Authorities): WayOptions {
  switch (way.kind) {
    case "lmtp":
      return way;
    case "mx":
      return {
        ...{ kind: "mx", port: way.port, mtaSts: way.mtaSts },
        ...relayOptions(way, authorities),
      };
    case "smarthost": {
      const { kind, host, port, implicitTls, credentials } = way;
      return {
        ...{ kind, host, implicitTls },
        ...defined({ port }),
        ...(credentials && { credentials: credentialsOf(credentials) }),
        ...relayOptions(way, authorities),
      };
    }
  }
}

function credentialsOf(
  { user, password, allowUnverified }: { user: string; password: Secret; allowUnverified: boolean },
): Credentials {
  return { user, password: secretText(password), allowUnverified };
}

function relayOptions(
  way: Exclude<Way, { kind: "lmtp" }>,
  texts: Authorities,
): RelayOptions {
  const { tls, dane, authorities, source, family, allowAddresses, connections, eightBit } = way;
  return {
    ...defined({ tls, dane }),
    authorities: authorities.map((path) => demandText(texts.get(path), path)),
    ...(source && { source: defined(source) }),
    ...{ family, allowAddresses, connections, eightBit },
  };
}

function demandText(text: string | undefined, path: string): string {
  if (text !== undefined) return text;
  throw new TypeError(`${path} was not read: the configuration was loaded without its references`);
}

/** Without the keys that are not given: options must not be there as `undefined`. */
function defined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(
    Object.entries(value).filter(([, given]) => given !== undefined),
  ) as Defined<T>;
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };
