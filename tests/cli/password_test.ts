import { assertEquals } from "@std/assert";
import { BlindLine, type TypedLine } from "../../src/cli/password.ts";

/** What is made of keys that arrive one octet at a time, up to the first that ends the line. */
function type(keys: string): TypedLine {
  const line = new BlindLine();
  let typed: TypedLine = { state: "typing" };
  for (const octet of new TextEncoder().encode(keys)) {
    typed = line.receive(Uint8Array.of(octet));
    if (typed.state !== "typing") break;
  }
  return typed;
}

const CASES: readonly (readonly [string, string, TypedLine])[] = [
  ["ends at Enter", "pencil\r", { state: "done", line: "pencil" }],
  ["ends at a line feed", "pencil\n", { state: "done", line: "pencil" }],
  ["waits for more", "pencil", { state: "typing" }],
  ["keeps blanks", " a b \r", { state: "done", line: " a b " }],
  ["erases the last character", "ab\x7fc\r", { state: "done", line: "ac" }],
  ["erases whole characters", "a用\x7f\x08b\r", { state: "done", line: "b" }],
  ["has nothing to erase at the start", "\x7fa\r", { state: "done", line: "a" }],
  ["erases all on Ctrl-U", "abc\x15d\r", { state: "done", line: "d" }],
  ["is interrupted by Ctrl-C", "abc\x03", { state: "interrupted" }],
  ["is interrupted by Ctrl-D at the start", "\x04", { state: "interrupted" }],
  ["ends at Ctrl-D later", "abc\x04", { state: "done", line: "abc" }],
];

for (const [what, keys, typed] of CASES) {
  Deno.test(`BlindLine.receive() ${what}`, () => {
    assertEquals(type(keys), typed);
    const whole = new BlindLine().receive(new TextEncoder().encode(keys));
    assertEquals(whole, typed);
  });
}
