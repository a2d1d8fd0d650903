/**
 * The parts of a configuration that is not all right: what fits the schema is checked further, so that
 * somebody with a mistake in line 3 hears of the one in line 40 in the same breath.
 *
 * @module
 */

import { z } from "./packages.ts";
import { configSchema, type WrittenConfig } from "./schema.ts";
import { definitionOf, schemaAt, unwrap } from "./schema_walk.ts";

/** Something that does not hold between parts. */
export interface Finding {
  readonly path: readonly (string | number)[];
  readonly of: "key" | "value";
  readonly message: string;
  readonly hint?: string;
  /** It works, though it should not be so. */
  readonly warning?: true;
}

/** What of a configuration fits the schema; `null` stands for what does not. */
export interface Parts {
  readonly listeners: readonly (WrittenConfig["listeners"][number] | null)[];
  readonly certificates: readonly (WrittenConfig["tls"]["certificates"][number] | null)[];
  readonly routes: readonly (WrittenConfig["relay"]["routes"][number] | null)[];
  readonly filters: readonly (WrittenConfig["filters"][number] | null)[];
  readonly relayFrom: readonly unknown[];
  readonly domains: readonly (string | null)[];
  readonly relayEnabled: boolean;
  /** Whether no name server is ever trusted to have checked DNSSEC. */
  readonly dnssecOff: boolean;
  readonly retry: WrittenConfig["queue"]["retry"] | null;
  readonly retryDomains: Readonly<
    Record<string, WrittenConfig["queue"]["retryDomains"][string] | null>
  >;
  readonly monitor: WrittenConfig["monitor"]["address"] | null;
  readonly web: WrittenConfig["web"] | null;
  readonly acme: WrittenConfig["acme"] | null;
  readonly srsSecret: WrittenConfig["queue"]["srsSecret"] | null;
  readonly folders: Readonly<Record<"data" | "mail" | "queue" | "drop", string | null>>;
}

/** Takes a value apart. */
export function takeApart(value: unknown): Parts {
  const listOf = (path: readonly string[]) => {
    const given = valueAt(value, path);
    const { element } = definitionOf(unwrap(schemaAt(configSchema, path, {})!).schema);
    return (Array.isArray(given) ? given : []).map((item) => fit(element!, item));
  };
  const at = (...path: string[]) => fit(schemaAt(configSchema, path, {})!, valueAt(value, path));
  const { valueType } = definitionOf(
    unwrap(schemaAt(configSchema, ["queue", "retryDomains"], {})!).schema,
  );
  const domains = valueAt(value, ["queue", "retryDomains"]);
  const entries = typeof domains === "object" && domains !== null ? Object.entries(domains) : [];
  const from = valueAt(value, ["relay", "from"]);
  const parts = {
    listeners: listOf(["listeners"]),
    certificates: listOf(["tls", "certificates"]),
    routes: listOf(["relay", "routes"]),
    filters: listOf(["filters"]),
    relayFrom: Array.isArray(from) ? from : [],
    domains: listOf(["domains"]),
    relayEnabled: at("relay", "enabled") !== false,
    dnssecOff: at("relay", "dnssec") === "off",
    retry: at("queue", "retry"),
    retryDomains: Object.fromEntries(entries.map(([key, item]) => [key, fit(valueType!, item)])),
    monitor: at("monitor", "address"),
    web: at("web"),
    acme: at("acme"),
    srsSecret: at("queue", "srsSecret"),
    folders: {
      data: at("data"),
      mail: at("mail", "directory"),
      queue: at("queue", "directory"),
      drop: at("drop", "directory"),
    },
  };
  // The schemas they were taken from say what they are.
  return parts as Parts;
}

/** The value as the schema reads it, `null` where it does not fit. */
function fit(schema: z.core.$ZodType, value: unknown): unknown {
  const read = z.safeParse(schema, value);
  return read.success ? read.data ?? null : null;
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}
