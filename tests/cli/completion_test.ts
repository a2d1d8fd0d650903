import { assert, assertEquals, assertMatch } from "@std/assert";
import { loadPage } from "../../src/cli/command_page.ts";
import { COMMANDS } from "../../src/cli/commands.ts";
import { formatCompletion } from "../../src/cli/completion_text.ts";
import { run } from "./program.ts";

/** What bash offers for these words, the last of which is being typed. */
async function offered(...words: string[]): Promise<string[]> {
  const script = formatCompletion("bash", await Promise.all(COMMANDS.map(loadPage)));
  const asked =
    'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _yizhan; printf "%s\\n" "${COMPREPLY[@]}"';
  const { stdout, stderr, code } = await new Deno.Command("bash", {
    args: ["--norc", "-c", `${script}\n${asked}`, "bash", "yizhan", ...words],
  }).output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "").sort();
}

Deno.test("formatCompletion(): bash completes commands, verbs, flags and files", async () => {
  assertEquals(await offered("tr"), ["trace"]);
  assertEquals(await offered("queue", "re"), ["release", "remove", "retry"]);
  assertEquals(await offered("trace", "--li"), ["--limit", "--listener"]);
  assertEquals(await offered("help", "tra"), ["trace"]);
  assertEquals(await offered("man", "yi"), ["yizhan.yaml"]);
  assertEquals(await offered("nosuch", ""), []);
  const here = new URL(".", import.meta.url).pathname;
  assertEquals(await offered("serve", "--config", `${here}completion_te`), [
    `${here}completion_test.ts`,
  ]);
});

Deno.test("formatCompletion(): zsh and fish have every command and flag, and quotes that close", async () => {
  const pages = await Promise.all(COMMANDS.map(loadPage));
  const [zsh, fish] = [formatCompletion("zsh", pages), formatCompletion("fish", pages)];
  for (const { name, flags } of pages) {
    assertMatch(zsh, new RegExp(`^ {4}'${name}:`, "m"));
    assertMatch(
      fish,
      new RegExp(`^complete -c yizhan -n __fish_use_subcommand -a ${name} -d '`, "m"),
    );
    for (const flag of flags) assert(zsh.includes(`${flag.name}[`), flag.name);
  }
  for (const line of [...zsh.split("\n"), ...fish.split("\n")]) {
    if (line.startsWith("#")) continue;
    assertEquals(line.replaceAll("\\'", "").split("'").length % 2, 1, line);
  }
});

Deno.test("completion wants one shell", async () => {
  const [none, wrong, bash] = await Promise.all([
    run(["completion"]),
    run(["completion", "bsh"]),
    run(["completion", "bash"]),
  ]);
  assertEquals([none.code, wrong.code, bash.code], [64, 64, 0]);
  assertMatch(none.stderr, /completion wants one of bash, zsh, fish \(/);
  assertMatch(
    wrong.stderr,
    /completion wants one of bash, zsh, fish, not bsh; did you mean bash\?/,
  );
  assertMatch(bash.stdout, /\ncomplete -o default -F _yizhan yizhan\n$/);
});
