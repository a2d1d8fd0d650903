/**
 * A message out of the memory of its segment: views of what was written, which nobody changes any more.
 *
 * @module
 */

import type { MessageSource } from "../local_delivery.ts";
import type { PartLengths } from "./segment_record.ts";

/** A message in octets that hold its part of a record. */
export class KeptSource implements MessageSource {
  /** The header section. */
  readonly head: Uint8Array;
  /** Octets of the body. */
  readonly bodySize: number;
  /** When it was accepted, in milliseconds since the epoch. */
  readonly received: number;
  readonly #body: Uint8Array;

  /** Makes no copy. @param at where its entry line begins. */
  constructor(
    octets: Uint8Array,
    at: number,
    { entry, head, body }: PartLengths,
    received: number,
  ) {
    const start = at + entry + 1;
    this.head = octets.subarray(start, start + head);
    this.#body = octets.subarray(start + head + 2, start + head + 2 + body);
    this.bodySize = body;
    this.received = received;
  }

  /** The body at once. */
  bodyParts(): readonly Uint8Array[] {
    return this.bodySize === 0 ? [] : [this.#body];
  }

  /** The body, as often as asked. */
  async *openBody(): AsyncGenerator<Uint8Array> {
    yield* this.bodyParts();
  }
}
