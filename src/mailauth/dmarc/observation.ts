/**
 * What one message showed of a domain's use: all that a row of an aggregate report is made of (RFC 9990 §3.1). It is
 * given for each message whose author's domain has a policy record, whatever became of the message.
 *
 * Data only: who collects it, and for how long, is for others to say.
 *
 * @module
 */

import type { AuthResult } from "../result.ts";
import type { DmarcRecord, DmarcRequest } from "./record.ts";

/** Why a message fared otherwise than its author's domain asks for (RFC 9990 §3.1.1.8). */
export type DmarcOverrideType =
  /** Our own configuration. */
  | "local_policy"
  /** A mailing list is known to have changed it. */
  | "mailing_list"
  /** The record says `t=y`. */
  | "policy_test_mode"
  /** A forwarder whose word we take (ARC) saw it pass. */
  | "trusted_forwarder"
  /** Something else. */
  | "other";

/** One such reason. */
export interface DmarcOverride {
  /** The kind of reason. */
  readonly type: DmarcOverrideType;
  /** In words; may be empty. */
  readonly comment: string;
}

/** A signature, and what was found of it. */
export interface ObservedSignature {
  /** `d=`, as A-labels. */
  readonly domain: string;
  /** `s=`. */
  readonly selector: string;
  /** What it came to. */
  readonly result: AuthResult;
  /** More of it, in words. */
  readonly reason?: string;
}

/** What SPF found. */
export interface ObservedSpf {
  /** The domain it was asked about, as A-labels. */
  readonly domain: string;
  /** Whose it was: of MAIL, or for mail without a sender of HELO. */
  readonly scope: "mfrom" | "helo";
  /** What it came to. */
  readonly result: AuthResult;
  /** More of it, in words. */
  readonly reason?: string;
}

/** A policy as it was published. */
export interface PublishedPolicy {
  /** The domain at which it was found (`_dmarc.` not counted), as A-labels. */
  readonly domain: string;
  /** The record. */
  readonly record: DmarcRecord;
  /** How it was found. */
  readonly discovery: "treewalk";
}

/** One message. */
export interface DmarcObservation {
  /** When it was judged, in milliseconds since the epoch. */
  readonly time: number;
  /** Its id in the log. */
  readonly message: string;
  /** The client's IP address. */
  readonly sourceIp: string;
  /** The author's domain (From), as A-labels. */
  readonly headerFrom: string;
  /** The domain of the reverse-path, as A-labels; `null` for `<>`. */
  readonly envelopeFrom: string | null;
  /** The domains of the recipients, as A-labels, each once. */
  readonly envelopeTo: readonly string[];
  /** The policy that counts for the author's domain. */
  readonly published: PublishedPolicy;
  /** What DMARC came to. */
  readonly result: AuthResult;
  /** What was asked for mail that fails: `p`, `sp` or `np`, before testing and our own policy have their say. */
  readonly requested: DmarcRequest;
  /** What became of it: `none` was taken, `quarantine` went to Junk, `reject` was refused. */
  readonly disposition: DmarcRequest;
  /** Whether a valid signature is aligned. */
  readonly dkimAligned: boolean;
  /** Whether SPF passed and is aligned. */
  readonly spfAligned: boolean;
  /** Why it fared otherwise than asked for; empty: it did not. */
  readonly overrides: readonly DmarcOverride[];
  /** All signatures that were looked at. */
  readonly dkim: readonly ObservedSignature[];
  /** `null`: SPF was not asked. */
  readonly spf: ObservedSpf | null;
  /** Whether it is an aggregate report itself, by its subject (RFC 9990 §3.5.2). Absent: no. */
  readonly isReport?: boolean;
}

/** Whoever collects them. Must not throw and must not block. */
export type DmarcObserver = (observation: DmarcObservation) => void;
