/**
 * The manual pages of the program and of its commands, `yizhan(1)` and `yizhan-COMMAND(1)`. Pure.
 *
 * @module
 */

import type { CommandPage, PageFlag } from "../command_page.ts";
import { ManPage, type Span } from "./roff.ts";

/** What all pages share. */
export interface Edition {
  /** Such as `Yizhan 0.1.0`. */
  readonly source: string;
  /** ISO 8601. */
  readonly date: string;
}

/** The page of a command, as man(7) source. @param others the names of all commands. */
export function formatCommandMan(
  { source, date }: Edition,
  page: CommandPage,
  others: readonly string[],
): string {
  const { name, summary } = page;
  const man = new ManPage({ name: `yizhan-${name}`, section: 1, date, source, summary });
  man.section("Synopsis").line([{ bold: `yizhan ${name}` }, ` ${page.usage}`]);
  man.section("Description");
  for (const block of page.blocks) {
    if (block.kind === "text") man.paragraph(block.text);
    else for (const [term, text] of block.rows) man.item([{ bold: term }], text);
  }
  man.section("Options");
  for (const flag of page.flags) man.item(spansOf(flag), flag.help);
  man.section("Exit status");
  for (const [code, meaning] of page.exits) man.item([{ bold: code }], meaning);
  man.section("Examples").example(page.examples.map((example) => `yizhan ${example}`));
  man.section("See also");
  return man.line(seeAlso(others.filter((other) => other !== name))).text;
}

/** The page of the program, as man(7) source. @param commands names and what they do. */
export function formatProgramMan(
  { source, date }: Edition,
  commands: readonly { readonly name: string; readonly summary: string }[],
): string {
  const man = new ManPage({ name: "yizhan", section: 1, date, source, summary: "a mail server" });
  man.section("Synopsis").line([{ bold: "yizhan" }, " COMMAND [FLAGS]"]);
  man.section("Description").paragraph(
    "Yizhan takes mail for its users and puts it into their mailboxes (Maildir), and brings what they " +
      "send to the servers of others. yizhan init makes a configuration, yizhan serve runs the server.",
  );
  man.section("Commands");
  for (const { name, summary } of commands) man.item([{ bold: name }], capitalize(summary));
  man.section("Options");
  man.item([{ bold: "--help" }], "Print the commands; after a command, what it does");
  man.item([{ bold: "--version" }], "Print the version");
  man.section("Environment");
  man.item([{ bold: "YIZHAN_CONFIG" }], "The configuration, where --config does not name it");
  man.item([{ bold: "YIZHAN_" }, { italic: "KEY" }], "A key of it: see yizhan.yaml(5)");
  man.item([{ bold: "NO_COLOR" }], "Set to anything: no colours");
  man.section("Files");
  man.item(
    [{ bold: "yizhan.yaml" }, ", ", { bold: "/etc/yizhan/yizhan.yaml" }],
    "The configuration",
  );
  man.section("Exit status").paragraph(
    "Those of sysexits.h; the page of each command says which it has.",
  );
  for (const [code, meaning] of EXITS) man.item([{ bold: code }], meaning);
  man.section("See also");
  return man.line(seeAlso(commands.map(({ name }) => name), false)).text;
}

const EXITS = [
  ["0", "Done"],
  ["64", "The command line is wrong"],
  ["65", "A file holds what it must not, or a thing makes no sense"],
  ["66", "What was named is not there, or cannot be read"],
  ["69", "Something needed is not to be had, such as a running server"],
  ["70", "A bug"],
  ["73", "A file or folder cannot be made"],
  ["74", "Reading or writing failed"],
  ["75", "It may work later"],
  ["77", "Not allowed"],
  ["78", "The configuration is wrong"],
] as const;

function spansOf({ name, value, multiple }: PageFlag): Span[] {
  const spans: Span[] = [{ bold: name }];
  if (value !== undefined) spans.push(" ", { italic: value });
  if (multiple) spans.push(" ...");
  return spans;
}

/** `yizhan(1), yizhan-serve(1), yizhan.yaml(5)`. */
function seeAlso(commands: readonly string[], program = true): Span[] {
  const pages: [string, number][] = [
    ...program ? [["yizhan", 1] as [string, number]] : [],
    ...commands.map((name): [string, number] => [`yizhan-${name}`, 1]),
    ["yizhan.yaml", 5],
  ];
  return pages.flatMap(([name, section], at) => [
    ...at === 0 ? [] : [", "],
    { bold: name },
    `(${section})`,
  ]);
}

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
