/**
 * The Authenticated Received Chain of a message, as its header fields have it (RFC 8617 §4): sets of three fields, one
 * for each station that sealed. Here they are collected, and looked at as far as no key is needed (§5.2, steps 1 to 3);
 * signatures are `verify.ts`.
 *
 * The fields are a stranger's. Pure; what is wrong with a chain is a value that says why, and more fields than fifty
 * sets have are not looked at.
 *
 * @module
 */

import { fieldValue, type RawField } from "../../message/header.ts";
import { parseSignatureTags } from "../dkim/signature.ts";
import type { TagList } from "../tag_list.ts";

/** What one station added (RFC 8617 §4.2). */
export interface ArcSet {
  /** 1 for the first station, and so on without a gap. */
  readonly instance: number;
  /** ARC-Authentication-Results: what it found out about the message. */
  readonly results: RawField;
  /** ARC-Message-Signature: the message as it sent it on. */
  readonly signature: RawField;
  /** The same. */
  readonly signatureTags: TagList;
  /** ARC-Seal: its signature over this set and all before it. */
  readonly seal: RawField;
  /** The same. */
  readonly sealTags: TagList;
}

/** The sets of a message. */
export type ArcChain =
  /** There are none. */
  | { readonly status: "none" }
  /** Sound as far as it shows without keys; the oldest set first. */
  | { readonly status: "whole"; readonly sets: readonly ArcSet[] }
  /** Nobody can go on from it. */
  | {
    readonly status: "broken";
    readonly reason: string;
    /** The highest instance that a field has; 0 where none can be read. */
    readonly highest: number;
    /** The newest seal says that the chain was broken when it was made (`cv=fail`). */
    readonly sealed: boolean;
  }
  /** More sets than there may be. */
  | { readonly status: "too-long"; readonly reason: string };

/** Sets of a message at most (RFC 8617 §4.2.1). */
export const MAX_SETS = 50;

const KINDS = ["results", "signature", "seal"] as const;
type Kind = (typeof KINDS)[number];

const NAMES: ReadonlyMap<string, Kind> = new Map([
  ["arc-authentication-results", "results"],
  ["arc-message-signature", "signature"],
  ["arc-seal", "seal"],
]);

/** A field of a chain, with what its instance is; `null` where it has none. */
interface ArcField {
  readonly kind: Kind;
  readonly field: RawField;
  readonly tags: TagList | null;
  readonly instance: number | null;
}

/**
 * Collects the sets of a message.
 *
 * @example
 * ```ts
 * import { readChain } from "./chain.ts";
 * import { makeField } from "../../message/header.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(readChain([makeField("Subject", "hello")]).status, "none");
 * assertEquals(readChain([makeField("ARC-Seal", "i=1; cv=none")]), {
 *   status: "broken",
 *   reason: "the ARC set 1 has no ARC-Authentication-Results",
 *   highest: 1,
 *   sealed: false,
 * });
 * ```
 */
export function readChain(fields: readonly RawField[]): ArcChain {
  const found = fields.flatMap((field) => {
    const kind = NAMES.get(field.name.toLowerCase());
    return kind === undefined ? [] : [{ kind, field }];
  });
  if (found.length === 0) return { status: "none" };
  // Twice as many as there may be are no honest chain, and a damaged one of fifty sets has no more.
  if (found.length > 2 * KINDS.length * MAX_SETS) return TOO_LONG;
  const all = found.map(readField);
  const highest = Math.max(0, ...all.map(({ instance }) => instance ?? 0));
  if (highest > MAX_SETS) return TOO_LONG;
  const sealed = all.some(({ kind, tags, instance }) =>
    kind === "seal" && instance === highest && tags?.get("cv") === "fail"
  );
  const broken = (reason: string) => ({ status: "broken", reason, highest, sealed }) as const;
  if (sealed) return broken("the newest ARC-Seal says that the chain was broken (cv=fail)");
  const unread = all.find(({ instance }) => instance === null);
  if (unread !== undefined) return broken(`${unread.field.name} has no instance (i=)`);
  const sets: ArcSet[] = [];
  for (let instance = 1; instance <= highest; instance++) {
    const set = readSet(instance, all.filter((one) => one.instance === instance));
    if (typeof set === "string") return broken(set);
    sets.push(set);
  }
  return { status: "whole", sets };
}

const TOO_LONG = {
  status: "too-long",
  reason: `there are more than ${MAX_SETS} ARC sets`,
} as const;

function readField({ kind, field }: { kind: Kind; field: RawField }): ArcField {
  const tags = kind === "results" ? null : parseSignatureTags(field);
  const instance = kind === "results" ? splitResults(field)?.instance : tags?.get("i");
  return { kind, field, tags, instance: parseInstance(instance) };
}

/** RFC 8617 §3.9: one or two digits. A hundred and more are read to be told from what is no number. */
function parseInstance(text: string | undefined): number | null {
  const instance = text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : 0;
  return instance === 0 ? null : instance;
}

/** White space and comments. */
const CFWS = "(?:[ \\t\\r\\n]|\\([^()\\\\]*\\))*";
const RESULTS = new RegExp(`^${CFWS}i${CFWS}=${CFWS}(\\d{1,9})${CFWS};([^]*)$`);

/** The instance of ARC-Authentication-Results, as text, and what stands behind it (RFC 8617 §4.1.1). */
function splitResults(field: RawField): { instance: string; payload: string } | null {
  const [, instance, payload] = RESULTS.exec(fieldValue(field)) ?? [];
  return instance === undefined || payload === undefined ? null : { instance, payload };
}

/** What a set's ARC-Authentication-Results says, as Authentication-Results would (RFC 8617 §4.1.1). */
export function recordedResults({ results }: ArcSet): string {
  return splitResults(results)?.payload.trim() ?? "";
}

const FIELD_NAMES: Readonly<Record<Kind, string>> = {
  results: "ARC-Authentication-Results",
  signature: "ARC-Message-Signature",
  seal: "ARC-Seal",
};

/** The set of these fields, or what is wrong with it. */
function readSet(instance: number, fields: readonly ArcField[]): ArcSet | string {
  const found = new Map<Kind, ArcField>();
  for (const field of fields) {
    if (found.has(field.kind)) {
      return `the ARC set ${instance} has ${FIELD_NAMES[field.kind]} twice`;
    }
    found.set(field.kind, field);
  }
  const missing = KINDS.find((kind) => !found.has(kind));
  if (missing !== undefined) return `the ARC set ${instance} has no ${FIELD_NAMES[missing]}`;
  const [results, signature, seal] = KINDS.map((kind) => found.get(kind)!);
  const expected = instance === 1 ? "none" : "pass";
  if (seal!.tags!.get("cv") !== expected) {
    return `the ARC-Seal ${instance} does not say cv=${expected}`;
  }
  return {
    instance,
    results: results!.field,
    signature: signature!.field,
    signatureTags: signature!.tags!,
    seal: seal!.field,
    sealTags: seal!.tags!,
  };
}
