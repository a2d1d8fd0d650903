/**
 * What the head of a dialogue means for a listener's settings.
 *
 * @module
 */

import type { RoleOverrides } from "../../src/server/roles.ts";
import type { Extensions } from "../../src/smtp/extensions.ts";
import type { DialogueSetup } from "./dialogue.ts";

const KEYWORDS: Readonly<Record<string, keyof Extensions>> = {
  "8bitmime": "eightBitMime",
  binarymime: "binaryMime",
  chunking: "chunking",
  dsn: "dsn",
  pipelining: "pipelining",
  requiretls: "requireTls",
  smtputf8: "smtputf8",
};

/** How the listener of a dialogue differs from others of its role. */
export function overridesOf(setup: DialogueSetup): RoleOverrides {
  return {
    extensions: readExtensions(setup.extensions),
    ...(setup.size === undefined ? {} : { limits: { messageSize: setup.size } }),
  };
}

function readExtensions(words: readonly string[]): Partial<Extensions> {
  return Object.fromEntries(words.map((word) => {
    const key = KEYWORDS[word.replace(/^-/, "")];
    if (key === undefined) throw new Error(`no dialogue may switch ${word}`);
    return [key, !word.startsWith("-")];
  }));
}
