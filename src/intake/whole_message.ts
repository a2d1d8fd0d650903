/**
 * A message as the policies of stage `message` see it: as it came, with what the policies before have asked for. So
 * one that signs signs what goes out, and a second filter looks at what the first one left.
 *
 * What is not looked at is not made. A recipient that a policy added stands in the envelope, though nobody knows yet
 * where it leads.
 *
 * @module
 */

import { mailboxKey } from "../address.ts";
import type { Head } from "../message/head.ts";
import { isField, type RawField } from "../message/header.ts";
import type { BodyDraft, Change, HeadChange, MessageView } from "../policy/policy.ts";
import type { BodySource } from "../queue/body_store.ts";
import type { Envelope } from "../queue/entry.ts";
import { isSevenBit } from "../routing/route.ts";
import type { RouteTable } from "../routing/route_table.ts";
import type { IntakeClient } from "./client.ts";
import { applyChanges } from "./head_edits.ts";
import { bodyOf } from "./rewrite.ts";
import { envelopeOf, type Transaction } from "./transaction.ts";

/** What the view is of. */
export interface WholeMessageParts {
  readonly client: IntakeClient;
  readonly transaction: Transaction;
  readonly head: Head;
  readonly body: BodySource;
  /** Begins another body, which goes when the message goes. */
  readonly draftBody: () => BodyDraft;
  /** The ways out; `null` where nothing goes on from here. */
  readonly routes: Pick<RouteTable, "find"> | null;
}

/** The view. */
export class WholeMessage implements MessageView {
  readonly id: string;
  readonly session: MessageView["session"];
  readonly bodyReplaced: boolean;
  readonly #parts: WholeMessageParts;
  readonly #changes: readonly Change[];
  readonly #body: BodySource;
  #fields: readonly RawField[] | null = null;
  #envelope: Envelope | null = null;

  /** @param changes what was asked for so far, in order. */
  constructor(parts: WholeMessageParts, changes: readonly Change[] = []) {
    this.id = parts.transaction.id;
    this.session = parts.client.view;
    this.#parts = parts;
    this.#changes = changes;
    const replaced = changes.findLast((change) => change.change === "replace-body");
    this.bodyReplaced = replaced !== undefined;
    this.#body = replaced === undefined ? parts.body : bodyOf(replaced.body);
  }

  /** The same message, after more changes. */
  after(changes: readonly Change[]): WholeMessage {
    return changes.length === 0 ? this : new WholeMessage(this.#parts, [
      ...this.#changes,
      ...changes,
    ]);
  }

  get bodySize(): number {
    return this.#body.size;
  }

  get carriage(): "7bit" | "8bit" {
    const { routes, transaction: { recipients } } = this.#parts;
    const sevenBit = routes !== null &&
      recipients.some(({ remote }) => remote.some(({ domain }) => isSevenBit(routes.find(domain))));
    return sevenBit ? "7bit" : "8bit";
  }

  get goesOn(): boolean {
    return this.#parts.transaction.recipients.some(({ remote }) => remote.length > 0);
  }

  get fields(): readonly RawField[] {
    return this.#fields ??= changedFields(this.#parts.head, this.#changes);
  }

  get hasResults(): boolean {
    if (this.#changes.length === 0) return this.#parts.head.hasResults;
    return this.fields.some((field) => isField(field, "Authentication-Results"));
  }

  get envelope(): Envelope {
    return this.#envelope ??= changedEnvelope(
      envelopeOf(this.#parts.transaction),
      this.#changes,
    );
  }

  /** Not a method: policies take a message apart as they like. */
  readonly openBody = (): AsyncIterable<Uint8Array> => this.#body.open();

  readonly draftBody = (): BodyDraft => this.#parts.draftBody();
}

function changedFields(head: Head, changes: readonly Change[]): readonly RawField[] {
  const edits = changes.filter(isHeadChange);
  return edits.length === 0 ? head.fields : Object.freeze(applyChanges(head.fields, edits));
}

function isHeadChange(change: Change): change is HeadChange {
  return change.change.endsWith("-field");
}

/** There may be thousands of recipients, and as many changes of them: they are found by their keys. */
function changedEnvelope(envelope: Envelope, changes: readonly Change[]): Envelope {
  let { sender } = envelope;
  const recipients = Map.groupBy(envelope.recipients, ({ address }) => mailboxKey(address));
  for (const change of changes) {
    switch (change.change) {
      case "replace-sender":
        sender = change.sender;
        break;
      case "add-recipient": {
        const key = mailboxKey(change.recipient);
        if (!recipients.has(key)) recipients.set(key, [{ address: change.recipient }]);
        break;
      }
      case "remove-recipient":
        recipients.delete(mailboxKey(change.recipient));
        break;
    }
  }
  return { ...envelope, sender, recipients: Object.freeze([...recipients.values()].flat()) };
}
