/**
 * The recipients of a message while policies add some and take some out. A message may have thousands, and a filter
 * may want as many changes: each is found by its key.
 *
 * What fails: a recipient that leads nowhere is left out, of which `destinationsOf` tells; more copies of one message
 * than it may have throw, and it is put off.
 *
 * @module
 */

import { type Address, mailboxKey } from "../address.ts";
import type { Destinations } from "../routing/expand.ts";
import type { Soon } from "../soon.ts";
import { type AcceptedRecipient, MAX_COPIES, type Transaction } from "./transaction.ts";

/** Says where mail for an address goes; `null`: nowhere. */
export type DestinationsOf = (address: Address) => Soon<Destinations | null>;

/** A list of recipients that may change. */
export class RecipientEdits {
  readonly #list: AcceptedRecipient[];
  #copies: number;
  /** Where in the list an address stands; in LMTP it may stand twice. */
  readonly #places: Map<string, number[]>;
  readonly #destinationsOf: DestinationsOf;

  /** Begins with those of a transaction, which stay as they are there. */
  constructor({ recipients, copies }: Transaction, destinationsOf: DestinationsOf) {
    this.#list = [...recipients];
    this.#copies = copies;
    this.#places = Map.groupBy(recipients.keys(), (at) => mailboxKey(recipients[at]!.address));
    this.#destinationsOf = destinationsOf;
  }

  /** What a transaction has of them now: those that were added stand last. */
  get result(): Pick<Transaction, "recipients" | "copies"> {
    return { recipients: this.#list, copies: this.#copies };
  }

  /** Somebody else gets it too. @throws {RangeError} where that would be too many copies. */
  async add(address: Address): Promise<void> {
    const key = mailboxKey(address);
    const places = this.#places.get(key) ?? [];
    if (places.some((at) => this.#list[at]!.discard === null)) return;
    const found = await this.#destinationsOf(address);
    if (found === null) return;
    this.#copies += found.mailboxes.length + found.remote.length;
    if (this.#copies > MAX_COPIES) {
      throw new RangeError(`policies want more than ${MAX_COPIES} copies of one message`);
    }
    // Nobody asked for notices about it.
    this.#list.push({ ...{ address, parameters: {}, discard: null, added: true }, ...found });
    this.#places.set(key, [...places, this.#list.length - 1]);
  }

  /** Does not get it after all; stays on the list as one whose copy is dropped: in LMTP it has a reply coming. */
  remove(address: Address): void {
    for (const at of this.#places.get(mailboxKey(address)) ?? []) {
      this.#list[at] = { ...this.#list[at]!, discard: TAKEN_OUT };
    }
  }
}

const TAKEN_OUT = { policy: "message policies", reason: "taken out of the recipients" };
