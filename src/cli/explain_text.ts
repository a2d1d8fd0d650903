/**
 * An explanation as a person reads it: a line for each step, and below it why.
 *
 * @module
 */

import type { ExplainStep, ExplainStepName, Explanation } from "../admin/explanation.ts";
import { type Paint, paintFor } from "../observe/paint.ts";
import { formatVisible } from "../observe/visible_text.ts";

/** How it is written. */
export interface ExplanationStyle {
  /** With colours, for a terminal. */
  readonly colour: boolean;
  /** With what was said, line by line. */
  readonly verbose: boolean;
}

/** Columns before the text of a step. */
const INDENT = 10;

/** Steps whose details are not what was said, and always shown. */
const TELLING: ReadonlySet<ExplainStepName> = new Set(["hosts", "guard"]);

/** The whole of it, without a line end. */
export function formatExplanation(
  { sender, recipient, client, login, steps }: Explanation,
  style: ExplanationStyle,
): string {
  const paint = paintFor(style.colour);
  const who = login === null
    ? `from ${client}`
    : `from ${client}, logged in as ${login} where it can`;
  const head = visible(`A mail from ${sender} to ${recipient} (a client ${who})`);
  return [head, "", ...steps.flatMap((step) => formatStep(step, style, paint))].join("\n");
}

function formatStep(
  { step, about, outcome, verdict, because, details = [] }: ExplainStep,
  { verbose }: ExplanationStyle,
  paint: Paint,
): string[] {
  const shown = TELLING.has(step) || verbose ? details : [];
  const subject = about === "" ? "" : `${visible(about)}: `;
  return [
    `${step.padEnd(INDENT)}${subject}${paintOf(outcome, paint)(visible(verdict))}`,
    ...shown.map((line) => `${" ".repeat(INDENT + 2)}${paint.dim(visible(line))}`),
    `${" ".repeat(INDENT)}${paint.dim(visible(because))}`,
  ];
}

function paintOf(outcome: ExplainStep["outcome"], paint: Paint): (text: string) => string {
  switch (outcome) {
    case "good":
      return paint.good;
    case "bad":
      return paint.bad;
    case "later":
      return paint.warning;
    case "told":
      return (text) => text;
  }
}

/** What strangers wrote must not do anything on a terminal. */
function visible(text: string): string {
  return formatVisible(text, 2000);
}
