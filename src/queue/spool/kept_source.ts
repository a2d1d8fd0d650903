/**
 * A message out of the memory of its segment: views of what was written, which nobody changes any more.
 *
 * @module
 */

import type { MessageSource } from "../local_delivery.ts";
import type { PartLengths } from "./segment_record.ts";

/** A message in octets that hold its part of a record. */
export class KeptSource implements MessageSource {
  readonly head: Uint8Array;
  readonly bodySize: number;
  readonly received: number;
  readonly #body: Uint8Array;

  /** @param at where its entry line begins. */
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

  bodyParts(): readonly Uint8Array[] {
    return this.bodySize === 0 ? [] : [this.#body];
  }

  async *openBody(): AsyncGenerator<Uint8Array> {
    yield* this.bodyParts();
  }
}
