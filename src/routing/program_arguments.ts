/**
 * The arguments of a program that takes mail: templates of the operator's, filled in with what strangers
 * chose. No value may become an option, make one swallow the argument behind it, or lead out of the folder
 * that a path names. Pure; running the
 * program is for `delivery/pipe.ts`.
 *
 * @module
 */

import { type Address, formatAddress } from "../address.ts";
import { withoutTag } from "./subaddress.ts";

/** What came of filling in: arguments, one for each template, or why there can be none. */
export type ProgramArguments =
  | { readonly arguments: readonly string[] }
  | { readonly refused: string };

const PLACEHOLDER = /\{(recipient|user|tag|domain|sender)\}/g;

/**
 * Fills in the placeholders; {@link PipeRoute.arguments} says what they stand for, and what is refused.
 *
 * @param delimiter between user and tag.
 *
 * @example
 * ```ts
 * import { expandArguments } from "./program_arguments.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const to = { local: "alice+lists", domain: "example.org" };
 * assertEquals(expandArguments(["-d", "{user}@{domain}", "--tag={tag}"], to, null, "+"), {
 *   arguments: ["-d", "alice@example.org", "--tag=lists"],
 * });
 * assertEquals(expandArguments(["{user}"], { local: "-rf", domain: "example.org" }, null, "+"), {
 *   refused: "{user} would become an option: -rf",
 * });
 * ```
 */
export function expandArguments(
  templates: readonly string[],
  recipient: Address,
  sender: Address | null,
  delimiter: string | null,
): ProgramArguments {
  const user = withoutTag(recipient, delimiter)?.local ?? recipient.local;
  const values: Record<string, string> = {
    recipient: formatAddress(recipient),
    user,
    tag: recipient.local.slice(user.length + (delimiter?.length ?? 0)),
    domain: recipient.domain,
    // As pipe(8) of Postfix does.
    sender: sender === null ? "MAILER-DAEMON" : formatAddress(sender),
  };
  const filled: string[] = [];
  for (const template of templates) {
    // One pass: a value that looks like a placeholder is not filled in again.
    const text = template.replace(PLACEHOLDER, (_, name) => values[name] ?? "");
    const fault = leavesPath(template, values)
      ? "would lead to another folder"
      : faultOf(template, text);
    if (fault !== null) return { refused: `${template} ${fault}: ${text}` };
    filled.push(text);
  }
  return { arguments: filled };
}

function faultOf(template: string, text: string): string | null {
  if (text.includes("\0")) return "would have a NUL";
  if (text.startsWith("-") && !template.startsWith("-")) return "would become an option";
  if (isBareOption(template, text)) return "would take the next argument for its value";
  return null;
}

/**
 * Whether a value beside a `/` changes which folders a path goes through: local parts may have `/`, be `..`
 * or, quoted, empty (RFC 5321 §4.1.2). A missing tag leaves its folder out, as `{user}/{tag}` means it.
 */
function leavesPath(template: string, values: Readonly<Record<string, string>>): boolean {
  return template.includes("/") && [...template.matchAll(PLACEHOLDER)].some(([, name]) => {
    const value = values[name!]!;
    return value.includes("/") || value === "." || value === ".." ||
      (value === "" && name !== "tag");
  });
}

/** Whether all that was filled into an option is empty, so that `-t{tag}` is `-t`; `--tag=` has its value. */
function isBareOption(template: string, text: string): boolean {
  return template.startsWith("-") && !template.includes("=") &&
    template.replace(PLACEHOLDER, "") === text && text !== template;
}

/** What is wrong with templates whatever is filled in, or `null`. */
export function checkArguments(templates: readonly string[]): string | null {
  // Most addresses have no tag.
  const bare = templates.find((template) =>
    isBareOption(template, template.replaceAll("{tag}", ""))
  );
  return bare === undefined
    ? null
    : `${bare} would be an option without its value where an address has no tag: give {tag} as an ` +
      "argument of its own";
}
