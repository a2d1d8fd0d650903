/**
 * What policies made of a message that is whole: other fields, another body, another envelope. The message as it
 * came is not touched; what comes out is another value.
 *
 * What fails: as {@link RecipientEdits}.
 *
 * @module
 */

import { concat } from "../bytes.ts";
import { Head } from "../message/head.ts";
import type { Change, HeadChange } from "../policy/policy.ts";
import type { BodySource } from "../queue/body_store.ts";
import { cursorOver } from "../smtp/cursor.ts";
import { NewlineCheck } from "../smtp/newline_check.ts";
import { NewlineNormalizer } from "../smtp/newline_normalizer.ts";
import { applyChanges } from "./head_edits.ts";
import { type DestinationsOf, RecipientEdits } from "./recipient_edits.ts";
import type { Transaction } from "./transaction.ts";

/** A message as it goes on. */
export interface Rewritten {
  readonly head: Head;
  /** The envelope: recipients that policies added stand last. */
  readonly transaction: Transaction;
  readonly body: BodySource;
  /** Why it is held in the queue; `null`: it is not. */
  readonly held: string | null;
  /** Why its copies here lie in Junk; `null`: they do not. */
  readonly junk: string | null;
}

/** Carries changes out, in their order. */
export async function rewrite(
  message: Rewritten,
  changes: readonly Change[],
  destinationsOf: DestinationsOf,
): Promise<Rewritten> {
  const fields: HeadChange[] = [];
  let { transaction, body, held, junk } = message;
  let edits: RecipientEdits | null = null;
  for (const change of changes) {
    switch (change.change) {
      case "replace-sender":
        transaction = { ...transaction, sender: change.sender };
        break;
      case "add-recipient":
        edits ??= new RecipientEdits(transaction, destinationsOf);
        await edits.add(change.recipient);
        break;
      case "remove-recipient":
        edits ??= new RecipientEdits(transaction, destinationsOf);
        edits.remove(change.recipient);
        break;
      case "replace-body":
        body = bodyOf(change.body);
        break;
      case "quarantine":
        held ??= change.reason;
        break;
      case "junk":
        junk ??= change.reason;
        break;
      default:
        fields.push(change);
    }
  }
  const head = fields.length === 0
    ? message.head
    : Head.of(applyChanges(message.head.fields, fields));
  if (edits !== null) transaction = { ...transaction, ...edits.result };
  return { head, transaction, body, held, junk };
}

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
