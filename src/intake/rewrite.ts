/**
 * What policies made of a message that is whole: other fields, another body, another envelope. The message as it
 * came is not touched; what comes out is another value.
 *
 * What fails: a recipient that a policy added and that leads nowhere is left out, of which `destinationsOf` tells.
 *
 * @module
 */

import { type Address, mailboxKey } from "../address.ts";
import { concat } from "../bytes.ts";
import { Head } from "../message/head.ts";
import type { Change, HeadChange } from "../policy/policy.ts";
import type { BodySource } from "../queue/body_store.ts";
import type { Destinations } from "../routing/expand.ts";
import { cursorOver } from "../smtp/cursor.ts";
import { NewlineCheck } from "../smtp/newline_check.ts";
import { NewlineNormalizer } from "../smtp/newline_normalizer.ts";
import type { Soon } from "../soon.ts";
import { applyChanges } from "./head_edits.ts";
import type { AcceptedRecipient, Transaction } from "./transaction.ts";

/** A message as it goes on. */
export interface Rewritten {
  readonly head: Head;
  /** The envelope: recipients that policies added stand last. */
  readonly transaction: Transaction;
  readonly body: BodySource;
  /** Why it is held in the queue; `null`: it is not. */
  readonly held: string | null;
}

/** Says where mail for an address goes; `null`: nowhere. */
export type DestinationsOf = (address: Address) => Soon<Destinations | null>;

/** Carries changes out, in their order. */
export async function rewrite(
  message: Rewritten,
  changes: readonly Change[],
  destinationsOf: DestinationsOf,
): Promise<Rewritten> {
  const fields: HeadChange[] = [];
  let { transaction, body, held } = message;
  for (const change of changes) {
    switch (change.change) {
      case "replace-sender":
        transaction = { ...transaction, sender: change.sender };
        break;
      case "add-recipient":
        transaction = await withRecipient(transaction, change.recipient, destinationsOf);
        break;
      case "remove-recipient":
        transaction = withoutRecipient(transaction, change.recipient);
        break;
      case "replace-body":
        body = bodyOf(change.body);
        break;
      case "quarantine":
        held ??= change.reason;
        break;
      default:
        fields.push(change);
    }
  }
  const head = fields.length === 0
    ? message.head
    : Head.of(applyChanges(message.head.fields, fields));
  return { head, transaction, body, held };
}

async function withRecipient(
  transaction: Transaction,
  address: Address,
  destinationsOf: DestinationsOf,
): Promise<Transaction> {
  const there = transaction.recipients.some((each) =>
    mailboxKey(each.address) === mailboxKey(address) && each.discard === null
  );
  const found = there ? null : await destinationsOf(address);
  if (found === null) return transaction;
  // Nobody asked for notices about it.
  const added: AcceptedRecipient = {
    ...{ address, parameters: {}, discard: null, added: true },
    ...found,
  };
  return { ...transaction, recipients: [...transaction.recipients, added] };
}

/** It stays on the list as one whose copy is dropped: in LMTP it has a reply coming. */
function withoutRecipient(transaction: Transaction, address: Address): Transaction {
  const recipients = transaction.recipients.map((each) =>
    mailboxKey(each.address) === mailboxKey(address) ? { ...each, discard: TAKEN_OUT } : each
  );
  return { ...transaction, recipients };
}

const TAKEN_OUT = { policy: "message policies", reason: "taken out of the recipients" };

/** A body of lines that end in CRLF whatever its maker thought: others may read a bare CR or LF as one. */
export function bodyOf(given: Uint8Array | BodySource): BodySource {
  if (!(given instanceof Uint8Array)) return given;
  const octets = inLines(given);
  return {
    size: octets.length,
    async *open() {
      if (octets.length > 0) yield octets;
    },
    parts: () => octets.length === 0 ? [] : [octets],
    move: () => Promise.resolve(false),
  };
}

function inLines(octets: Uint8Array): Uint8Array {
  const check = new NewlineCheck();
  check.scan(octets);
  check.end();
  if (!check.bare) return octets;
  const newlines = new NewlineNormalizer();
  const cursor = cursorOver(octets);
  const pieces: Uint8Array[] = [];
  for (let piece; (piece = newlines.next(cursor)) !== null;) pieces.push(piece.slice());
  return concat([...pieces, newlines.finish()]);
}
