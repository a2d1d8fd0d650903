/**
 * Observations for tests: mail of `example.org` as the policy that checks mail tells it.
 *
 * @module
 */

import type { DmarcObservation } from "../../../src/mailauth/dmarc/observation.ts";
import { parseDmarcRecord } from "../../../src/mailauth/dmarc/record.ts";

/** A policy record that asks for reports. */
export const RECORD = "v=DMARC1; p=reject; sp=quarantine; aspf=s; rua=mailto:reports@example.org";

/** One that passed by its signature; `more` differs. */
export function observation(
  more: Partial<DmarcObservation> & { readonly domain?: string; readonly record?: string } = {},
): DmarcObservation {
  const { domain = "example.org", record = RECORD, ...rest } = more;
  return {
    ...{ time: 0, message: "m1", sourceIp: "192.0.2.7", headerFrom: domain },
    ...{ envelopeFrom: `bounces.${domain}`, envelopeTo: ["example.net"] },
    published: { domain, record: parseDmarcRecord(record)!, discovery: "treewalk" },
    ...{ result: "pass", requested: "reject", disposition: "none" },
    ...{ dkimAligned: true, spfAligned: false, overrides: [] },
    dkim: [{ domain, selector: "s1", result: "pass" }],
    spf: { domain: `bounces.${domain}`, scope: "mfrom", result: "pass" },
    ...rest,
  };
}

/** One that failed, and was refused. */
export function forged(more: Parameters<typeof observation>[0] = {}): DmarcObservation {
  return observation({
    ...{ sourceIp: "2001:db8::bad", result: "fail", disposition: "reject", dkimAligned: false },
    ...{ envelopeFrom: "evil.example", dkim: [] },
    spf: { domain: "evil.example", scope: "mfrom", result: "softfail", reason: "~all" },
    ...more,
  });
}
