/**
 * What this station found out about a message, collected for the one ARC-Authentication-Results field that a set has
 * (RFC 8617 §4.1.1): from all Authentication-Results fields of ours, for each filter may have written one.
 *
 * That those fields are truly ours is the caller's to see to (`forged_results.ts`). Pure; nothing fails.
 *
 * @module
 */

import { domainKey } from "../../address.ts";
import {
  type AuthenticationResults,
  parseAuthenticationResults,
} from "../../message/authentication_results.ts";
import { fieldValue, findFields, type RawField } from "../../message/header.ts";
import { parseArcResult } from "./result_text.ts";

/** The results of a station. */
export interface OwnResults {
  /** For `results` of `sealArc`: the authserv-id, and each result as it stands in its field, the uppermost first. */
  readonly value: string;
  /** What the method `arc` came to, by {@link parseArcResult}; `null` where no field of ours says. */
  readonly arc: string | null;
}

/**
 * Collects them; `null` where no field of this name is well-formed.
 *
 * @example
 * ```ts
 * import { ownResults } from "./own_results.ts";
 * import { makeField } from "../../message/header.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const field = (value: string) => makeField("Authentication-Results", value);
 * const fields = [field("mx.b.example; arc=none"), field("mx.b.example; spf=pass (b)"), field("c; spf=fail")];
 * assertEquals(ownResults(fields, "mx.b.example"), {
 *   value: "mx.b.example;\n\tarc=none;\n\tspf=pass (b)",
 *   arc: "none",
 * });
 * assertEquals(ownResults(fields, "mx.d.example"), null);
 * ```
 */
export function ownResults(fields: readonly RawField[], authservId: string): OwnResults | null {
  const ours = domainKey(authservId);
  const texts: string[] = [];
  let first: AuthenticationResults | null = null;
  let arc: string | null = null;
  for (const field of findFields(fields, "Authentication-Results")) {
    const value = fieldValue(field);
    const parsed = parseAuthenticationResults(value);
    if (parsed === null || domainKey(parsed.authservId) !== ours) continue;
    first ??= parsed;
    if (parsed.results.length > 0) texts.push(...splitResults(value));
    const found = parsed.results.find(({ method }) => method === "arc");
    if (found !== undefined) arc ??= parseArcResult(found);
  }
  if (first === null) return null;
  return { value: [authservId, ...texts.length > 0 ? texts : ["none"]].join(";\n\t"), arc };
}

/**
 * What stands between the semicolons of a well-formed value, without the authserv-id, and without what is only a comment:
 * behind the last semicolon there may be one.
 */
function splitResults(value: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let depth = 0;
  let quoted = false;
  /** Whether there is more than comments. */
  let says = false;
  const end = (at: number) => {
    if (says) parts.push(value.slice(start, at).trim());
    start = at + 1;
    says = false;
  };
  for (let at = 0; at < value.length; at++) {
    const character = value[at]!;
    if (character === "\\" && (quoted || depth > 0)) at++;
    else if (character === '"' && depth === 0) quoted = !quoted;
    else if (quoted) continue;
    else if (character === "(") depth++;
    else if (character === ")") depth--;
    else if (character === ";" && depth === 0) end(at);
    else if (depth === 0 && character !== " " && character !== "\t") says = true;
  }
  end(value.length);
  return parts.slice(1);
}
