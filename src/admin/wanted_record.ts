/**
 * A DNS record that should be there, and what for.
 *
 * @module
 */

import type { DnsData } from "../runtime/dns_message.ts";

/** What a record is for. */
export type RecordPurpose =
  | "mx"
  | "address"
  | "ptr"
  | "spf"
  | "dkim"
  | "dmarc"
  | "mta-sts"
  | "tls-rpt"
  | "tlsa"
  | "site"
  | "srv";

/** A record that should be there. */
export interface WantedRecord {
  readonly purpose: RecordPurpose;
  readonly name: string;
  readonly data: DnsData;
  /** `later`: only once something else is there, which {@link why} says. */
  readonly need: "required" | "optional" | "later";
  /** Lines of ASCII for a zone file's comments, of some 100 characters at most. */
  readonly why: readonly string[];
}
