import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import type { Command } from "../../src/cli/command.ts";
import { formatCommandHelp } from "../../src/cli/command_help.ts";
import { loadPage, readPage } from "../../src/cli/command_page.ts";
import { COMMANDS } from "../../src/cli/commands.ts";
import { EXIT } from "../../src/cli/exit.ts";
import { formatCommandMan } from "../../src/cli/man/command_man.ts";
import { formatConfigMan } from "../../src/cli/man/config_man.ts";
import { escapeRoff, ManPage } from "../../src/cli/man/roff.ts";
import { configSchema } from "../../src/config/schema.ts";
import { listKeys } from "../../src/config/schema_walk.ts";
import { Folder, run } from "./program.ts";

const EDITION = { source: "Yizhan 0.1.0", date: "2026-01-01" };

const POST: Command = {
  name: "post",
  usage: "DIR [--to WHOM]...",
  description: [
    "Posts it, to all who are",
    "named.",
    "",
    "a        the first",
    "long one  the second, of",
    "          which more is said",
    "",
    "Exit codes: 0 it is posted, with a stamp, 75 later, 64 you wrote",
    "it badly.",
  ].join("\n"),
  flags: { to: { value: "WHOM", multiple: true, help: "To whom" }, t: { help: "Quietly" } },
  examples: ["post --to 'bob' \\n"],
  run: () => Promise.resolve(EXIT.ok),
};

Deno.test("readPage() finds paragraphs, lists and exit codes", () => {
  const { blocks, exits, flags } = readPage("post a letter", POST);
  assertEquals(blocks, [
    { kind: "text", text: "Posts it, to all who are named." },
    {
      kind: "list",
      rows: [["a", "the first"], ["long one", "the second, of which more is said"]],
    },
  ]);
  assertEquals(exits, [["0", "it is posted, with a stamp"], ["64", "you wrote it badly"], [
    "75",
    "later",
  ]]);
  assertEquals(flags.map(({ name, value }) => [name, value]), [
    ["--to", "WHOM"],
    ["-t", undefined],
    ["--help", undefined],
  ]);
});

Deno.test("formatCommandMan() is a page in man(7)", () => {
  const text = formatCommandMan(EDITION, readPage("post a letter", POST), ["post", "serve"]);
  assertEquals(text.split("\n"), [
    '.TH "YIZHAN\\-POST" 1 2026-01-01 "Yizhan 0.1.0"',
    ".SH NAME",
    "yizhan\\-post \\- post a letter",
    ".SH SYNOPSIS",
    "\\fByizhan post\\fR DIR [\\-\\-to WHOM]...",
    ".SH DESCRIPTION",
    "Posts it, to all who are named.",
    ".TP",
    "\\fBa\\fR",
    "the first",
    ".TP",
    "\\fBlong one\\fR",
    "the second, of which more is said",
    ".SH OPTIONS",
    ".TP",
    "\\fB\\-\\-to\\fR \\fIWHOM\\fR ...",
    "To whom",
    ".TP",
    "\\fB\\-t\\fR",
    "Quietly",
    ".TP",
    "\\fB\\-\\-help\\fR",
    "Print this help",
    ".SH EXIT STATUS",
    ".TP",
    "\\fB0\\fR",
    "it is posted, with a stamp",
    ".TP",
    "\\fB64\\fR",
    "you wrote it badly",
    ".TP",
    "\\fB75\\fR",
    "later",
    ".SH EXAMPLES",
    ".nf",
    ".RS 4",
    "yizhan post \\-\\-to \\(aqbob\\(aq \\(rsn",
    ".RE",
    ".fi",
    ".SH SEE ALSO",
    "\\fByizhan\\fR(1), \\fByizhan\\-serve\\fR(1), \\fByizhan.yaml\\fR(5)",
    "",
  ]);
});

Deno.test("escapeRoff() leaves nothing that roff would obey, and text beyond ASCII by its number", () => {
  assertEquals(
    escapeRoff("\\fB -x 'q' `b` a^b ~"),
    "\\(rsfB \\-x \\(aqq\\(aq \\(gab\\(ga a\\(hab \\(ti",
  );
  assertEquals(
    escapeRoff("§4 — 驿站 \u{1F4EE}"),
    "\\[u00A7]4 \\[u2014] \\[u9A7F]\\[u7AD9] \\[u1F4EE]",
  );
  assertEquals(escapeRoff("a\nb\tc"), "a b c");
});

Deno.test("ManPage has no line that begins as a request and is none", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), fc.string(), (text, term) => {
    const title = { name: "x", section: 1, summary: text, ...EDITION } as const;
    const page = new ManPage(title).section("S").paragraph(text).item([{ bold: term }, term], text)
      .example([text, term]);
    for (const line of page.text.split("\n")) {
      if (/^[.']/.test(line)) assertMatch(line, /^\.(?:TH .*|SH (?:NAME|S)|TP|PP|nf|fi|RE|RS 4)$/);
      assert(/^[\x20-\x7e]*$/.test(line), line);
    }
  }));
});

for (const entry of COMMANDS) {
  Deno.test(`the help and the page of ${entry.name} have everything, in lines of 100 columns`, async () => {
    const command = await entry.load();
    const page = await loadPage(entry);
    const help = formatCommandHelp("yizhan", page);
    const man = formatCommandMan(EDITION, page, []);
    assertEquals(command.name, entry.name);
    const wide = help.split("\n").filter((line) => line.length > 100);
    assertEquals(wide.filter((line) => !line.startsWith("  yizhan ")), []);
    for (const heading of ["Usage:", "Flags:", "Examples:", "Exit codes:"]) {
      assert(help.includes(heading), heading);
    }
    assert(page.examples.length > 0, "no example");
    for (const { name } of page.flags) {
      assertMatch(help, new RegExp(`^  ${name}\\b`, "m"));
      assert(man.includes(`\n\\fB${escapeRoff(name)}\\fR`), name);
    }
    for (const example of page.examples) assert(example.startsWith(entry.name), example);
  });
}

Deno.test("formatConfigMan() names every key", () => {
  const text = formatConfigMan(EDITION);
  const keys = listKeys(configSchema).map(({ path }) => path.join("."));
  assert(keys.length > 50);
  for (const key of [...keys, "listeners[].role", "relay.routes[].via.kind: smarthost"]) {
    assert(text.includes(`\n\\fB${key}\\fR\n`), key);
  }
  assert(text.includes("\\fBlimits.messageSize\\fR\nThe largest message (SIZE). Default 50M.\n"));
});

Deno.test("man prints a page, or writes all of them", async () => {
  const [program, serve, config] = await Promise.all([
    run(["man"]),
    run(["man", "serve"]),
    run(["man", "yizhan.yaml"]),
  ]);
  assertMatch(program.stdout, /^\.TH "YIZHAN" 1 \d{4}-\d\d-\d\d "Yizhan \d/);
  assertMatch(serve.stdout, /^\.TH "YIZHAN\\-SERVE" 1 /);
  assertMatch(config.stdout, /^\.TH "YIZHAN\.YAML" 5 /);
  await using folder = await Folder.make();
  const written = await run(["man", "--directory", `${folder.path}/a/b`]);
  assertEquals([written.code, written.stdout], [0, ""]);
  assertEquals(await Deno.readTextFile(`${folder.path}/a/b/man1/yizhan-serve.1`), serve.stdout);
  assertEquals(await Deno.readTextFile(`${folder.path}/a/b/man5/yizhan.yaml.5`), config.stdout);
  const files = (await Array.fromAsync(Deno.readDir(`${folder.path}/a/b/man1`))).length;
  assertEquals(files, COMMANDS.length + 1);
});

Deno.test("man wrongly used says what it wants", async () => {
  const table: [string[], RegExp][] = [
    [["srve"], /there is no page of srve; did you mean serve\? \(see yizhan help man\)/],
    [["serve", "queue"], /man prints one page; what is queue for\?/],
    [["serve", "--directory", "x"], /man --directory writes all pages; name none/],
    [["--directory"], /--directory wants a value: --directory DIR/],
  ];
  for (const [flags, words] of table) {
    const { code, stderr } = await run(["man", ...flags]);
    assertEquals(code, 64);
    assertMatch(stderr, words);
  }
  const denied = await run(["man", "--directory", "/proc/none/x"]);
  assertEquals(denied.code, 73, denied.stderr);
  assertMatch(denied.stderr, /^yizhan: \/proc\/none\/x: /);
});
