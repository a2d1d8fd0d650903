import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { saslprep } from "../../../src/smtp/sasl/saslprep.ts";

Deno.test("saslprep() gives what the examples of RFC 4013 §3 give", () => {
  assertEquals(saslprep("I\u00adX", 100), "IX");
  assertEquals(saslprep("user", 100), "user");
  assertEquals(saslprep("USER", 100), "USER");
  assertEquals(saslprep("\u00aa", 100), "a");
  assertEquals(saslprep("\u2168", 100), "IX");
  assertEquals(saslprep("\u0007", 100), null);
});

Deno.test("saslprep() makes blanks of all kinds a space and drops invisible joiners", () => {
  assertEquals(saslprep("a\u00a0b\u3000c\u2003d", 100), "a b c d");
  assertEquals(saslprep("a\u200db\ufe0f\ufeffc\u2060", 100), "abc");
});

Deno.test("saslprep() refuses what cannot be typed, and what nothing is left of", () => {
  const refused = [
    "\0",
    "\n",
    "\x7f",
    "\u0085",
    "\ue000",
    "\u{f0000}",
    "\ufffe",
    "\ufdd0",
    "\ud800",
  ];
  refused.push("\u202e", "\u200e", "\u{e0041}", "\ufffd", "\u2028", "", "\u00ad");
  for (const text of refused) assertEquals(saslprep(`${text}`, 100), null, JSON.stringify(text));
});

Deno.test("saslprep() takes emoji and counts octets, not characters", () => {
  assertEquals(saslprep("🐎🐎", 8), "🐎🐎");
  assertEquals(saslprep("🐎🐎", 7), null);
});

Deno.test("saslprep() leaves visible ASCII alone and what it has prepared, too", () => {
  fc.assert(fc.property(fc.stringMatching(/^[\x20-\x7e]{1,50}$/), (text) => {
    return saslprep(text, 50) === text;
  }));
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const once = saslprep(text, 1000);
    return once === null || saslprep(once, 1000) === once;
  }));
});
