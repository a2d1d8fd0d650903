/**
 * What guards the road to the hosts of a destination, in words: DANE, MTA-STS, or nothing, and why.
 *
 * @module
 */

import type { MailHost } from "../delivery/mx.ts";
import type { HostGuard } from "../delivery/tls_guard.ts";
import { describeReply } from "../smtp/reply.ts";
import type { ExplainStep } from "./explanation.ts";

/** The step, with a line for each host. @param about the domain, or the host of the route. */
export function explainGuards(
  about: string,
  hosts: readonly MailHost[],
  guards: readonly HostGuard[],
): ExplainStep {
  const details = hosts.map(({ name }, index) => {
    const guard = guards[index];
    return guard === undefined ? `${name}: nobody was asked` : `${name}: ${describe(guard)}`;
  });
  const kinds = new Set(guards.map(nameOf));
  const allShut = guards.length > 0 && guards.every(({ kind }) => kind === "shut");
  const guarded = guards.some(({ kind }) => kind === "dane" || kind === "sts");
  return {
    ...{ step: "guard", about, details },
    outcome: allShut ? "later" : guarded ? "good" : "told",
    verdict: [...kinds].join(", "),
    because: allShut
      ? "none of its hosts can be used safely now, so the mail waits"
      : guarded
      ? "what the domain publishes is obeyed: a host that does not prove it is not given the mail"
      : "neither TLSA records that DNSSEC vouches for nor a policy of MTA-STS demand more than the route does",
  };
}

function nameOf(guard: HostGuard): string {
  switch (guard.kind) {
    case "none":
      return "none";
    case "dane":
      return "DANE";
    case "sts":
      return `MTA-STS (${guard.mode})`;
    case "shut":
      return "shut";
  }
}

function describe(guard: HostGuard): string {
  switch (guard.kind) {
    case "none":
      return `none: ${guard.why}`;
    case "dane": {
      const kinds = guard.records.map(({ usage, selector, matching }) =>
        `${usage} ${selector} ${matching}`
      );
      if (kinds.length === 0) {
        return "DANE: TLS is a must; none of its TLSA records can be used, so any certificate will do";
      }
      return `DANE: a certificate that fits a TLSA record of ${guard.base} (${kinds.join(", ")})`;
    }
    case "sts":
      return `MTA-STS of ${guard.domain} (${guard.mode}): a certificate that is valid for the host`;
    case "shut":
      return `not connected to now: ${describeReply(guard.reply)}`;
  }
}
