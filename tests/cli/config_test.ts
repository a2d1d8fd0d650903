import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { CONFIG_MACHINE } from "../../src/cli/config_file.ts";
import { EXIT } from "../../src/cli/exit.ts";
import { errorCode } from "../../src/runtime/system_error.ts";
import { configJsonSchema } from "../../src/config/json_schema.ts";
import { Folder, permissionTest, run } from "./program.ts";
import { Site } from "./site.ts";

const CONFIG = `hostname: mail.example.org
listeners: [{ role: mx, address: "[::]:25" }]
queue: { srsSecret: hunter2 }
`;

Deno.test("config print shows the configuration in force, and it can be read again", async () => {
  await using folder = await Folder.make();
  await Deno.writeTextFile(`${folder.path}/yizhan.yaml`, CONFIG);
  const env = { YIZHAN_HOSTNAME: "other.example.org", YIZHAN_QUEUE__RETRY__FIRST: "10m" };
  const { code, stdout, stderr } = await run(["config", "print"], { cwd: folder.path, env });
  assertEquals([code, stderr], [EXIT.ok, ""]);
  assertMatch(stdout, /^hostname: other\.example\.org$/m);
  assertMatch(stdout, /^ {4}first: 10m$/m);
  assertMatch(stdout, /^ {2}srsSecret: "\*\*\*"$/m);
  await Deno.writeTextFile(`${folder.path}/again.yaml`, stdout);
  const again = await run(["config", "print", "--config", "again.yaml"], { cwd: folder.path });
  assertEquals(again.stdout, stdout);
  const json = await run(["config", "print", "--json"], { cwd: folder.path, env });
  assertEquals(JSON.parse(json.stdout).queue.retry.first, "10m");
});

Deno.test("config print finds the file: --config, then $YIZHAN_CONFIG, then here", async () => {
  await using folder = await Folder.make();
  for (const name of ["flag", "variable", "yizhan"]) {
    const text = CONFIG.replace("mail.example.org", `${name}.example.org`);
    await Deno.writeTextFile(`${folder.path}/${name}.yaml`, text);
  }
  const env = { YIZHAN_CONFIG: "variable.yaml" };
  const nameIn = (text: string) => /^hostname: (\w+)/m.exec(text)?.[1];
  const flag = await run(["config", "print", "--config", "flag.yaml"], { cwd: folder.path, env });
  const variable = await run(["config", "print"], { cwd: folder.path, env });
  const here = await run(["config", "print"], { cwd: folder.path });
  const found = [flag, variable, here].map(({ stdout }) => nameIn(stdout));
  assertEquals(found, ["flag", "variable", "yizhan"]);
});

Deno.test("config print goes by the environment alone where there is no file", async () => {
  await using folder = await Folder.make();
  const none = await run(["config", "print"], { cwd: folder.path });
  assertEquals(none.code, EXIT.noInput);
  assertStringIncludes(none.stderr, "make one with yizhan init, or name it with --config FILE");
  const env = { YIZHAN_HOSTNAME: "mail.example.org" };
  const half = await run(["config", "print"], { cwd: folder.path, env });
  assertEquals(half.code, EXIT.config);
  assertStringIncludes(half.stderr, "give it as YIZHAN_LISTENERS");
  const all = { ...env, YIZHAN_LISTENERS: '[{role: mx, address: "[::]:25"}]' };
  const whole = await run(["config", "print"], { cwd: folder.path, env: all });
  assertEquals(whole.code, EXIT.ok);
});

Deno.test("config print tells all that is wrong, a line each, with file:line:column", async () => {
  await using folder = await Folder.make();
  await Deno.writeTextFile(`${folder.path}/yizhan.yaml`, "hostnam: a.example\nlisteners: []\n");
  const { code, stderr } = await run(["config", "print"], { cwd: folder.path });
  assertEquals(code, EXIT.config);
  assertEquals(stderr.trimEnd().split("\n"), [
    "yizhan: yizhan.yaml:1:1: hostname: is missing (This machine's name in DNS, said in greetings)",
    "yizhan: yizhan.yaml:1:1: hostnam: there is no such key; did you mean hostname?",
    "yizhan: yizhan.yaml:2:12: listeners: found an empty list; wanted at least one listener",
  ]);
});

permissionTest("config print runs with no more than the permission to read the file", async () => {
  await using folder = await Folder.make();
  await Deno.writeTextFile(`${folder.path}/yizhan.yaml`, CONFIG);
  const words = ["config", "print", "--config", "yizhan.yaml"];
  const env = { YIZHAN_HOSTNAME: "other.example.org" };
  const options = { cwd: folder.path, env };
  const few = await run(words, { ...options, flags: ["--allow-read=yizhan.yaml"] });
  assertEquals([few.code, few.stderr], [EXIT.ok, ""]);
  // What may not be read is not there.
  assertMatch(few.stdout, /^hostname: mail\.example\.org$/m);
  const more = ["--allow-read=yizhan.yaml", "--allow-env=YIZHAN_HOSTNAME"];
  assertMatch((await run(words, { ...options, flags: more })).stdout, /^hostname: other\./m);
  const none = await run(words, { ...options, flags: ["--deny-env"] });
  assertEquals(none.code, EXIT.noInput);
  assertStringIncludes(none.stderr, "--allow-read=yizhan.yaml");
  // What Deno may not look for is not said to be missing.
  const unseen = await run(words.slice(0, 2), { ...options, flags: ["--deny-env"] });
  assertEquals(unseen.code, EXIT.noInput);
  assertStringIncludes(unseen.stderr, "--allow-read=yizhan.yaml,/etc/yizhan/yizhan.yaml, or name");
});

Deno.test("config print --defaults needs no file", async () => {
  const { code, stdout } = await run(["config", "print", "--defaults"], { cwd: "/" });
  assertEquals(code, EXIT.ok);
  assertStringIncludes(
    stdout,
    "  # How long mail is tried before it is returned\n    lifetime: 5d\n"
      .replace("  #", "    #"),
  );
  const json = await run(["config", "print", "--defaults", "--json"], { cwd: "/" });
  assertEquals(JSON.parse(json.stdout)["queue.retry.lifetime"], "5d");
});

Deno.test("config schema prints the JSON Schema", async () => {
  const { code, stdout } = await run(["config", "schema"]);
  assertEquals(code, EXIT.ok);
  assertEquals(JSON.parse(stdout), JSON.parse(JSON.stringify(configJsonSchema())));
});

Deno.test("config wrongly used says what it expected", async (t) => {
  const cases: readonly (readonly [readonly string[], string])[] = [
    [[], "config wants print or schema"],
    [["prnt"], "not prnt; did you mean print?"],
    [["print", "x.yaml"], "config print takes flags only, not x.yaml"],
    [["schema", "--json"], "config schema takes no --json"],
    [["print", "--defaults", "--config", "x"], "reads no file; leave out --config"],
  ];
  for (const [words, wanted] of cases) {
    await t.step(words.join(" ") || "nothing", async () => {
      const { code, stderr } = await run(["config", ...words]);
      assertEquals(code, EXIT.usage);
      assert(stderr.includes(wanted), stderr);
    });
  }
});

Deno.test("CONFIG_MACHINE reads files with their mode, and not endlessly", async () => {
  await using folder = await Folder.make();
  const path = `${folder.path}/secret`;
  await Deno.writeTextFile(path, "x".repeat(100_000));
  await Deno.chmod(path, 0o640);
  const { octets, mode } = await CONFIG_MACHINE.readFile(path, 100_000);
  assertEquals([octets.length, mode], [100_000, 0o640]);
  for (const [file, code] of [[path, "EFBIG"], ["/dev/zero", "EFBIG"], [folder.path, "EISDIR"]]) {
    const error = await assertRejects(() => CONFIG_MACHINE.readFile(file!, 99_999));
    assertEquals(errorCode(error), code, file);
  }
});

const isRoot = Deno.uid() === 0;

Deno.test({
  name: `a yizhan.yaml of another user in the working directory is believed only where it is named${
    isRoot ? "" : " (not run: takes root)"
  }`,
  ignore: !isRoot,
  fn: async () => {
    await using site = await Site.make();
    const file = await site.configure();
    await Deno.chown(file, 65534, 65534);
    const refused = await run(["config", "print"], { cwd: site.path });
    assertEquals(refused.code, 77);
    assertMatch(refused.stderr, /yizhan\.yaml here belongs to another user \(65534\); .*--config/);
    assertEquals(
      (await run(["config", "print", "--config", "yizhan.yaml"], { cwd: site.path })).code,
      0,
    );
  },
});
