/**
 * What shells need to complete command lines of this program, from the same data as the help. Pure.
 *
 * Each script stands alone: it holds all names and flags, and never runs the program while somebody types.
 *
 * @module
 */

import type { CommandPage, PageFlag } from "./command_page.ts";

/** Shells we know. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** One of them. */
export type Shell = typeof SHELLS[number];

/** Commands that take names of commands, and what else they take. */
const ABOUT_COMMANDS = new Map([["help", []], ["man", ["yizhan.yaml"]]]);

/** The script for a shell. */
export function formatCompletion(shell: Shell, pages: readonly CommandPage[]): string {
  switch (shell) {
    case "bash":
      return bash(pages);
    case "zsh":
      return zsh(pages);
    case "fish":
      return fish(pages);
  }
}

/** Words that may follow a command: its verbs, as its usage begins with them, or names of commands. */
function operandsOf({ name, usage }: CommandPage, names: readonly string[]): readonly string[] {
  const others = ABOUT_COMMANDS.get(name);
  if (others !== undefined) return [...names, ...others];
  const [first = ""] = usage.split(" ");
  return /^[a-z]+(?:\|[a-z]+)+$/.test(first) ? first.split("|") : [];
}

/** Whether the value of a flag is a path. */
function isPath({ value }: PageFlag): boolean {
  return value !== undefined && /^(?:FILE|DIR|PATH)$/.test(value);
}

/** `help` has no page of its own. */
function withHelp(pages: readonly CommandPage[]): readonly CommandPage[] {
  const nothing = { blocks: [], flags: [], examples: [], exits: [] };
  return [...pages, {
    name: "help",
    summary: "Print the help of a command",
    usage: "",
    ...nothing,
  }];
}

function bash(pages: readonly CommandPage[]): string {
  const all = withHelp(pages);
  const names = pages.map(({ name }) => name);
  const cases = all.map((page) => {
    const words = [...operandsOf(page, names), ...page.flags.map(({ name }) => name)];
    return `    ${page.name}) words=${quote(words.join(" "))} ;;`;
  });
  const paths = [
    ...new Set(pages.flatMap(({ flags }) => flags.filter(isPath)).map(({ name }) => name)),
  ];
  return [
    "# bash completion for yizhan: source it, or put it into",
    "# /usr/share/bash-completion/completions/yizhan",
    "_yizhan() {",
    '  local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" words',
    "  COMPREPLY=()",
    `  case "$previous" in ${paths.join("|")})`,
    '    COMPREPLY=($(compgen -f -- "$current")); return ;;',
    "  esac",
    '  if [ "$COMP_CWORD" -eq 1 ]; then',
    `    words=${
      quote([...all.map(({ name }) => name), "version", "--help", "--version"].join(" "))
    }`,
    '  else case "${COMP_WORDS[1]}" in',
    ...cases,
    "    *) return ;;",
    "  esac; fi",
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    "}",
    "complete -o default -F _yizhan yizhan",
    "",
  ].join("\n");
}

function zsh(pages: readonly CommandPage[]): string {
  const all = withHelp(pages);
  const names = pages.map(({ name }) => name);
  const cases = all.map((page) => {
    const flags = page.flags.map((flag) => quote(zshFlag(flag)));
    const operands = operandsOf(page, names);
    const rest = operands.length === 0
      ? "'*:file:_files'"
      : quote(`1:word:(${operands.join(" ")})`);
    return `    ${page.name}) _arguments ${[...flags, rest].join(" ")} ;;`;
  });
  return [
    "#compdef yizhan",
    "# zsh completion for yizhan: a file _yizhan in a folder of $fpath",
    "_yizhan() {",
    "  local -a commands=(",
    ...all.map(({ name, summary }) => `    ${quote(`${name}:${summary}`)}`),
    "  )",
    "  if (( CURRENT == 2 )); then _describe command commands; return; fi",
    "  local command=$words[2]",
    "  shift words; (( CURRENT-- ))",
    "  case $command in",
    ...cases,
    "  esac",
    "}",
    'if [ "$funcstack[1]" = "_yizhan" ]; then _yizhan "$@"; else compdef _yizhan yizhan; fi',
    "",
  ].join("\n");
}

function zshFlag(flag: PageFlag): string {
  const { name, value, multiple, help } = flag;
  const said = help.replace(/[\\[\]:]/g, "\\$&");
  const asked = value === undefined
    ? ""
    : `:${value.replaceAll(":", "\\:")}:${isPath(flag) ? "_files" : ""}`;
  return `${multiple ? "*" : ""}${name}[${said}]${asked}`;
}

function fish(pages: readonly CommandPage[]): string {
  const all = withHelp(pages);
  const names = pages.map(({ name }) => name);
  return [
    "# fish completion for yizhan: ~/.config/fish/completions/yizhan.fish",
    "complete -c yizhan -f",
    ...all.map(({ name, summary }) =>
      `complete -c yizhan -n __fish_use_subcommand -a ${name} -d ${fishQuote(summary)}`
    ),
    ...all.flatMap((page) => {
      const when = `-n ${fishQuote(`__fish_seen_subcommand_from ${page.name}`)}`;
      const operands = operandsOf(page, names);
      const words = operands.length === 0
        ? []
        : [`complete -c yizhan ${when} -a ${fishQuote(operands.join(" "))}`];
      return [
        ...words,
        ...page.flags.map((flag) => `complete -c yizhan ${when} ${fishFlag(flag)}`),
      ];
    }),
    "",
  ].join("\n");
}

function fishFlag(flag: PageFlag): string {
  const { name, value, help } = flag;
  const long = name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`;
  const wants = value === undefined ? "" : isPath(flag) ? " -r -F" : " -x";
  return `${long}${wants} -d ${fishQuote(help)}`;
}

/** For bash and zsh. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishQuote(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
