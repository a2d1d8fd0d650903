import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { formatHelp, parseCommandLine } from "../../bench/support/command_line.ts";

const line = {
  program: "bench/x.ts",
  about: "What it does.",
  flags: { quick: "Less" },
  values: { runs: ["COUNT", "3", "How often"] },
  words: { accept: "Take mail", relay: "Pass it on" },
} as const;

Deno.test("parseCommandLine() gives flags, values with their defaults, and words", () => {
  assertEquals(parseCommandLine([], line), {
    flags: { quick: false },
    values: { runs: "3" },
    words: [],
  });
  assertEquals(parseCommandLine(["relay", "--quick", "--runs=5=6", "accept"], line), {
    flags: { quick: true },
    values: { runs: "5=6" },
    words: ["relay", "accept"],
  });
});

Deno.test("parseCommandLine() throws for what is not known, and says what", () => {
  for (const arg of ["--fast", "--quick=yes", "--runs", "deliver", "--toString"]) {
    assertThrows(() => parseCommandLine([arg], line), SyntaxError, arg);
  }
});

Deno.test("parseCommandLine() takes any words where they are free", () => {
  const free = { ...line, words: { any: "COMMIT COMMIT" } };
  assertEquals(parseCommandLine(["a", "b"], free).words, ["a", "b"]);
  assertStringIncludes(formatHelp(free), "Usage: bench/x.ts COMMIT COMMIT [FLAGS]");
});

Deno.test("formatHelp() names everything that is taken", () => {
  const help = formatHelp(line);
  for (const part of ["--runs=COUNT", "default 3", "--quick", "--help", "accept", "Pass it on"]) {
    assertStringIncludes(help, part);
  }
});
