/**
 * Findings as people read them: a line each, and below it what to do.
 *
 * @module
 */

import { type Paint, paintFor } from "../../observe/paint.ts";
import { formatVisible } from "../../observe/visible_text.ts";
import type { CheckFinding } from "./finding.ts";

const MAX_TEXT = 2000;

/** A finding, without a line end. */
export function formatFinding(finding: CheckFinding, colour: boolean): string {
  const { check, level, message, advice } = finding;
  const place = placeOf(finding);
  const text = [place, message].filter((part) => part !== "").join(": ");
  const word = wordOf(level, paintFor(colour));
  const head = `${word}  ${check.padEnd(13)}  ${visible(text)}`;
  // Words stand below words.
  return advice === undefined ? head : `${head}\n${" ".repeat(24)}${visible(advice)}`;
}

/** The last line. */
export function formatSummary(errors: number, warnings: number, good: number): string {
  if (errors === 0 && warnings === 0) return `All is well (${good} findings).`;
  const parts = [
    ...errors === 0 ? [] : [`${errors} ${errors === 1 ? "error" : "errors"}`],
    ...warnings === 0 ? [] : [`${warnings} ${warnings === 1 ? "warning" : "warnings"}`],
  ];
  return `${parts.join(", ")}; ${good} well.`;
}

function placeOf({ file, line, column, key }: CheckFinding): string {
  const at = line === undefined ? "" : column === undefined ? `:${line}` : `:${line}:${column}`;
  const place = file === undefined ? "" : `${file}${at}`;
  return [place, key ?? ""].filter((part) => part !== "").join(": ");
}

function wordOf(level: CheckFinding["level"], paint: Paint): string {
  switch (level) {
    case "ok":
      return paint.good("ok     ");
    case "warning":
      return paint.warning("warning");
    case "error":
      return paint.bad("error  ");
  }
}

function visible(text: string): string {
  return formatVisible(text, MAX_TEXT);
}
