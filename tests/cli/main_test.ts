import { assertEquals, assertMatch } from "@std/assert";
import manifest from "../../deno.json" with { type: "json" };
import { COMMANDS } from "../../src/cli/commands.ts";
import { run } from "./program.ts";

const NAMES = COMMANDS.map(({ name }) => name);

Deno.test("yizhan --version prints the version of the manifest, then what runs it", async () => {
  const { code, stdout, stderr } = await run(["--version"]);
  assertEquals(await run(["version"]), { code, stdout, stderr });
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const [first, ...more] = stdout.split("\n");
  assertEquals(first, `yizhan ${manifest.version}`);
  assertMatch(more.join("\n"), /^(?:deno|bun) \d+\.\d+\.\d+\n$/);
});

Deno.test("yizhan --help and yizhan help print the commands and need no permission", async () => {
  const [flag, word] = await Promise.all([
    run(["--help"], { flags: [] }),
    run(["help"], { flags: [] }),
  ]);
  assertEquals(flag, word);
  assertEquals(flag.code, 0);
  for (const name of [...NAMES, "help"]) {
    assertMatch(flag.stdout, new RegExp(`\n  ${name} +[A-Z]`));
  }
});

for (const name of NAMES) {
  Deno.test(`yizhan help ${name} and yizhan ${name} --help print its flags and examples`, async () => {
    const [word, flag, short] = await Promise.all([
      run(["help", name], { flags: [] }),
      run([name, "--help"], { flags: [] }),
      run([name, "-h"], { flags: [] }),
    ]);
    assertEquals(word.code, 0);
    assertEquals(word.stderr, "");
    assertEquals(flag, word);
    assertEquals(short, word);
    assertMatch(word.stdout, new RegExp(`^yizhan ${name}: .+\n\nUsage: yizhan ${name} `));
    assertMatch(word.stdout, new RegExp(`\nExamples:\n  yizhan ${name}\\b`));
    for (const line of word.stdout.split("\n")) assertEquals(line.length <= 100, true, line);
  });
}

/** Command lines that cannot be understood: what is said, in one line, and exit code 64. */
const WRONG: readonly (readonly [readonly string[], RegExp])[] = [
  [["sevre"], /there is no command sevre; did you mean serve\? \(see yizhan help\)$/],
  [["--verison"], /there is no flag --verison; did you mean --version\?/],
  [["--json", "status"], /no flag --json; the command comes first: yizhan status --json/],
  [["help", "usr"], /there is no command usr; did you mean user\?/],
  [
    ["dev", "--lissten", "127.0.0.1:0"],
    /no flag --lissten; did you mean --listen\? \(see .* help dev\)/,
  ],
  [["dev", "now"], /dev takes flags only, not now/],
  [["dev", "--listen", "2525"], /--listen 2525: wanted ADDR:PORT/],
  [["dev", "--json", "--text"], /--json or --text, not both/],
  [["serve", "--json", "--text"], /--json or --text, not both/],
  [["serve", "now"], /serve takes flags only, not now/],
  [["serve", "--hostname", "mx.example.org"], /serve has no flag --hostname/],
  [["serve", "--config"], /--config FILE|wanted: FILE/],
  [["reload", "now"], /reload takes flags only, not now/],
  [["status", "now"], /status takes flags only, not now/],
  [["user"], /user wants one of add, remove, passwd, alias, unalias, list/],
  [["user", "ad", "--users", "u"], /user has no ad, .*did you mean add\?/],
  [["user", "list", "--users", "u", "a@b.test"], /what is a@b\.test for\?/],
  [["user", "add", "--users", "u"], /user add wants an address/],
  [["user", "add", "--users", "u", "alice"], /alice is not an address/],
  [["user", "remove", "--users", "u", "a@b.test", "--quota", "1G"], /user remove takes no --quota/],
  [["user", "add", "--users", "u", "a@b.test", "--quota", "lots"], /--quota lots: wanted a size/],
];

for (const [words, message] of WRONG) {
  Deno.test(`yizhan ${words.join(" ")} says what is wrong and exits 64`, async () => {
    const { code, stdout, stderr } = await run(words);
    assertEquals({ code, stdout }, { code: 64, stdout: "" });
    assertMatch(stderr, /^yizhan: .*\n$/);
    assertMatch(stderr.trimEnd(), message);
  });
}

Deno.test("yizhan without a command prints the help on standard error and exits 64", async () => {
  const [{ code, stdout, stderr }, help] = await Promise.all([run([]), run(["help"])]);
  assertEquals({ code, stdout, stderr }, { code: 64, stdout: "", stderr: help.stdout });
});
