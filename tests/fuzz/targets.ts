/**
 * All that is fuzzed, by name. A module is loaded when one of its targets is wanted, since each runs in a thread of
 * its own that should know no other code.
 *
 * @module
 */

import type { FuzzTarget } from "./engine/target.ts";

const MODULES: readonly (readonly [module: string, names: readonly string[]])[] = [
  ["decoders", ["line", "data", "data-encoder", "bdat", "reply"]],
  ["grammar", ["address", "command", "xtext", "date", "mailboxes", "encoded-word"]],
  ["sessions", ["server", "client", "pair"]],
  ["storage", ["entry", "drop", "spool"]],
  ["content", ["head", "mime", "notice", "dns"]],
  ["settings", ["config", "environment", "users", "control"]],
  ["sasl", ["sasl", "sasl-client"]],
  ["filters", ["milter-packet", "milter", "clamd", "hook"]],
  ["memory", ["ledger", "remembered", "remote-ledger"]],
  ["notes", ["tags", "pattern", "sendmail"]],
  ["spf", ["spf", "spf-macro"]],
  ["arc", ["results", "arc"]],
  ["dkim", ["dkim-key", "dkim"]],
  ["dmarc", ["dmarc", "authors"]],
  ["sts", ["sts", "http-response"]],
  ["web", ["site", "client-hello"]],
  ["dmarc_reports", ["dmarc-report", "dmarc-pack", "dmarc-places"]],
];

/** The names of all targets. */
export const TARGETS: readonly string[] = MODULES.flatMap(([, names]) => names);

/** The target of a name. @param url of a module that has it, where it is none of these. @throws {Error} where there is none. */
export async function loadTarget(name: string, url?: string): Promise<FuzzTarget> {
  const found = MODULES.find(([, names]) => names.includes(name));
  const place = url ?? (found && `./targets/${found[0]}.ts`);
  if (place === undefined) throw new Error(`no target ${name}; there are: ${TARGETS.join(", ")}`);
  const module: { targets: readonly FuzzTarget[] } = await import(place);
  return module.targets.find((target) => target.name === name)!;
}
