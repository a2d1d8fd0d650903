/**
 * The policy that seals by ARC (RFC 8617) what strangers send and what goes on from here, by an alias, a forward or as a
 * relay: SPF fails at the next station, and with some changes DKIM does; a seal tells it what we saw. Mail that ends here,
 * and mail of our own users, is not sealed.
 *
 * What we saw is what the Authentication-Results fields of ours say that policies before this one have added, filters
 * among them; fields of that name that came with the message count for nothing. Where there are none, nobody has looked
 * at the message, and it is not sealed. Nor is a chain continued that could not be judged, because DNS failed.
 *
 * It must be behind the policy that authenticates, and behind all that change the message (§5.1, step 1). The body of
 * what goes on is read once more to be hashed: that it goes on is known only at its end.
 *
 * What fails: a message that cannot be sealed goes on without a seal, with an event; that breaks nothing (§5.1.5).
 *
 * @module
 */

import { equal } from "../../bytes.ts";
import { ownResults } from "../../mailauth/arc/own_results.ts";
import { type ArcSealOptions, sealArc } from "../../mailauth/arc/seal.ts";
import { BodyHashes } from "../../mailauth/dkim/body_hashes.ts";
import { isOurs } from "../../message/forged_results.ts";
import { isField, type RawField } from "../../message/header.ts";
import type { Network } from "../../net_address.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { DEFAULT_EXEMPT, isStranger } from "../abuse/stranger.ts";
import { NO_ROOM } from "../no_room.ts";
import type { Change, MessageView, Policy, SessionView, Verdict } from "../policy.ts";
import { SessionMemory } from "../session_memory.ts";
import { reencode, valueOf } from "./seven_bit.ts";
import type { SigningKeys } from "./signing_keys.ts";

/** What seals. */
export interface ArcSealingOptions {
  /** Our DKIM keys: that of RSA seals, which everybody can check. */
  readonly keys: Pick<SigningKeys, "find" | "isEmpty">;
  /** The name that our results bear (RFC 8601 §2.5): the host's. */
  readonly authservId: string;
  /**
   * Whose key seals: its own, or that of a domain above it. Where there is none, that of the first recipient's domain
   * that has one. Default `authservId`: one name for all, that others can trust.
   */
  readonly domain?: string;
  /** Networks whose mail is not that of strangers. Default loopback. */
  readonly exempt?: readonly Network[];
}

/** What it works with. */
export interface ArcSealingServices {
  /** Says when a seal was made (`t=`). */
  readonly clock: Pick<Clock, "now">;
}

/**
 * The policy.
 *
 * @example
 * ```ts
 * import { arcSealing } from "./sealing.ts";
 * import { SigningKeys } from "./signing_keys.ts";
 * import { memoryRuntime } from "../../runtime/memory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const keys = await SigningKeys.open([]);
 * // For `policies` of createMta(), behind all others.
 * const policy = arcSealing({ keys, authservId: "mx.example.org" }, memoryRuntime());
 * assertEquals(policy.name, "arc-sealing");
 * ```
 */
export function arcSealing(options: ArcSealingOptions, { clock }: ArcSealingServices): Policy {
  const { keys, authservId, exempt = DEFAULT_EXEMPT } = options;
  /** Fields under our name that came with the message of a session that was looked at. */
  const forged = new SessionMemory<readonly RawField[]>();

  async function seal(view: MessageView, choice: Omit<ArcSealOptions, "now">): Promise<Verdict> {
    const hashes = new BodyHashes();
    const hash = hashes.want("relaxed", null);
    const write = (chunk: Uint8Array) => hashes.write(chunk);
    // What is signed already would be broken by it; delivery says so where it must.
    const made = isSigned(view.fields) ? null : await reencode(view, false, write);
    if (made === "no-room") return NO_ROOM;
    if (made === null) { for await (const chunk of view.openBody()) write(chunk); }
    hashes.end();
    const set = await sealArc(made?.fields ?? view.fields, hash, { ...choice, now: clock.now() });
    if (set.length === 0) return { action: "accept" };
    const changes: Change[] = [...made?.changes ?? []];
    for (const field of set.reverse()) {
      const { name } = field;
      changes.push({ change: "add-field", name, value: valueOf(field), verbatim: true });
    }
    return { action: "annotate", changes };
  }

  /** Asked before anything of a message is looked at. */
  const sealsFor = (session: SessionView) => !keys.isEmpty && isStranger(session, exempt);

  return {
    name: "arc-sealing",
    timeout: TIMEOUT,
    onFailure: { action: "accept" },
    watches(session) {
      forged.drop(session);
      return sealsFor(session);
    },
    body(session, fields) {
      forged.set(session, fields.filter((field) => isOurs(field, [authservId])));
      return undefined;
    },
    message(view) {
      const foreign = forged.drop(view.session);
      if (foreign === undefined || !view.goesOn) return undefined;
      const own = ownResults(without(view.fields, foreign), authservId);
      const cv = own === null ? null : statusOf(own.arc);
      if (own === null || cv === null) return undefined;
      const sealer = findSealer(view, options);
      return sealer === null ? undefined : seal(view, { ...sealer, results: own.value, cv });
    },
    close(session) {
      forged.drop(session);
    },
  };
}

/** Reading a large body; a key takes a millisecond. */
const TIMEOUT = 120_000;

/** What a chain came to; `null` where that is not known for good, and nobody could go on from what we said. */
function statusOf(arc: string | null): ArcSealOptions["cv"] | null {
  if (arc === null || arc === "none") return "none";
  return arc === "pass" || arc === "fail" ? arc : null;
}

function findSealer(
  { envelope }: MessageView,
  { keys, authservId, domain = authservId }: ArcSealingOptions,
): Pick<ArcSealOptions, "domain" | "selector" | "key"> | null {
  for (const name of [domain, ...envelope.recipients.map(({ address }) => address.domain)]) {
    const found = keys.find(name);
    const rsa = found?.keys.find(({ key }) => key.algorithm === "rsa-sha256");
    if (found != null && rsa !== undefined) return { domain: found.domain, ...rsa };
  }
  return null;
}

function without(fields: readonly RawField[], others: readonly RawField[]): readonly RawField[] {
  if (others.length === 0) return fields;
  return fields.filter(({ raw }) => !others.some((other) => equal(other.raw, raw)));
}

function isSigned(fields: readonly RawField[]): boolean {
  return fields.some((field) =>
    isField(field, "DKIM-Signature") || isField(field, "ARC-Message-Signature")
  );
}
