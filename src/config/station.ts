/**
 * A configuration as the options of a station: what the file says in its own words becomes what
 * `startMta` takes. The machine, the directory and the certificates are added by whoever starts it.
 *
 * What fails: reading the PEM files of authorities that routes name (checked when the configuration was
 * loaded), with the errno of the disk.
 *
 * @module
 */

import { decode } from "../bytes.ts";
import type { MtaOptions } from "../mta_options.ts";
import type { QueueOptions } from "../mta_queue.ts";
import type { RelayOptions, RouteOptions, ViaOptions, WayOptions } from "../routing/route_table.ts";
import type { Files } from "../runtime/runtime.ts";
import type { LoadedConfig } from "./load.ts";
import type { Config } from "./schema.ts";

/** What a configuration says of a station; the rest of {@link MtaOptions} is of the machine. */
export type StationOptions = Omit<
  MtaOptions,
  "runtime" | "directory" | "certificates" | "policies" | "onEvent"
>;

/** The options that a loaded configuration stands for. */
export async function stationOptions(loaded: LoadedConfig, files: Files): Promise<StationOptions> {
  const { config, paths } = loaded;
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
      routes: await Promise.all(relay.routes.map((route) => routeOptions(route, loaded, files))),
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
  const domains = Object.entries(retryDomains).map(([name, given]) => [name, defined(given)]);
  return {
    ...{ directory, paused },
    retry: { usual: retry, domains: Object.fromEntries(domains) },
    limits: { concurrency },
    ...(srsSecret !== undefined && { srsSecret }),
  };
}

type Route = Config["relay"]["routes"][number];
type Via = Route["via"];
type Way = Exclude<Via, { kind: "pipe" | "hold" }>;

async function routeOptions(
  { domains, accept, via }: Route,
  loaded: LoadedConfig,
  files: Files,
): Promise<RouteOptions> {
  return { domains, accept, via: await viaOptions(via, loaded, files) };
}

async function viaOptions(via: Via, loaded: LoadedConfig, files: Files): Promise<ViaOptions> {
  switch (via.kind) {
    case "pipe":
      return via;
    case "hold":
      return { kind: "hold", then: await wayOptions(via.then, loaded, files) };
    default:
      return await wayOptions(via, loaded, files);
  }
}

async function wayOptions(way: Way, loaded: LoadedConfig, files: Files): Promise<WayOptions> {
  switch (way.kind) {
    case "lmtp":
      return way;
    case "mx":
      return { ...defined(way), ...await relayOptions(way, loaded, files) };
    case "smarthost":
      return { ...defined(way), ...await relayOptions(way, loaded, files) };
  }
}

/** Authorities are files in a configuration, and PEM text in the options. */
async function relayOptions(
  { authorities, source }: Exclude<Way, { kind: "lmtp" }>,
  loaded: LoadedConfig,
  files: Files,
): Promise<Pick<RelayOptions, "authorities" | "source">> {
  const read = async (path: string) => decode(await files.readFile(loaded.resolve(path), PEM_LIMIT));
  return {
    authorities: await Promise.all(authorities.map(read)),
    ...(source && { source: defined(source) }),
  };
}

/** Octets of a file of authorities; that of all the world's takes some 200 KiB. */
const PEM_LIMIT = 4 * 1024 * 1024;

/** Without the keys that are not given: options must not be there as `undefined`. */
function defined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(
    Object.entries(value).filter(([, given]) => given !== undefined),
  ) as Defined<T>;
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };
