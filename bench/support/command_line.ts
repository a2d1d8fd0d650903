/**
 * The command line of the programs here: words, `--flag` and `--name=VALUE`, `--help` for all of them.
 *
 * @module
 */

/** What a program takes. */
export interface CommandLine<Flag extends string, Value extends string> {
  /** Such as `bench/session.ts`. */
  readonly program: string;
  /** What it measures, in a sentence or some, broken into lines. */
  readonly about: string;
  /** What `--flag` means, by its name. */
  readonly flags: Readonly<Record<Flag, string>>;
  /** `--name=VALUE`: what the value is, its default, and what it means. */
  readonly values?: Readonly<
    Record<Value, readonly [value: string, otherwise: string, meaning: string]>
  >;
  /** What the words mean, by word; none where there are none, `any` where they are free. */
  readonly words?: Readonly<Record<string, string>> | { readonly any: string };
}

/** What was asked for. */
export interface Asked<Flag extends string, Value extends string> {
  readonly flags: Readonly<Record<Flag, boolean>>;
  readonly values: Readonly<Record<Value, string>>;
  readonly words: readonly string[];
}

/** The help, for people. */
export function formatHelp(line: CommandLine<string, string>): string {
  const { program, about, flags, values = {}, words } = line;
  const options = [
    ...Object.entries(values).map(([name, [value, otherwise, meaning]]) =>
      [
        `--${name}=${value}`,
        otherwise === "" ? meaning : `${meaning} (default ${otherwise})`,
      ] as const
    ),
    ...Object.entries(flags).map(([name, meaning]) => [`--${name}`, meaning] as const),
    ["--help", "Print this help"] as const,
  ];
  const choice = words === undefined
    ? []
    : Object.entries(words).filter(([word]) => word !== "any");
  const width = Math.max(...[...options, ...choice].map(([name]) => name.length));
  const list = (entries: readonly (readonly [string, string])[]) =>
    entries.map(([name, meaning]) => `  ${name.padEnd(width)}  ${meaning}`).join("\n");
  const usage = words === undefined ? "" : "any" in words ? ` ${words["any"]}` : " [WORK]...";
  return [
    `Usage: ${program}${usage} [FLAGS]`,
    about,
    ...(choice.length === 0 ? [] : [`Works, all by default:\n${list(choice)}`]),
    `Flags:\n${list(options)}`,
  ].join("\n\n");
}

/**
 * What a command line asks for.
 *
 * @throws {SyntaxError} for what the program does not take; the message says what.
 */
export function parseCommandLine<Flag extends string, Value extends string = never>(
  args: readonly string[],
  line: CommandLine<Flag, Value>,
): Asked<Flag, Value> {
  const flags = Object.fromEntries(Object.keys(line.flags).map((name) => [name, false]));
  const values = Object.fromEntries(
    Object.entries<readonly string[]>(line.values ?? {}).map(([name, [, otherwise]]) =>
      [name, otherwise!] as const
    ),
  );
  const words: string[] = [];
  for (const arg of args) {
    const [, name = "", value] = /^--([^=]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (name === "") words.push(arg);
    else if (Object.hasOwn(flags, name) && value === undefined) flags[name] = true;
    else if (Object.hasOwn(values, name) && value !== undefined) values[name] = value;
    else throw new SyntaxError(`${arg} is not known here`);
  }
  const known = line.words ?? {};
  if (!("any" in known)) {
    const odd = words.find((word) => !Object.hasOwn(known, word));
    if (odd !== undefined) throw new SyntaxError(`${odd} is not known here`);
  }
  return {
    flags: flags as Record<Flag, boolean>,
    values: values as Record<Value, string>,
    words,
  };
}

/** Reads the command line of this process; ends it for `--help`, and where it is wrong (exit code 64). */
export function commandLine<Flag extends string, Value extends string = never>(
  line: CommandLine<Flag, Value>,
): Asked<Flag, Value> {
  if (Deno.args.includes("--help")) {
    console.log(formatHelp(line));
    Deno.exit(0);
  }
  try {
    return parseCommandLine(Deno.args, line);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    console.error(`${line.program}: ${error.message}; see --help`);
    Deno.exit(64);
  }
}

/** Ends the process where something it needs is missing (exit code 69). */
export function missing(what: string): never {
  console.error(what);
  Deno.exit(69);
}
