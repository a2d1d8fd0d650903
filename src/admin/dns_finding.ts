/**
 * What a look at DNS found out about one record that should be there.
 *
 * @module
 */

import type { DnsData } from "../runtime/dns_message.ts";
import type { DnsAnswer, Resolver } from "../runtime/resolver.ts";
import type { RecordPurpose, WantedRecord } from "./wanted_record.ts";
import { formatZoneData, formatZoneRecord } from "./zone_text.ts";

/**
 * `missing`: not there. `different`: there, and not as it must be. `unknown`: DNS or this machine did not tell.
 * `optional`: not there, and need not be.
 */
export type DnsStatus = "ok" | "missing" | "different" | "unknown" | "optional";

/** What was found out about one record. */
export interface DnsFinding {
  readonly purpose: RecordPurpose;
  readonly status: DnsStatus;
  /** The name that was asked for, without the dot at its end. */
  readonly name: string;
  readonly type: DnsData["type"];
  /** What is there of that type, as zone files have it. */
  readonly found: readonly string[];
  /** The line of a zone file that should be there; `null` where it is not known. */
  readonly wanted: string | null;
  /** What is so, in a line. */
  readonly message: string;
  /** What to do, in a line; `null` where nothing is to be done. */
  readonly advice: string | null;
}

/** Whom to ask. */
export interface DnsLook {
  readonly resolver: Resolver;
  readonly signal?: AbortSignal;
}

/** What a judge of found records says. */
export interface Judgement {
  readonly status: DnsStatus;
  readonly message: string;
  readonly advice?: string;
}

/** A finding about a wanted record. */
export function finding(
  { purpose, name, data }: WantedRecord,
  found: readonly DnsData[],
  { status, message, advice = "" }: Judgement,
): DnsFinding {
  return {
    purpose,
    status,
    name,
    type: data.type,
    found: found.map(formatZoneData),
    wanted: formatZoneRecord(name, data),
    message,
    advice: advice === "" ? null : advice,
  };
}

/** What is to be done where a question has no answer. */
export const ASK_AGAIN = "ask again later, or another name server (--name-server ADDR)";

/**
 * A finding about an answer: what was found goes to `judge`; nothing is `missing` where the record is required,
 * else `optional`; and no answer is `unknown`, never missing.
 *
 * @param adviceMissing what to do where it is missing.
 */
export function judgeAnswer<T>(
  record: WantedRecord,
  answer: DnsAnswer<T>,
  toData: (value: T) => DnsData,
  judge: (values: readonly T[]) => Judgement,
  adviceMissing = "publish it",
): DnsFinding {
  if (answer.status === "failed") {
    const message = `DNS did not tell: ${answer.reason}`;
    return finding(record, [], { status: "unknown", message, advice: ASK_AGAIN });
  }
  if (answer.status === "none") {
    const message = answer.reason === "nxdomain"
      ? "there is no such name"
      : `the name has no ${record.data.type}`;
    return record.need === "required"
      ? finding(record, [], { status: "missing", message, advice: adviceMissing })
      : finding(record, [], { status: "optional", message });
  }
  return finding(record, answer.records.map(toData), judge(answer.records));
}

/** A text as a record. */
export function textData(text: string): DnsData {
  return { type: "TXT", text };
}
