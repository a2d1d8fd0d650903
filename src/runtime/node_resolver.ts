/**
 * Names by questions of our own alone (`node_dns_query.ts`). `node:dns` is not asked: it gives the same error for
 * a name that does not exist and for a name server that is ill, and mail must not bounce for the latter.
 *
 * What fails is a value: `failed`, and whether the server is to blame. Where no name server is known nothing is.
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import { type DnsMeans, DnsResolver, type ResolverOptions } from "./dns_resolver.ts";
import { systemClock } from "./node_clock.ts";
import { connectTo } from "./node_connection.ts";
import { failedReading, type QueryMeans, readNameServer, within } from "./node_dns_query.ts";
import type { Resolver } from "./resolver.ts";

/** What a question needs of a runtime without permissions. */
const QUERIES: QueryMeans = {
  connect: connectTo,
  mayUse: () => Promise.resolve(true),
  notPermitted: (hostname) => new Error(`${hostname} may not be used`),
};

const MEANS: DnsMeans = {
  async askServer(server, name, type, timeout, giveUp, dnssec) {
    try {
      return await within(
        timeout,
        giveUp,
        (signal) => readNameServer(QUERIES, server, name, type, signal, dnssec),
      );
    } catch (error) {
      return failedReading(error);
    }
  },
  askSystem: () => Promise.resolve(null),
  readText: (path) => readFile(path, "utf8"),
};

/** The resolver of this machine. */
export function nodeResolver(options: Partial<ResolverOptions> = {}): Resolver {
  return new DnsResolver(MEANS, { clock: systemClock, ...options });
}
