/**
 * The local end of a message: all copies are prepared first, then all are published; a copy that
 * cannot be made takes the others back, so that a client told to try again does not make twins.
 *
 * @module
 */

import {
  DeliveryError,
  type LocalDelivery,
  type LocalRecipient,
  type MessageSource,
  type PreparedDelivery,
} from "../queue/local_delivery.ts";
import { type Reply, reply } from "../smtp/reply.ts";

/** How many copies of one message are made at the same time. */
const AT_ONCE = 16;

/** Why no copy was made. */
export interface CopiesFailure {
  /** What to answer. */
  readonly reply: Reply;
  /** What went wrong, for the log. */
  readonly error: unknown;
}

/**
 * Makes all copies, and gives them in the order of the recipients, or makes none. Of several failures
 * one that may pass is reported before one that will not, for then the client tries again with all; and
 * while one copy could be made, what would never do for another is put off too, lest the sender be told
 * that nobody got it for good.
 */
export async function deliverTogether(
  delivery: LocalDelivery,
  source: MessageSource,
  recipients: readonly LocalRecipient[],
): Promise<PreparedDelivery[] | CopiesFailure> {
  const prepared: PreparedDelivery[] = [];
  const failures: unknown[] = [];
  await eachOf(recipients, async (recipient, index) => {
    if (failures.some((error) => replyOf(error).code < 500)) return;
    prepared[index] = await delivery.prepare(source, recipient);
  }, failures);
  if (failures.length === 0) await eachOf(prepared, (copy) => copy.publish(), failures);
  if (failures.length === 0) return prepared;
  await Promise.all(prepared.map((copy) => copy.discard())); // holes are passed over
  const worst = failures.find((error) => replyOf(error).code < 500) ?? failures[0];
  const forAll = failures.length === recipients.length;
  return { reply: forAll ? replyOf(worst) : putOff(replyOf(worst)), error: worst };
}

/** Runs a task for each item, some at a time; what they throw is collected. */
async function eachOf<T>(
  items: readonly T[],
  task: (item: T, index: number) => Promise<void>,
  failures: unknown[],
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      try {
        await task(items[index]!, index);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  if (items.length === 1) return await worker();
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
}

/** The same, to be tried again. */
function putOff(given: Reply): Reply {
  if (given.code < 500) return given;
  const enhanced = given.enhanced?.replace(/^5/, "4") ?? "4.3.0";
  return { ...given, code: given.code === 552 ? 452 : 451, enhanced };
}

function replyOf(error: unknown): Reply {
  return error instanceof DeliveryError
    ? error.reply
    : reply(451, "4.3.0", "cannot store mail now");
}
