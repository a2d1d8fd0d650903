/**
 * Whether a ban that an operator asks for would keep anybody out. Pure: it goes by the configuration in force.
 *
 * @module
 */

import { networkContains, networkCovers, parseNetwork } from "../../net_address.ts";
import type { Config } from "../schema.ts";

/** What it goes by. */
export type BanRules = {
  readonly abuse: Pick<Config["abuse"], "exempt"> & {
    readonly bans: Pick<Config["abuse"]["bans"], "enabled">;
  };
  readonly relay: Pick<Config["relay"], "from">;
};

/**
 * Why a ban would change nothing, and what to do; `null`: it has an effect. A network that is exempt in part is banned
 * as to the rest.
 *
 * @param named an address or a network, as the operator wrote it.
 *
 * @example
 * ```ts
 * import { whyNoBan } from "./ban_effect.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const rules = {
 *   abuse: { exempt: ["192.0.2.0/28"], bans: { enabled: true } },
 *   relay: { from: [] },
 * };
 * assertEquals(whyNoBan(rules, "192.0.2.16"), null);
 * assertEquals(
 *   whyNoBan(rules, "192.0.2.7"),
 *   "192.0.2.7 is served whatever is banned, since abuse.exempt has 192.0.2.0/28: " +
 *     "take it out there, then yizhan reload",
 * );
 * ```
 */
export function whyNoBan({ abuse, relay }: BanRules, named: string): string | null {
  if (!abuse.bans.enabled) {
    return "nobody is banned while abuse.bans.enabled is false: set it, then yizhan reload";
  }
  const served = [["abuse.exempt", abuse.exempt], ["relay.from", relay.from]] as const;
  for (const [key, networks] of served) {
    const holds = networks.find((text) => isWithin(named, text));
    if (holds === undefined) continue;
    return `${named} is served whatever is banned, since ${key} has ${holds}: ` +
      "take it out there, then yizhan reload";
  }
  return null;
}

/** A bare address is looked for as it is written: of an IPv6 address only its /64 would be banned. */
function isWithin(named: string, text: string): boolean {
  const outer = parseNetwork(text);
  if (outer === null) return false;
  if (!named.includes("/")) return networkContains(outer, named);
  const inner = parseNetwork(named);
  return inner !== null && networkCovers(outer, inner);
}
