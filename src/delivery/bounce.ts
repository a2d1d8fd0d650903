/**
 * Tells the senders of mail what has become of it: makes the notices that `queue/notice.ts` says are owed
 * into messages of the queue (RFC 3461, RFC 5321 §6.1). What they look like is `message/dsn.ts`.
 *
 *  - A notice has the null sender and NOTIFY=NEVER: nobody is ever told of a notice.
 *  - Its id follows from the entry, the kind and the recipients: made again after a crash, it is the
 *    same message, and adding it again does nothing.
 *  - What has the null sender and fails, or came from an address that nobody has, is told to the
 *    postmaster; where there is none, or it was for the postmaster already, it is dropped with an event.
 *  - Where an alias of ours sent the mail on, its sender is told of the alias only: neither of the address
 *    it led to nor of the server there, and that server's words only where they name neither.
 *  - The whole message is returned where RET=FULL asks for it, it is small, and it may be (RFC 8689 §5);
 *    else its header section.
 *
 * What fails: reading the message, looking up whom to tell, and policies that sign notices, throw; it is asked again later then.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { type Address, addressesEqual, domainKey } from "../address.ts";
import { concat } from "../bytes.ts";
import type { MtaFact } from "../events.ts";
import { formatDsn } from "../message/dsn.ts";
import type { DsnRecipient } from "../message/dsn_facts.ts";
import { decodeEncodedWords } from "../message/encoded_word.ts";
import {
  fieldValue,
  findField,
  formatFields,
  parseFields,
  type RawField,
} from "../message/header.ts";
import type { NoticeView } from "../policy/policy.ts";
import type { NoticeKind, QueuedRecipient, QueueEntry } from "../queue/entry.ts";
import type { MessageSource } from "../queue/local_delivery.ts";
import type { Notice, NoticeMaker } from "../queue/notice.ts";
import type { NewMessage } from "../queue/store.ts";
import type { Clock } from "../runtime/runtime.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import type { Soon } from "../soon.ts";

/** What notices are made with. */
export interface NoticeServices {
  /** Our name. */
  readonly hostname: string;
  /** Dates the notices. */
  readonly clock: Pick<Clock, "now">;
  /** Who is told where no sender can be. */
  readonly postmaster?: Address;
  /** The recipients of the queue that an address stands for; `null` or none where nobody has it. */
  expand(address: Address): Promise<readonly QueuedRecipient[] | null>;
  /** The message of an entry. @throws when it cannot be read. */
  open(id: string): Promise<MessageSource>;
  /** When a recipient that waits will be given up, in milliseconds since the epoch. */
  expiryOf?(entry: QueueEntry, recipient: QueuedRecipient): number;
  /** The fields that policies want on top of a notice, such as a signature. What it throws goes through. */
  fieldsFor?(notice: NoticeView): Soon<readonly RawField[]>;
  /** Octets of a body that is returned whole; more is returned as header section. Default 128 KiB. */
  readonly fullLimit?: number;
  /** Is told of each notice, made or dropped. */
  readonly emit: (fact: MtaFact) => void;
}

const FULL_LIMIT = 128 * 1024;
/** Ids of what is for the postmaster; of such mail nothing more is made. */
const LAST_RESORT = "postmaster-";

/** Whom to tell. */
interface Addressee {
  readonly address: Address;
  readonly audience: "sender" | "postmaster";
  readonly recipients: readonly QueuedRecipient[];
}

/** Makes the maker of notices. */
export function noticeMaker(services: NoticeServices): NoticeMaker {
  return async (entry, notices) => {
    const made: NewMessage[] = [];
    for (const notice of notices) {
      const message = await makeNotice(services, entry, notice);
      if (message !== null) made.push(message);
    }
    return made;
  };
}

async function makeNotice(
  services: NoticeServices,
  entry: QueueEntry,
  { kind, recipients }: Notice,
): Promise<NewMessage | null> {
  const addressee = await findAddressee(services, entry, kind);
  if (typeof addressee === "string") {
    services.emit({ type: "notice.dropped", message: entry.id, reason: addressee });
    return null;
  }
  const { hostname, clock, postmaster } = services;
  const now = clock.now();
  const id = idOf(entry, kind, recipients, addressee);
  const source = await services.open(entry.id);
  const fields = parseFields(source.head);
  const subject = findField(fields, "Subject");
  const messageId = findField(fields, "Message-ID");
  const { head: written, body, eightBit, smtputf8 } = formatDsn({
    kind,
    id,
    hostname,
    time: now,
    to: addressee.address,
    audience: addressee.audience,
    ...(postmaster && { postmaster }),
    sender: entry.sender,
    ...(entry.dsnEnvelopeId !== undefined && { envelopeId: entry.dsnEnvelopeId }),
    arrived: entry.received,
    ...(subject && { subject: decodeEncodedWords(fieldValue(subject)) }),
    ...(messageId && { messageId: fieldValue(messageId) }),
    smtputf8: entry.smtputf8,
    head: source.head,
    body: isReturnedWhole(services, entry, kind, source) ? await readBody(source) : null,
    recipients: withoutRepeats(recipients.flatMap((index) => {
      const recipient = entry.recipients[index];
      return recipient === undefined ? [] : [tellOf(services, entry, recipient)];
    })),
  });
  const openBody = async function* () {
    yield body;
  };
  const view = { id, fields: parseFields(written), bodySize: body.length, openBody };
  const above = await services.fieldsFor?.(view) ?? [];
  const head = above.length === 0 ? written : concat([formatFields(above), written]);
  return {
    entry: {
      id,
      received: now,
      headSize: head.length,
      bodySize: body.length,
      sender: null,
      recipients: addressee.recipients.map((recipient) => ({ ...recipient, notify: ["NEVER"] })),
      body: eightBit ? "8BITMIME" : "7BIT",
      smtputf8,
      requireTls: entry.requireTls,
      origin: { kind: "notice", session: entry.id },
    },
    source: { head, bodySize: body.length, openBody },
  };
}

/** Whom to tell, or why nobody. */
async function findAddressee(
  { postmaster, expand }: NoticeServices,
  { id, sender, recipients }: QueueEntry,
  kind: NoticeKind,
): Promise<Addressee | string> {
  if (sender !== null) {
    const found = await expand(sender);
    if (found !== null && found.length > 0) {
      return { address: sender, audience: "sender", recipients: found };
    }
  }
  const nobody = sender === null ? "it has no sender" : "its sender is unknown";
  if (kind !== "failed") return nobody;
  if (postmaster === undefined) return `${nobody}, and there is no postmaster`;
  const last = id.startsWith(LAST_RESORT) ||
    recipients.some(({ address }) => addressesEqual(address, postmaster));
  if (last) return `${nobody}, and it was for the postmaster`;
  const found = await expand(postmaster);
  if (found === null || found.length === 0) return `${nobody}, and the postmaster is unknown`;
  return { address: postmaster, audience: "postmaster", recipients: found };
}

function idOf(
  entry: QueueEntry,
  kind: NoticeKind,
  recipients: readonly number[],
  { audience }: Addressee,
): string {
  const hash = createHash("sha256").update(JSON.stringify([entry.id, kind, recipients]));
  const digest = hash.digest("hex").slice(0, 32);
  return audience === "postmaster" ? `${LAST_RESORT}${digest}` : `notice-${digest}`;
}

/** RET speaks of failures only (RFC 3461 §4.3). A notice is never binary. */
function isReturnedWhole(
  { fullLimit = FULL_LIMIT }: NoticeServices,
  { dsnReturn, requireTls, body }: QueueEntry,
  kind: NoticeKind,
  { bodySize }: MessageSource,
): boolean {
  return kind === "failed" && dsnReturn === "FULL" && !requireTls && body !== "BINARYMIME" &&
    bodySize <= fullLimit;
}

async function readBody(source: MessageSource): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source.openBody()) chunks.push(chunk.slice());
  return concat(chunks);
}

function tellOf(
  { expiryOf }: NoticeServices,
  entry: QueueEntry,
  recipient: QueuedRecipient,
): DsnRecipient {
  const { address, mailbox, forwardedBy, originalRecipient, history, status, next } = recipient;
  const last = history.at(-1);
  // No other station had to do with a mailbox or a socket of this machine (RFC 3464 §2.3.5).
  const host = mailbox === undefined && !last?.host?.startsWith("unix:") ? last?.host : undefined;
  const answer = last?.reply ?? UNKNOWN[status];
  return {
    address: forwardedBy ?? address,
    ...(originalRecipient && { originalRecipient }),
    ...(forwardedBy && { forwarded: true }),
    reply: forwardedBy ? withoutAddress(answer, address) : answer,
    ...(host !== undefined && { host }),
    ...(last && { lastAttempt: last.time }),
    ...(status === "waiting" && Number.isFinite(next) && { nextAttempt: next }),
    ...(status === "waiting" && expiryOf && { retryUntil: expiryOf(entry, recipient) }),
  };
}

/** An alias of which several recipients say the same is named once: how many there are is its own affair. */
function withoutRepeats(told: readonly DsnRecipient[]): DsnRecipient[] {
  const seen = new Set<string>();
  return told.filter(({ address, forwarded, reply, originalRecipient }) => {
    if (!forwarded) return true;
    const key = JSON.stringify([address, reply, originalRecipient]);
    return !seen.has(key) && seen.add(key);
  });
}

/** The answer where its words name nothing of an address that is not to be told. */
function withoutAddress(answer: Reply, { local, domain }: Address): Reply {
  const words = answer.lines.join("\n").toLowerCase();
  const mine = local.toLowerCase();
  const names = [`${mine}@`, domain.toLowerCase(), domainKey(domain)];
  if (mine.length > 2) names.push(mine);
  if (!names.some((name) => words.includes(name))) return answer;
  return { ...answer, lines: ["(these words name an address that is not for you to know)"] };
}

/** What to say of a recipient that was never tried. */
const UNKNOWN: Readonly<Record<QueuedRecipient["status"], Reply>> = {
  waiting: reply(451, "4.0.0", "not tried yet"),
  failed: reply(554, "5.0.0", "given up"),
  delivered: reply(250, "2.0.0", "delivered"),
  relayed: reply(250, "2.0.0", "passed on"),
};
