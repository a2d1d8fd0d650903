/**
 * The log on standard output: readable lines on a terminal, JSON lines otherwise.
 *
 * An event sink must not block, and standard output can: `line_output.ts` sees to that. When standard
 * output is gone for good, so is the log, and mail goes on.
 *
 * @module
 */

import type { EventSink, MtaEvent } from "../events.ts";
import { formatEventJson } from "../observe/event_json.ts";
import { EventLines } from "../observe/log.ts";
import type { CommandLine, Flag } from "./command.ts";
import { UsageError } from "./exit.ts";
import { LineOutput, type Output } from "./line_output.ts";
import { isColourful, isTerminal } from "./terminal.ts";
import { hintAtTrust } from "./trust_hint.ts";

/** The flags that choose the form of the log. */
export const LOG_FLAGS = {
  json: { help: "Log as JSON lines (the default, but on a terminal)" },
  text: { help: "Log as readable lines (the default on a terminal)" },
} satisfies Record<string, Flag>;

/** Turns an event into a line, or `null` for none. */
export type EventFormatter = (event: MtaEvent) => string | null;

/** What the form of the log depends on, beside the flags. */
export interface FormatOptions {
  /** The folder of the mailboxes. */
  readonly maildirRoot: string;
  /** The path of a certificate that clients may not trust. */
  readonly certificate?: string;
  /** What the configuration says; the flags come first. Default `auto`. */
  readonly format?: "auto" | "json" | "text";
}

/** @throws {UsageError} for two formats at once. */
export function demandOneFormat(line: CommandLine): void {
  if (line.has("json") && line.has("text")) throw new UsageError("give --json or --text, not both");
}

/** Chooses how events are written. Colour is for terminals only, and not with `NO_COLOR` set. */
export function chooseFormatter(
  line: CommandLine,
  { maildirRoot, certificate, format = "auto" }: FormatOptions,
): EventFormatter {
  demandOneFormat(line);
  return formatterOf({ maildirRoot, certificate, format: chooseFormat(line, format) });
}

/** The form of the log: by the flags, the configuration, or where it goes. */
export function chooseFormat(
  line: Pick<CommandLine, "has">,
  format: "auto" | "json" | "text",
): "json" | "text" {
  const asked = line.has("json") ? "json" : line.has("text") ? "text" : format;
  return asked !== "auto" ? asked : isTerminal("stdout") ? "text" : "json";
}

/** Writes events in a form that was chosen. */
export function formatterOf(
  { format, maildirRoot, certificate }: Omit<FormatOptions, "format" | "certificate"> & {
    readonly format: "json" | "text";
    readonly certificate?: string | undefined;
  },
): EventFormatter {
  if (format === "json") return formatEventJson;
  const lines = new EventLines({ colour: isColourful("stdout"), maildirRoot });
  const write = (event: MtaEvent) => lines.format(event);
  return certificate === undefined ? write : hintAtTrust(write, certificate);
}

/** Writes events. An event sink must neither wait nor throw, and nor does this. */
export class EventLog {
  readonly #lines: LineOutput;
  #format: EventFormatter;

  /** @param output where to. @param format how. */
  constructor(output: Output, format: EventFormatter) {
    this.#format = format;
    this.#lines = new LineOutput(output, (count) => {
      const error = `${count} events were not logged: standard output was not read`;
      return this.#format({ time: Date.now(), type: "internal.error", where: "log", error });
    });
  }

  /** How many events were not logged so far. */
  get dropped(): number {
    return this.#lines.dropped;
  }

  /** Writes in another form from here on. */
  use(format: EventFormatter): void {
    this.#format = format;
  }

  /** Takes an event. Never throws, never waits. */
  readonly record: EventSink = (event) => this.#lines.offer(() => this.#format(event));

  /** See {@link LineOutput.flush}. */
  flush(patience?: number): Promise<void> {
    return this.#lines.flush(patience);
  }
}
