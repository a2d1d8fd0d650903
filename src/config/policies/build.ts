/**
 * The policies that a configuration asks for, in the order they are asked: the cheapest first, those that ask DNS
 * before those that make a client wait, and filters, which look at whole messages, last.
 *
 * @module
 */

import { domainPatternKey } from "../../domain_pattern.ts";
import type { MtaFact } from "../../events.ts";
import { type Network as IpNetwork, parseNetwork } from "../../net_address.ts";
import { accountLimits } from "../../policy/abuse/accounts.ts";
import { bans } from "../../policy/abuse/bans.ts";
import { bounceStorms } from "../../policy/abuse/bounce_storms.ts";
import { greylisting } from "../../policy/abuse/greylisting.ts";
import { loginBackoff } from "../../policy/abuse/login_backoff.ts";
import { connectionRates, messageRates } from "../../policy/abuse/rates.ts";
import { tarpit } from "../../policy/abuse/tarpit.ts";
import { clamav } from "../../policy/clamav/clamav.ts";
import { dnsLists } from "../../policy/dns/dns_lists.ts";
import { helloChecks } from "../../policy/dns/hello_checks.ts";
import { reverseDns } from "../../policy/dns/reverse_dns.ts";
import { senderDomain } from "../../policy/dns/sender_domain.ts";
import { httpHook } from "../../policy/http_hook/http_hook.ts";
import { authentication } from "../../policy/mailauth/authentication.ts";
import type { DmarcObserver } from "../../mailauth/dmarc/observation.ts";
import { namesMachine } from "../../mta_options.ts";
import type { Ledger } from "../../policy/ledger/ledger.ts";
import { arcSealing } from "../../policy/mailauth/sealing.ts";
import { dkimSigning } from "../../policy/mailauth/signing.ts";
import type { SigningKeys } from "../../policy/mailauth/signing_keys.ts";
import { milter } from "../../policy/milter/milter.ts";
import type { Policy } from "../../policy/policy.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Config } from "../schema.ts";
import { secretText } from "../secrets.ts";
import { domainRulesOf, rulesOf } from "./authentication.ts";
import { whenKnown } from "../../soon.ts";

/** What policies are made from: data, which a thread can be sent. */
export interface PolicyPlan {
  readonly abuse: Config["abuse"];
  readonly authentication: Config["authentication"];
  readonly filters: Config["filters"];
  /** Our own name, and addresses of ours. */
  readonly hostname: string;
  readonly addresses: readonly string[];
  /** Whether mail is signed that has a key. */
  readonly signs: boolean;
  /** Whether DNS is asked where the configuration does not say so. */
  readonly mayAskDns: boolean;
}

/** What policies work with. */
export interface PolicyServices extends Pick<Runtime, "clock" | "network" | "resolver" | "random"> {
  /** Where they remember. */
  readonly ledger: Ledger;
  readonly emit: (fact: MtaFact) => void;
  /** The web's, for filters that are asked by HTTP. */
  readonly fetch: typeof fetch;
  /** The DKIM keys that sign; absent: nothing is signed. */
  readonly keys?: Pick<SigningKeys, "find" | "isEmpty">;
  /** Is told what is to be reported to the domains of authors (DMARC); absent: nobody is. */
  readonly observe?: DmarcObserver;
}

/** What a configuration says of policies. */
export function policyPlan(config: Config): PolicyPlan {
  const { abuse, authentication, filters, hostname, relay, listeners } = config;
  const heard = listeners.flatMap(({ address }) =>
    address.transport === "tcp" && namesMachine(address.hostname) ? [address.hostname] : []
  );
  return {
    ...{ abuse, authentication, filters, hostname, mayAskDns: relay.enabled },
    addresses: [...config.addresses, ...heard],
    signs: config.dkim.sign,
  };
}

/** Makes them; those that sign and seal are the last. */
export function buildPolicies(plan: PolicyPlan, services: PolicyServices): Policy[] {
  const { abuse, hostname, addresses } = plan;
  const { loginBackoff: backoff, tarpit: slowness, dnsLists: lists, helloChecks: hello, rates } =
    abuse;
  const exempt = networks(abuse.exempt);
  const welcome = lists.lists.length > 0 && dnsLists({ ...lists, exempt }, services);
  const policies: (Policy | false)[] = [
    abuse.bans.enabled && bans({ ...abuse.bans, exempt }, services),
    rates.enabled && connectionRates({ ...rates.connections, exempt }, services),
    welcome,
    helloChecks({ ...hello, exempt, ...ownNames(hello.own, hostname, addresses) }, services),
    abuse.reverseDns.level !== "off" && reverseDns({ ...abuse.reverseDns, exempt }, services),
    backoff.enabled && loginBackoff({ ...backoff, exempt }, services),
    rates.enabled && messageRates({ ...rates, exempt }, services),
    abuse.accounts.enabled && accountLimits(abuse.accounts, services),
    abuse.bounceStorms.enabled && bounceStorms({ ...abuse.bounceStorms, exempt }, services),
    checksSenders(plan) && senderDomain({
      ...abuse.senderDomain,
      allowAddresses: networks(abuse.senderDomain.allowAddresses),
      exempt,
    }, services),
    abuse.greylisting.enabled && greylisting({
      ...abuse.greylisting,
      exempt: [...exempt, ...networks(abuse.greylisting.exempt)],
    }, {
      ...services,
      ...(welcome && {
        isWelcome: (session) => whenKnown(welcome.score(session), (score) => score < 0),
      }),
    }),
    slowness.enabled && tarpit({ ...slowness, exempt }, services),
    buildAuthentication(plan, exempt, services),
    ...plan.filters.map((filter) => buildFilter(filter, plan, services)),
    // It signs what goes out: whatever changes mail comes before.
    plan.signs && services.keys !== undefined && dkimSigning({ keys: services.keys }, services),
    buildSealing(plan, exempt, services),
  ];
  return policies.filter((policy) => policy !== false);
}

/** Whether any of them asks DNS. */
export function asksDns(plan: PolicyPlan): boolean {
  const { dnsLists, helloChecks, reverseDns } = plan.abuse;
  return dnsLists.lists.length > 0 || helloChecks.resolves || reverseDns.level !== "off" ||
    checksSenders(plan) || authenticates(plan);
}

function authenticates({ authentication, mayAskDns }: PolicyPlan): boolean {
  return authentication.enabled ?? mayAskDns;
}

function buildAuthentication(
  plan: PolicyPlan,
  exempt: readonly IpNetwork[],
  services: PolicyServices,
): Policy {
  const { authentication: given, hostname } = plan;
  const { authservId = hostname, malformedFrom, sealers, timeout } = given;
  return authentication({
    ...{ authservId, otherIds: [hostname], malformedFrom, timeout, exempt },
    sealers: new Set(sealers.map(domainPatternKey)),
    borders: networks(given.borders),
    enabled: authenticates(plan),
    rules: rulesOf(given),
    domains: domainRulesOf(given),
  }, services);
}

/** By the keys that sign: there are none where nothing is to be signed (`dkim.sign`). */
function buildSealing(
  plan: PolicyPlan,
  exempt: readonly IpNetwork[],
  services: PolicyServices,
): Policy | false {
  const { authentication: { seal, authservId }, hostname, filters } = plan;
  const { keys } = services;
  // Where nobody looks at mail there is nothing to be told of it.
  const knows = authenticates(plan) || filters.length > 0;
  if (!seal || keys === undefined || !knows) return false;
  const names = { authservId: authservId ?? hostname, domain: hostname };
  return arcSealing({ keys, ...names, exempt }, services);
}

function checksSenders({ abuse, mayAskDns }: PolicyPlan): boolean {
  return abuse.senderDomain.enabled ?? mayAskDns;
}

function buildFilter(
  filter: PolicyPlan["filters"][number],
  { hostname, mayAskDns }: PolicyPlan,
  services: PolicyServices,
): Policy {
  switch (filter.kind) {
    case "milter": {
      const { network, clock, resolver } = services;
      return milter({ ...filter, hostname }, { network, clock, ...(mayAskDns && { resolver }) });
    }
    case "clamav":
      return clamav(filter, services);
    case "http":
      return httpHook({ ...filter, secret: secretText(filter.secret) }, services);
  }
}

function ownNames(own: boolean, hostname: string, addresses: readonly string[]) {
  return own ? { ownNames: [hostname], ownAddresses: addresses } : {};
}

function networks(texts: readonly string[]): IpNetwork[] {
  return texts.map((text) => parseNetwork(text)!);
}
