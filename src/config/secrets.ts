/**
 * Secrets of a configuration: put in from their files, and hidden from whoever only wants to see the
 * rest.
 *
 * @module
 */

import type { Secret } from "./fields.ts";
import type { Config, WrittenConfig } from "./schema.ts";

/** What is shown in place of a secret. */
export const HIDDEN = "***";

/** A configuration with its secrets as texts. @param texts those of files, by path. */
export function withSecrets(
  written: WrittenConfig,
  texts: ReadonlyMap<string, string>,
): Config {
  const read = (secret: Secret) =>
    // One that was not found stays what it is, of which `secretText` tells: an empty one would be a secret of all.
    typeof secret === "string" ? secret : texts.get(secret.file) ?? secret;
  // Every secret in it is a text now.
  return mapSecrets(written, read) as Config;
}

/** A configuration that can be shown: secrets that stand in it are `***`, the names of files stay. */
export function hideSecrets(written: WrittenConfig): WrittenConfig {
  return mapSecrets(written, (secret) => typeof secret === "string" ? HIDDEN : secret);
}

/** The text of a secret that was read. @throws {TypeError} where it lies in a file that was not. */
export function secretText(secret: Secret): string {
  if (typeof secret === "string") return secret;
  throw new TypeError(
    `${secret.file} was not read: the configuration was loaded without its references`,
  );
}

/** Whether a secret stands in a configuration itself, not in a file of its own. */
export function hasInlineSecret(written: WrittenConfig): boolean {
  let inline = false;
  mapSecrets(written, (secret) => {
    inline ||= typeof secret === "string";
    return secret;
  });
  return inline;
}

function mapSecrets(written: WrittenConfig, change: (secret: Secret) => Secret): WrittenConfig {
  const { queue, relay, filters, acme } = written;
  return {
    ...written,
    ...(acme?.externalAccount && {
      acme: {
        ...acme,
        externalAccount: {
          ...acme.externalAccount,
          hmacKey: change(acme.externalAccount.hmacKey),
        },
      },
    }),
    filters: filters.map((filter) =>
      filter.kind === "http" ? { ...filter, secret: change(filter.secret) } : filter
    ),
    queue: {
      ...queue,
      ...(queue.srsSecret !== undefined && { srsSecret: change(queue.srsSecret) }),
    },
    relay: {
      ...relay,
      routes: relay.routes.map((route) => ({ ...route, via: mapVia(route.via, change) })),
    },
  };
}

type Via = WrittenConfig["relay"]["routes"][number]["via"];

function mapVia<V extends Via>(via: V, change: (secret: Secret) => Secret): V;
function mapVia(via: Via, change: (secret: Secret) => Secret): Via {
  if (via.kind === "hold") return { ...via, then: mapVia(via.then, change) };
  if (via.kind !== "smarthost" || via.credentials === undefined) return via;
  const { credentials } = via;
  return { ...via, credentials: { ...credentials, password: change(credentials.password) } };
}
