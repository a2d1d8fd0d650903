/**
 * Gives a message to the queue: what must go on, what must be told of, and what could not be
 * delivered just now. A message is queued once, whole, and durable before anybody is told 250.
 *
 * What fails: a disk that is full is 452 4.3.1, any other trouble 451 4.3.0, with an event; nothing is
 * queued then.
 *
 * @module
 */

import { describeError } from "../events.ts";
import type { LocalUser } from "../message/received.ts";
import type { QueueEntry } from "../queue/entry.ts";
import type { MessageSource } from "../queue/local_delivery.ts";
import { toQueued, withoutTwins } from "../routing/expand.ts";
import { errorCode } from "../runtime/system_error.ts";
import { type Reply, reply } from "../smtp/reply.ts";
import type { IntakeClient } from "./client.ts";
import type { IntakeServices, QueueServices } from "./services.ts";
import {
  type AcceptedRecipient,
  envelopeRecipient,
  type Transaction,
  withoutRecipients,
} from "./transaction.ts";

/** A message and those it is for. */
export interface Queueing {
  readonly transaction: Transaction;
  readonly source: MessageSource;
  readonly recipients: readonly AcceptedRecipient[];
  /** Why nobody is to get it before an operator has looked at it; `null`: nothing holds it. */
  readonly held: string | null;
  /** Why its copies here lie in Junk; `null`: they do not. */
  readonly junk: string | null;
  /** Unique for all time. */
  readonly id: string;
}

/** Whether a recipient takes a queue: mail goes on from here, or its delivery is to be told of. */
export function needsQueue({ remote, parameters }: AcceptedRecipient): boolean {
  return remote.length > 0 || parameters.notify?.includes("SUCCESS") === true;
}

/** Queues a message; `null` when it is durable, else what to answer. */
export async function enqueue(
  { clock, emit }: IntakeServices,
  { store }: QueueServices,
  client: IntakeClient,
  queueing: Queueing,
): Promise<Reply | null> {
  const entry = entryOf(client, queueing, clock.now());
  try {
    await store.add({
      entry,
      source: queueing.source,
      isNew: client.origin.handedIn === undefined,
    });
    return null;
  } catch (error) {
    const ids = { session: client.id, message: queueing.id };
    const facts = { where: "queue", error: describeError(error), ...ids };
    emit({ type: "internal.error", ...facts });
    return FULL_DISK.has(errorCode(error) ?? "") ? NO_SPACE : CANNOT_STORE;
  }
}

function entryOf(
  client: IntakeClient,
  { transaction, source, recipients, held, junk, id }: Queueing,
  now: number,
): QueueEntry {
  const queued = recipients.flatMap((recipient) =>
    toQueued(envelopeRecipient(recipient), recipient, now)
  );
  const identity = client.identity ?? nameOf(client.origin.user);
  return {
    ...withoutRecipients(transaction),
    id,
    received: now,
    headSize: source.head.length,
    bodySize: source.bodySize,
    recipients: withoutTwins(queued),
    origin: {
      kind: client.origin.trusted ? "submit" : "session",
      session: client.id,
      client: client.client,
      ...(identity !== null && { identity }),
    },
    ...(held !== null && { held: { since: now, reason: held } }),
    ...(junk !== null && { junk }),
  };
}

/** A user of this machine, as an identity: the name may be anybody's elsewhere, the number tells. */
function nameOf(user: LocalUser | undefined): string | null {
  if (user === undefined) return null;
  return user.name === null ? `uid ${user.uid}` : `${user.name} (uid ${user.uid})`;
}

const FULL_DISK: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT"]);
const NO_SPACE = reply(452, "4.3.1", "no room on the disk now: try again later");
const CANNOT_STORE = reply(451, "4.3.0", "cannot store the message now: try again later");
