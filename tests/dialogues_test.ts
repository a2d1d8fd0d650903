/**
 * Every file of `tests/dialogues/`: on the bare session, whole and one octet at a time, on a station in
 * memory, and on a station over TCP.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { BareSession } from "./support/bare_session.ts";
import { parseDialogue, parseDialogueSetup, runDialogue } from "./support/dialogue.ts";
import { withMemoryStation, withTcpStation } from "./support/dialogue_station.ts";

const FOLDER = new URL("./dialogues/", import.meta.url);

/** Dialogues about what comes in one read; octet by octet they would say nothing. */
const NEEDS_WHOLE = ["rfc2920-after-ehlo", "rfc3207-injection"];

const names = [...Deno.readDirSync(FOLDER)]
  .map(({ name }) => name)
  .filter((name) => name.endsWith(".txt"))
  .map((name) => name.replace(".txt", ""));

for (const name of names.sort()) {
  const text = Deno.readTextFileSync(new URL(`${name}.txt`, FOLDER));
  const setup = parseDialogueSetup(text);
  const steps = parseDialogue(text);

  Deno.test(`${name} on the bare session`, async () => {
    const whole = new BareSession(setup);
    await runDialogue(steps, whole);
    if (NEEDS_WHOLE.includes(name)) return;
    const single = new BareSession(setup, 1);
    await runDialogue(steps, single);
    assertEquals(single.messages, whole.messages);
  });

  Deno.test(`${name} on a station in memory`, async () => {
    await withMemoryStation(setup, (transport) => runDialogue(steps, transport));
  });

  Deno.test(`${name} on a station over TCP`, async () => {
    await withTcpStation(setup, (transport) => runDialogue(steps, transport));
  });
}
