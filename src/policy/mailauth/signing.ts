/**
 * The policy that signs mail by DKIM (RFC 6376): of users who have logged in, of clients that may relay, and of programs
 * on this machine; and the notices that the station itself writes. What strangers send is not ours to vouch for.
 *
 * Whose name is signed with is what the From field says, for that is what DMARC compares (RFC 9989): the key is that of
 * its domain, or of one above it. Where there is none, or no From that all read alike, mail goes on unsigned. A domain
 * with several keys, such as one of RSA and one of Ed25519, signs with each (RFC 8463 §4).
 *
 * It should be the last policy: what it signs is what goes out. The body is hashed while it streams in; only one that a
 * policy has replaced, or that is re-encoded before it is signed (see `seven_bit.ts`), is read again.
 *
 * What fails: signing that fails puts the message off (451 4.3.0), with an event; none of it goes out unsigned.
 *
 * @module
 */

import { BodyHashes } from "../../mailauth/dkim/body_hashes.ts";
import type { BodyHash } from "../../mailauth/dkim/body_hashes.ts";
import { signDkim } from "../../mailauth/dkim/sign.ts";
import { fieldValue, findFields, type RawField } from "../../message/header.ts";
import { LongLines } from "../../message/long_lines.ts";
import { parseFromAddresses } from "../../message/mailbox_list.ts";
import type { Clock } from "../../runtime/runtime.ts";
import { reply } from "../../smtp/reply.ts";
import { NO_ROOM } from "../no_room.ts";
import type { Change, MessageView, NoticeView, Policy, SessionView, Verdict } from "../policy.ts";
import { SessionMemory } from "../session_memory.ts";
import { foldLongLines, reencode, valueOf } from "./seven_bit.ts";
import type { DomainKeys, SigningKeys } from "./signing_keys.ts";

/** What signs. */
export interface DkimSigningOptions {
  /** The keys; none for a domain: its mail is not signed. */
  readonly keys: Pick<SigningKeys, "find" | "isEmpty">;
}

/** What it works with. */
export interface DkimSigningServices {
  /** Says when a signature was made (`t=`). */
  readonly clock: Pick<Clock, "now">;
}

/**
 * The policy.
 *
 * @example
 * ```ts
 * import { dkimSigning } from "./signing.ts";
 * import { SigningKeys } from "./signing_keys.ts";
 * import { memoryRuntime } from "../../runtime/memory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * // RFC 8463 Appendix A.2
 * const pem = "-----BEGIN PRIVATE KEY-----\n" +
 *   "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n" +
 *   "-----END PRIVATE KEY-----\n";
 * const keys = await SigningKeys.open([{ domain: "example.org", selector: "s1", pem }]);
 * // For `policies` of createMta(), behind all others.
 * const policy = dkimSigning({ keys }, memoryRuntime());
 * assertEquals(policy.name, "dkim-signing");
 * ```
 */
export function dkimSigning(
  { keys }: DkimSigningOptions,
  { clock }: DkimSigningServices,
): Policy {
  const hashing = new SessionMemory<HashedBody>();

  async function sign(view: MessageView, { domain, keys }: DomainKeys): Promise<Verdict> {
    const seen = hashing.drop(view.session);
    let body = seen === undefined || view.bodyReplaced ? await hashOf(view) : seen;
    const again = new HashedBody();
    const made = await reencode(view, body.hasLongLines, (chunk) => again.write(chunk));
    if (made === "no-room") return NO_ROOM;
    if (made !== null) body = again.end();
    const fields = made?.fields ?? view.fields;
    const changes: Change[] = [...made?.changes ?? [], ...foldLongLines(fields)];
    const signed = await signatures(fields, body.hash, domain, keys);
    // Each is put on top of those before.
    for (const field of signed.toReversed()) {
      changes.push({
        change: "add-field",
        name: field.name,
        value: valueOf(field),
        verbatim: true,
      });
    }
    return { action: "annotate", changes };
  }

  function signatures(
    fields: readonly RawField[],
    body: BodyHash,
    domain: string,
    keys: DomainKeys["keys"],
  ): Promise<RawField[]> {
    const now = clock.now();
    return Promise.all(
      keys.map(({ selector, key }) => signDkim(fields, body, { domain, selector, key, now })),
    );
  }

  async function signNotice(notice: NoticeView, { domain, keys }: DomainKeys): Promise<RawField[]> {
    const { hash } = await hashOf(notice);
    return await signatures(notice.fields, hash, domain, keys);
  }

  /** Asked before anything of a message is looked at. */
  const signsFor = (session: SessionView) => !keys.isEmpty && isOurs(session);

  return {
    name: "dkim-signing",
    timeout: TIMEOUT,
    onFailure: CANNOT_SIGN,
    watches(session) {
      hashing.drop(session);
      return signsFor(session);
    },
    body(session, fields) {
      if (findKeys(keys, fields) === null) return undefined;
      const body = new HashedBody();
      hashing.set(session, body);
      return { write: (chunk) => body.write(chunk), end: () => void body.end() };
    },
    message(view) {
      if (!signsFor(view.session)) return undefined;
      const found = findKeys(keys, view.fields);
      return found === null ? undefined : sign(view, found);
    },
    notice(notice) {
      const found = keys.isEmpty ? null : findKeys(keys, notice.fields);
      return found === null ? [] : signNotice(notice, found);
    },
    close(session) {
      hashing.drop(session);
    },
  };
}

/** Re-encoding reads and writes a large body; a key takes a millisecond. */
const TIMEOUT = 120_000;

const CANNOT_SIGN: Verdict = {
  action: "defer",
  reply: reply(451, "4.3.0", "the message cannot be signed now: try again later"),
};

/** What comes by LMTP is at its end, and was somebody else's before; a catcher believes any password. */
function isOurs({ role, identity, trusted }: SessionView): boolean {
  return (identity !== null || trusted) && role !== "lmtp" && role !== "catcher";
}

/** The keys of whom the From field names; of several authors, of the first who has some. */
function findKeys(keys: DkimSigningOptions["keys"], fields: readonly RawField[]) {
  const [from, ...more] = findFields(fields, "From");
  // RFC 5322 §3.6: of two nobody knows which is shown.
  if (from === undefined || more.length > 0) return null;
  for (const { domain } of parseFromAddresses(fieldValue(from)) ?? []) {
    const found = keys.find(domain);
    if (found !== null) return found;
  }
  return null;
}

/** A body as it is hashed for signatures: `relaxed`, since what forgives most arrives most often. */
class HashedBody {
  readonly #hashes = new BodyHashes();
  readonly #lines = new LongLines();
  readonly hash: BodyHash = this.#hashes.want("relaxed", null);

  /** Whether others would break it on its way. */
  get hasLongLines(): boolean {
    return this.#lines.found;
  }

  write(chunk: Uint8Array): void {
    this.#hashes.write(chunk);
    this.#lines.write(chunk);
  }

  end(): this {
    this.#hashes.end();
    return this;
  }
}

async function hashOf(view: Pick<NoticeView, "openBody">): Promise<HashedBody> {
  const body = new HashedBody();
  for await (const chunk of view.openBody()) body.write(chunk);
  return body.end();
}
