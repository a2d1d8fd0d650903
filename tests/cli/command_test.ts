import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { type Command, parseCommandLine } from "../../src/cli/command.ts";
import { formatCommandHelp } from "../../src/cli/command_help.ts";
import { readPage } from "../../src/cli/command_page.ts";
import { EXIT, UsageError } from "../../src/cli/exit.ts";
import { findNearestName } from "../../src/config/nearest_name.ts";
import { isLocalOnly, readListenAddress, readSize } from "../../src/cli/values.ts";

const POST: Command = {
  name: "post",
  usage: "[--to WHOM]... [--stamp]",
  description: "Posts it.",
  flags: {
    to: { value: "WHOM", multiple: true, help: "To whom" },
    from: { value: "WHOM", help: "By whom" },
    stamp: { help: "With a stamp" },
  },
  examples: ["post --to bob"],
  run: () => Promise.resolve(EXIT.ok),
};

Deno.test("parseCommandLine() gives flags, their values and operands", () => {
  const line = parseCommandLine(POST, ["a", "--to", "bob", "--to=carol", "--stamp", "b"]);
  assertEquals(line.operands, ["a", "b"]);
  assertEquals(line.values("to"), ["bob", "carol"]);
  assertEquals(line.value("to"), "carol");
  assertEquals(line.has("stamp"), true);
  assertEquals(line.has("from"), false);
  assertEquals(line.value("from"), undefined);
  assertEquals(line.values("from"), []);
});

Deno.test("parseCommandLine() takes what follows -- as operands", () => {
  assertEquals(parseCommandLine(POST, ["--", "--to"]).operands, ["--to"]);
});

Deno.test("parseCommandLine() takes -h for --help", () => {
  assertEquals(parseCommandLine(POST, ["-h"]).has("help"), true);
});

const WRONG: readonly (readonly [readonly string[], RegExp])[] = [
  [["--stmap"], /no flag --stmap; did you mean --stamp\?/],
  [["--zzz"], /no flag --zzz$/],
  [["-x"], /no flag -x$/],
  [["--__proto__"], /no flag --__proto__/],
  [["--constructor"], /no flag --constructor/],
  [["--to"], /--to wants a value: --to WHOM/],
  [["--to", "--stamp"], /--to wants a value/],
  [["--to="], /--to has an empty value/],
  [["--stamp=yes"], /--stamp takes no value/],
  [["--from", "a", "--from", "b"], /--from is given twice/],
];

for (const [words, message] of WRONG) {
  Deno.test(`parseCommandLine() refuses ${words.join(" ")}`, () => {
    const error = assertThrows(() => parseCommandLine(POST, words), UsageError);
    assertMatch(error.message, message);
    assertEquals(error.exitCode, 64);
  });
}

Deno.test("parseCommandLine() lets a value begin with a dash when it is joined by =", () => {
  assertEquals(parseCommandLine(POST, ["--to=-bob"]).value("to"), "-bob");
  assertEquals(parseCommandLine(POST, ["--to", "-"]).value("to"), "-");
});

Deno.test("formatCommandHelp() names every flag, its value and the examples", () => {
  const help = formatCommandHelp("prog", readPage("post a letter", POST));
  assertMatch(
    help,
    /^prog post: post a letter\n\nUsage: prog post \[--to WHOM\]\.\.\. \[--stamp\]\n/,
  );
  assertMatch(help, /\n {2}--to WHOM \.\.\. +To whom\n/);
  assertMatch(help, /\n {2}--stamp +With a stamp\n/);
  assertMatch(help, /\n {2}--help +Print this help\n/);
  assertMatch(help, /\nExamples:\n {2}prog post --to bob\n/);
  assertMatch(help, /\nExit codes:\n {2}0 {3}done\n {2}64 {2}wrong command line$/);
});

Deno.test("findNearestName() finds what was meant, and nothing where nothing is near", () => {
  const names = ["dev", "serve", "user"];
  assertEquals(findNearestName("sevre", names), "serve");
  assertEquals(findNearestName("usr", names), "user");
  assertEquals(findNearestName("dve", names), "dev");
  assertEquals(findNearestName("queue", names), null);
  assertEquals(findNearestName("", names), null);
});

Deno.test("readListenAddress() reads names, IPv4, IPv6 and unix sockets", () => {
  const tcp = (hostname: string, port: number) => ({ transport: "tcp" as const, hostname, port });
  assertEquals(readListenAddress("--mx", "0.0.0.0:25"), tcp("0.0.0.0", 25));
  assertEquals(readListenAddress("--mx", "[::]:25"), tcp("::", 25));
  assertEquals(readListenAddress("--mx", "localhost:0"), tcp("localhost", 0));
  assertEquals(readListenAddress("--lmtp", "unix:/run/l.sock"), {
    transport: "unix",
    path: "/run/l.sock",
  });
});

for (
  const text of [
    "",
    "25",
    ":25",
    "::1:25",
    "127.0.0.1",
    "127.0.0.1:65536",
    "a b:25",
    "[x]:1",
    "unix:",
  ]
) {
  Deno.test(`readListenAddress() refuses "${text}"`, () => {
    assertThrows(() => readListenAddress("--mx", text), UsageError, "--mx");
  });
}

Deno.test("isLocalOnly() trusts loopback and unix sockets only", () => {
  const judge = (text: string) => isLocalOnly(readListenAddress("--listen", text));
  for (const local of ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1", "unix:x"]) {
    assertEquals(judge(local), true, local);
  }
  for (
    const open of ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "localhost.example:1", "127.example:1"]
  ) {
    assertEquals(judge(open), false, open);
  }
});

Deno.test("readSize() counts in 1,024s", () => {
  assertEquals(readSize("--quota", "1500"), 1500);
  assertEquals(readSize("--quota", "2K"), 2048);
  assertEquals(readSize("--quota", "50m"), 52_428_800);
  assertEquals(readSize("--quota", "3G"), 3_221_225_472);
});

for (const text of ["", "0", "-1", "1X", "K", "1e3", "99999999999T", "1,5M"]) {
  Deno.test(`readSize() refuses "${text}"`, () => {
    assertThrows(() => readSize("--quota", text), UsageError, "--quota");
  });
}
