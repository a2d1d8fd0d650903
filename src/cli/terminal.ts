/**
 * What is said to the operator. All of it goes to standard error: standard output is for the log, or
 * for what a command was asked to print.
 *
 * @module
 */

/** A line, or several. */
export function say(text: string): void {
  console.error(text);
}

/** Something the operator should see to. */
export function warn(text: string): void {
  const coloured = Deno.stderr.isTerminal() && !Deno.noColor;
  console.error(`${coloured ? "\x1b[33mwarning:\x1b[39m" : "warning:"} ${text}`);
}

/** Why the program ends; each line says so. */
export function complain(text: string): void {
  const coloured = Deno.stderr.isTerminal() && !Deno.noColor;
  const name = coloured ? "\x1b[31myizhan:\x1b[39m" : "yizhan:";
  console.error(text.split("\n").map((line) => `${name} ${line}`).join("\n"));
}
