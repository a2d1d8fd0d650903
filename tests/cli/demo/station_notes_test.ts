import { assertEquals } from "@std/assert";
import { noteOn } from "../../../src/cli/demo/station_notes.ts";
import type { MtaEvent } from "../../../src/events.ts";

const about = { time: 1000, message: "m1", recipient: "bob@b.example" };

const NOTES: readonly (readonly [MtaEvent, string | null])[] = [
  [
    { ...about, type: "delivery.done", destination: "smtp:mx.b.example [192.0.2.1]:25" },
    "is done with it: mx.b.example [192.0.2.1]:25 has it",
  ],
  [
    { ...about, type: "delivery.done", destination: "maildir:b.example/bob" },
    "puts it into the Maildir of bob@b.example",
  ],
  [
    { ...about, type: "delivery.deferred", reply: "451 later", attempts: 1, next: 2500 },
    "keeps it in the queue; next attempt in 1.5 s",
  ],
  [{ ...about, type: "delivery.failed", reply: "550 no" }, "gives it up for bob@b.example"],
  [{ time: 0, type: "message.done", message: "m1", delivered: 1, failed: 0, duration: 1 }, null],
];

for (const [event, text] of NOTES) {
  Deno.test(`noteOn(${event.type}) says ${text ?? "nothing"}`, () => {
    assertEquals(noteOn(event)?.text ?? null, text);
  });
}
