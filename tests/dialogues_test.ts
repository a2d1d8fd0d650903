/**
 * Every file of `tests/dialogues/`, on the bare session: whole, and one octet at a time.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { BareSession } from "./support/bare_session.ts";
import { parseDialogue, parseDialogueSetup, runDialogue } from "./support/dialogue.ts";

const FOLDER = new URL("./dialogues/", import.meta.url);
const DIALOGUES = [...Deno.readDirSync(FOLDER)]
  .filter(({ name }) => name.endsWith(".txt"))
  .map(({ name }) => ({ name, text: Deno.readTextFileSync(new URL(name, FOLDER)) }))
  .sort((a, b) => a.name.localeCompare(b.name));

/** Dialogues about what comes in one read; octet by octet they would say nothing. */
const NEEDS_WHOLE = ["rfc2920-after-ehlo.txt", "rfc3207-injection.txt"];

for (const { name, text } of DIALOGUES) {
  Deno.test(`ServerSession keeps to ${name}`, async () => {
    const setup = parseDialogueSetup(text);
    const steps = parseDialogue(text);
    const whole = new BareSession(setup);
    await runDialogue(steps, whole);
    if (NEEDS_WHOLE.includes(name)) return;
    const single = new BareSession(setup, 1);
    await runDialogue(steps, single);
    assertEquals(single.messages, whole.messages);
  });
}
