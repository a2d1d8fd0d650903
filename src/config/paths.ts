/**
 * Where things are: paths of a configuration made absolute, or relative to the process.
 *
 * @module
 */

import type { SocketAddress } from "../runtime/network.ts";
import type { Secret } from "./fields.ts";
import type { WrittenConfig } from "./schema.ts";

/** Where things are: absolute, or relative to the process. */
export interface ConfigPaths {
  readonly data: string;
  readonly mail: string;
  readonly queue: string;
  readonly drop: string;
  readonly users: string;
  readonly dkim: string;
  /** The control socket, in `queue`. */
  readonly control: string;
}

/** What of a configuration says where things are. */
export interface PathKeys {
  readonly data: string;
  readonly users: string;
  readonly mail: { readonly directory: string };
  readonly queue: { readonly directory: string };
  readonly drop: { readonly directory: string };
  readonly dkim: { readonly directory: string };
}

/**
 * A path in a folder; one that is absolute stays.
 *
 * @example
 * ```ts
 * import { resolvePath } from "./paths.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(resolvePath("/etc/yizhan", "./tls/key.pem"), "/etc/yizhan/tls/key.pem");
 * assertEquals(resolvePath("", "users"), "users");
 * assertEquals(resolvePath("/etc/yizhan", "/var/lib/yizhan"), "/var/lib/yizhan");
 * ```
 */
export function resolvePath(folder: string, path: string): string {
  if (path.startsWith("/") || folder === "") return path;
  const below = path.replace(/^(?:\.\/+)+/, "");
  if (below === "" || below === ".") return folder;
  return folder.endsWith("/") ? folder + below : `${folder}/${below}`;
}

/** The folder a file lies in; `""` for that of the process. */
export function folderOf(file: string | null): string {
  const slash = file?.lastIndexOf("/") ?? -1;
  return slash === -1 ? "" : slash === 0 ? "/" : file!.slice(0, slash);
}

/** All folders; `folder` is that of the configuration. */
export function resolvePaths(keys: PathKeys, folder: string): ConfigPaths {
  const data = resolvePath(folder, keys.data);
  const queue = resolvePath(data, keys.queue.directory);
  return {
    ...{ data, queue },
    mail: resolvePath(data, keys.mail.directory),
    drop: resolvePath(data, keys.drop.directory),
    users: resolvePath(folder, keys.users),
    dkim: resolvePath(folder, keys.dkim.directory),
    control: `${queue}/control.sock`,
  };
}

/** The socket that programs nudge when they have left mail; they look for it beside the drop folder. */
export function nudgePath({ drop }: ConfigPaths): string {
  return `${folderOf(drop)}/nudge.sock`;
}

/** Where policies remember clients. */
export function ledgerFolder({ data }: Pick<ConfigPaths, "data">): string {
  return `${data}/policies/ledger`;
}

/** Where MTA-STS policies of others are kept. */
export function stsFolder({ data }: Pick<ConfigPaths, "data">): string {
  return `${data}/mta-sts`;
}

/** Where it is counted how TLS went with others. */
export function tlsReportsFolder({ data }: Pick<ConfigPaths, "data">): string {
  return `${data}/tls-reports`;
}

/** Where it is counted who sent mail here in the name of others. */
export function dmarcReportsFolder({ data }: Pick<ConfigPaths, "data">): string {
  return `${data}/dmarc-reports`;
}

/** Where certificates lie that the server gets by itself. */
export function acmeFolder({ data }: Pick<ConfigPaths, "data">): string {
  return `${data}/acme`;
}

/** A configuration with every path in it resolved. */
export function resolveAll(written: WrittenConfig, folder: string): WrittenConfig {
  const { data, mail, queue, drop, users, dkim } = resolvePaths(written, folder);
  const file = (path: string) => resolvePath(folder, path);
  const { tls, relay, monitor, web, acme, queue: { srsSecret } } = written;
  return {
    ...written,
    ...{ data, users },
    mail: { ...written.mail, directory: mail },
    queue: {
      ...written.queue,
      directory: queue,
      ...(srsSecret !== undefined && { srsSecret: resolveSecret(srsSecret, folder) }),
    },
    drop: { ...written.drop, directory: drop },
    dkim: { ...written.dkim, directory: dkim },
    listeners: written.listeners.map((listener) => (
      { ...listener, address: resolveAddress(listener.address, folder) }
    )),
    tls: {
      certificates: tls.certificates.map(({ certificate, key }) => (
        { certificate: file(certificate), key: file(key) }
      )),
    },
    web: {
      ...web,
      listeners: web.listeners.map((listener) => (
        { ...listener, address: resolveAddress(listener.address, folder) }
      )),
    },
    ...(acme && {
      acme: {
        ...acme,
        authorities: acme.authorities.map(file),
        // A bare name is looked for in the system's path.
        ...(acme.dnsHook?.includes("/") && { dnsHook: file(acme.dnsHook) }),
        ...(acme.externalAccount && {
          externalAccount: {
            ...acme.externalAccount,
            hmacKey: resolveSecret(acme.externalAccount.hmacKey, folder),
          },
        }),
      },
    }),
    relay: {
      ...relay,
      routes: relay.routes.map((route) => ({ ...route, via: resolveVia(route.via, folder) })),
    },
    filters: written.filters.map((filter) => resolveFilter(filter, folder)),
    monitor: monitor.address === undefined
      ? monitor
      : { address: resolveAddress(monitor.address, folder) },
  };
}

function resolveAddress(address: SocketAddress, folder: string): SocketAddress {
  return address.transport === "tcp"
    ? address
    : { ...address, path: resolvePath(folder, address.path) };
}

type Via = WrittenConfig["relay"]["routes"][number]["via"];

function resolveVia<V extends Via>(via: V, folder: string): V;
function resolveVia(via: Via, folder: string): Via {
  switch (via.kind) {
    case "hold":
      return { ...via, then: resolveVia(via.then, folder) };
    case "lmtp":
      return { ...via, address: resolveAddress(via.address, folder) };
    case "pipe":
      // A bare name is looked for in the system's path.
      return via.program.includes("/")
        ? { ...via, program: resolvePath(folder, via.program) }
        : via;
    case "mx":
      return { ...via, authorities: via.authorities.map((path) => resolvePath(folder, path)) };
    case "smarthost": {
      const { credentials } = via;
      return {
        ...via,
        authorities: via.authorities.map((path) => resolvePath(folder, path)),
        ...(credentials && {
          credentials: { ...credentials, password: resolveSecret(credentials.password, folder) },
        }),
      };
    }
  }
}

function resolveFilter<F extends WrittenConfig["filters"][number]>(filter: F, folder: string): F {
  return filter.kind === "http"
    ? { ...filter, secret: resolveSecret(filter.secret, folder) }
    : { ...filter, address: resolveAddress(filter.address, folder) };
}

function resolveSecret(secret: Secret, folder: string): Secret {
  return typeof secret === "string" ? secret : { file: resolvePath(folder, secret.file) };
}
