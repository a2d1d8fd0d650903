/**
 * Questions to a resolver that is not ours to trust. Those of this program never reject, but whoever uses the checks as a
 * library brings his own; and an answer that nobody has waited for yet would end the process when it rejects.
 *
 * @module
 */

import type { DnsAnswer } from "../runtime/resolver.ts";

/** What a resolver answers; what it throws is `failed`. Never rejects. */
export async function askDns<T>(ask: () => Promise<DnsAnswer<T>>): Promise<DnsAnswer<T>> {
  try {
    return await ask();
  } catch (error) {
    return { status: "failed", reason: error instanceof Error ? error.message : "no answer" };
  }
}
