/**
 * What SPF and DMARC say of who would send a mail, for `yizhan explain`: they go by DNS alone, where client and sender
 * are named. Of clients that are no strangers nothing is said, for theirs is not checked.
 *
 * @module
 */

import { explainAuthentication } from "../admin/explain_authentication.ts";
import type { ExplainQuestion, ExplainStep } from "../admin/explanation.ts";
import { domainRulesOf, rulesOf } from "../config/policies/authentication.ts";
import type { Config } from "../config/schema.ts";
import { networkContains, parseNetwork } from "../net_address.ts";
import { AuthenticationRuleBook } from "../policy/mailauth/authentication_rules.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** The steps. */
export async function explainedSender(
  { client, sender }: Pick<ExplainQuestion, "client" | "sender">,
  { abuse, authentication, hostname, relay }: Config,
  runtime: Runtime,
): Promise<ExplainStep[]> {
  const checks = authentication.enabled ?? relay.enabled;
  if (client === undefined || sender === null || !checks) return [];
  const known = [...abuse.exempt, ...relay.from].map((text) => parseNetwork(text)!);
  if (known.some((network) => networkContains(network, client))) return [];
  const book = new AuthenticationRuleBook(rulesOf(authentication), domainRulesOf(authentication));
  return await explainAuthentication({ client, sender, receiver: hostname }, { ...runtime, book });
}
