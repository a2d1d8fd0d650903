/**
 * Entries of all kinds, for properties.
 *
 * @module
 */

import fc from "fast-check";
import type { QueueEntry } from "../../../src/queue/entry.ts";

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  // What ends a line in one place or another, and what JSON or a regular expression might stumble over.
  fc.string({
    unit: fc.constantFrom("a", "\n", "\r", "\u0085", "\u2028", "\u2029", '"', "\\", "\0"),
  }),
);
const time = fc.oneof(
  fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n === 0 ? 0 : n),
);
const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const address = fc.record({ local: text, domain: text });
const reply = fc.record(
  { code: fc.integer({ min: 200, max: 599 }), enhanced: text, lines: fc.array(text) },
  { requiredKeys: ["code", "lines"] },
);
const attempt = fc.record({ time, host: text, reply, tls: text }, {
  requiredKeys: ["time", "reply"],
});
const recipients = fc.record({
  address,
  notify: fc.array(fc.constantFrom("NEVER" as const, "SUCCESS" as const, "FAILURE" as const)),
  originalRecipient: fc.record({ type: text, address: text }),
  mailbox: fc.record(
    {
      domain: text,
      user: text,
      quota: fc.record({ bytes: count, messages: count }, { requiredKeys: [] }),
    },
    { requiredKeys: ["domain", "user"] },
  ),
  forwardedBy: address,
  status: fc.constantFrom("waiting" as const, "delivered" as const, "failed" as const),
  next: fc.oneof(time, fc.constant(Infinity)),
  attempts: count,
  history: fc.array(attempt, { maxLength: 3 }),
  noticed: fc.array(fc.constantFrom("failed" as const, "delayed" as const)),
  dsnHandedOn: fc.boolean(),
}, { requiredKeys: ["address", "status", "next", "attempts", "history"] });

/** Whatever is fit for an id. */
const entryIds: fc.Arbitrary<string> = fc.stringMatching(
  /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/,
);

/** Entries of all kinds, of any text a stranger could have put in. */
export const entries: fc.Arbitrary<QueueEntry> = fc.record({
  id: entryIds,
  received: time,
  sender: fc.option(address),
  recipients: fc.array(recipients, { maxLength: 4 }),
  body: fc.constantFrom("7BIT" as const, "8BITMIME" as const, "BINARYMIME" as const),
  smtputf8: fc.boolean(),
  requireTls: fc.boolean(),
  dsnReturn: fc.constantFrom("FULL" as const, "HDRS" as const),
  dsnEnvelopeId: text,
  headSize: count,
  bodySize: count,
  origin: fc.record({
    kind: fc.constantFrom("session" as const, "submit" as const, "notice" as const),
    session: text,
    client: text,
    identity: text,
  }, { requiredKeys: ["kind"] }),
  held: fc.record({ since: time, reason: text }),
  junk: text,
}, {
  requiredKeys: [
    "id",
    "received",
    "sender",
    "recipients",
    "body",
    "smtputf8",
    "requireTls",
    "headSize",
    "bodySize",
    "origin",
  ],
});
