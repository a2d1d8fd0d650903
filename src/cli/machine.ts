/**
 * The machine as commands use it: that of the runtime this process has, Deno or Bun. For servers with
 * errors of listening that name the address and say what to do, and for the catcher without any way out.
 *
 * @module
 */

import { bunRuntime } from "../runtime/bun.ts";
import { denoRuntime } from "../runtime/deno.ts";
import type { DnssecTrust } from "../runtime/dns_servers.ts";
import {
  formatSocketAddress,
  type Listener,
  type Network,
  type SocketAddress,
} from "../runtime/network.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { errorCode } from "../runtime/system_error.ts";
import { CommandError, EXIT } from "./exit.ts";
import { describeError, explainFailure, isNotCapable } from "./trouble.ts";

/** Who is asked for names, and when what they say of DNSSEC is believed. */
export interface NameOptions {
  /** Default those of the system. */
  readonly nameServers?: readonly string[];
  /** Default `auto`. */
  readonly dnssec?: DnssecTrust;
}

/** The machine, by the runtime of this process. @throws {TypeError} as the adapters. */
export function thisRuntime(options: NameOptions = {}): Runtime {
  return typeof Deno === "undefined" ? bunRuntime(options) : denoRuntime(options);
}

/** How a server's TCP addresses are shared: `first` demands that nobody else has them, `joining` does not ask. */
export type Sharing = "first" | "joining";

/**
 * @param options `outward: false` takes away the means to connect to anything; `nameServers`, where there are any, are
 * asked in place of those of the system; `shared`: several stations of this process listen at the same addresses.
 */
export function serverRuntime(
  options: NameOptions & { readonly outward: boolean; readonly shared?: Sharing },
): Runtime {
  const { outward, nameServers = [], dnssec, shared } = options;
  const runtime = thisRuntime({
    ...(nameServers.length > 0 && { nameServers }),
    ...(dnssec !== undefined && { dnssec }),
  });
  const { network } = runtime;
  const connect: Network["connect"] = outward
    ? (address, settings) => network.connect(address, settings)
    : (address) => {
      const where = formatSocketAddress(address);
      return Promise.reject(new Error(`not connected to ${where}: this station never sends`));
    };
  return {
    ...runtime,
    network: {
      connect,
      listen: (address) =>
        listen(network, address, shared).catch((error) => refuse(address, error)),
      tlsServer: (settings) => network.tlsServer(settings),
    },
  };
}

async function listen(
  network: Network,
  address: SocketAddress,
  shared: Sharing | undefined,
): Promise<Listener> {
  if (shared === undefined || address.transport === "unix") return await network.listen(address);
  // Another server that shares its addresses too would be joined, and neither be told.
  if (shared === "first" && address.port !== 0) (await network.listen(address)).close();
  return await network.listen(address, { shared: true });
}

function refuse(address: SocketAddress, error: unknown): never {
  const what = `cannot listen on ${formatSocketAddress(address)}`;
  const code = errorCode(error);
  if (address.transport === "unix" && code === "EADDRINUSE") {
    const advice =
      `${address.path} is there already: stop the server it belongs to, or remove it ` +
      "if it is none's, or choose another path";
    throw new CommandError(EXIT.unavailable, `${what}: ${advice}`, { cause: error });
  }
  if (address.transport === "tcp" && code === "EACCES" && !isNotCapable(error)) {
    const advice = "ports below 1024 need root or CAP_NET_BIND_SERVICE; choose another or grant it";
    throw new CommandError(EXIT.noPermission, `${what}: ${describeError(error)}; ${advice}`);
  }
  throw explainFailure(what, error) ?? error;
}
