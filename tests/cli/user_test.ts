import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { openFileDirectory } from "../../src/directory/file_directory.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { Folder, permissionTest, run } from "./program.ts";

/** Whether the name can log in with the password, as a server would find it. */
async function canLogIn(path: string, name: string, password: string): Promise<boolean> {
  const directory = await openFileDirectory({ ...denoRuntime(), path });
  return await directory.verify(name, password) !== null;
}

Deno.test("yizhan user adds, lists, changes and removes users", async () => {
  await using folder = await Folder.make();
  const users = `${folder.path}/users`;
  const user = (words: string[], stdin = "") =>
    run(["user", ...words, "--users", users], { stdin });

  const added = await user(
    [
      "add",
      "alice@example.org",
      "--quota",
      "1G",
      "--send-as",
      "sales@example.org",
      "--password-stdin",
    ],
    "correct horse\n",
  );
  assertEquals(added, { code: 0, stdout: "", stderr: `alice@example.org is added to ${users}\n` });
  assertEquals((await Deno.stat(users)).mode! & 0o777, 0o600);
  assertEquals((await Deno.readTextFile(users)).includes("horse"), false);
  assertEquals(await canLogIn(users, "alice@example.org", "correct horse"), true);
  assertEquals(await canLogIn(users, "alice@example.org", "wrong horse"), false);

  const again = await user(["add", "Alice@EXAMPLE.org", "--password-stdin"], "x\n");
  assertEquals(again.code, 65);
  assertMatch(again.stderr, /^yizhan: .*exists already; passwd changes its password\n$/);

  const bob = await user(["add", "bob@example.org", "--password-stdin"], "b\r\n");
  assertEquals(bob.code, 0);
  assertMatch(bob.stderr, /^warning: a password of less than 8 characters/);
  assertEquals((await user(["list"])).stdout.split("\n"), [
    "alice@example.org quota=1G sendAs=sales@example.org",
    "bob@example.org",
    "",
  ]);

  assertEquals((await user(["passwd", "bob@example.org", "--password-stdin"], "new")).code, 0);
  assertEquals(await canLogIn(users, "bob@example.org", "new"), true);
  assertEquals(await canLogIn(users, "bob@example.org", "b"), false);

  assertEquals((await user(["remove", "alice@example.org"])).code, 0);
  assertEquals((await user(["list"])).stdout, "bob@example.org\n");
  const gone = await user(["passwd", "alice@example.org", "--password-stdin"], "x");
  assertEquals(gone.code, 65);
  assertMatch(gone.stderr, /alice@example\.org is no user of it\n$/);
});

Deno.test("yizhan user alias makes, changes and lists aliases, and unalias ends them", async () => {
  await using folder = await Folder.make();
  const users = `${folder.path}/users`;
  await Deno.writeTextFile(users, "# yizhan users 1\nuser alice@example.org -\n");
  const user = (...words: string[]) => run(["user", ...words, "--users", users]);
  assertEquals(await user("alias", "sales@example.org", "alice@example.org", "bob@far.test"), {
    code: 0,
    stdout: "",
    stderr: "mail for sales@example.org goes to alice@example.org, bob@far.test\n",
  });
  const targets = "alice@example.org, bob@far.test";
  assertEquals(await user("alias", "sales@example.org", "alice@example.org"), {
    code: 0,
    stdout: "",
    stderr: `mail for sales@example.org goes to alice@example.org (was ${targets})\n`,
  });
  const before = await Deno.readTextFile(users);
  const wrong = await user("alias", "news@example.org", "nobody@example.org");
  assertEquals(wrong.code, 65);
  assertMatch(wrong.stderr, /which nobody has.*\nyizhan: nothing was changed\n$/);
  assertEquals(await Deno.readTextFile(users), before);
  const all = await user("alias", "@example.org", "alice@example.org");
  assertEquals(all.code, 64);
  const line = "catch-all example.org alice@example.org";
  assertStringIncludes(
    all.stderr,
    `a catch-all is a line of the users file; write it there: ${line}`,
  );
  await Deno.writeTextFile(users, `${before}${line}\n`);
  assertEquals((await user("list")).code, 0);
  await Deno.writeTextFile(users, before);
  const { stdout } = await user("list");
  assertEquals(stdout.split("\n").slice(1), ["sales@example.org -> alice@example.org", ""]);
  const json = (await user("list", "--json")).stdout.trimEnd().split("\n").map((one) =>
    JSON.parse(one)
  );
  assertEquals(json[1], { alias: "sales@example.org", targets: ["alice@example.org"] });
  assertEquals((await user("unalias", "sales@example.org")).code, 0);
  const gone = await user("unalias", "sales@example.org");
  assertEquals([gone.code, gone.stderr.endsWith("sales@example.org is no alias of it\n")], [
    65,
    true,
  ]);
  const usages = [
    ["alias", "sales@example.org"],
    ["alias", "sales@example.org", "nobody"],
    ["unalias", "sales@example.org", "alice@example.org"],
    ["alias", "sales@example.org", "alice@example.org", "--quota", "1G"],
  ];
  for (const words of usages) assertEquals([words, (await user(...words)).code], [words, 64]);
});

Deno.test("yizhan user tells of domains that are new, and of aliases that lead to those yet to come", async () => {
  await using folder = await Folder.make();
  const users = `${folder.path}/users`;
  await Deno.writeTextFile(
    `${folder.path}/yizhan.yaml`,
    "hostname: mx.example.org\ndomains: [example.org]\nlisteners: [{ role: mx, address: '127.0.0.1:0' }]\n",
  );
  const user = (words: string[]) =>
    run(["user", ...words], { cwd: folder.path, stdin: "correct horse\n" });
  const add = (name: string) => user(["add", name, "--password-stdin"]);

  await Deno.writeTextFile(users, "# yizhan users 1\n# of this house\n");
  const none = await user(["list"]);
  assertEquals(none, {
    code: 0,
    stdout: "",
    stderr: "users has no users yet: yizhan user add ADDRESS\n",
  });
  assertEquals((await user(["list", "--json"])).stderr, "");

  assertEquals((await add("alice@example.org")).stderr, "alice@example.org is added to users\n");
  const other = await add("alice@other.example");
  assertEquals(other.code, 0);
  assertMatch(other.stderr, /\nother\.example is new: mail for it ends here from now on/);

  const text = await Deno.readTextFile(users);
  await Deno.writeTextFile(
    users,
    `${text}alias team@example.org bob@example.org eve@example.org\n`,
  );
  const nobody = await add("carol@example.org");
  assertEquals(nobody.code, 65);
  assertMatch(nobody.stderr, /^yizhan: users:5: found target "bob@example\.org", which nobody has/);
  const bob = await add("bob@example.org");
  assertEquals(bob.code, 0);
  assertMatch(bob.stderr, /^warning: .*not in force.*\nusers:5: found target "eve@example\.org"/m);
  assertEquals((await add("eve@example.org")).stderr, "eve@example.org is added to users\n");
  const removed = await user(["remove", "eve@example.org"]);
  assertEquals(removed, {
    code: 65,
    stdout: "",
    stderr: "yizhan: users:5: leads to eve@example.org; change that first\n",
  });
});

permissionTest("yizhan user add runs with the permissions its own advice names", async () => {
  await using folder = await Folder.make();
  const users = `${folder.path}/users`;
  const words = ["user", "add", "a@b.test", "--users", users, "--password-stdin"];
  const refused = await run(words, { flags: [], stdin: "x" });
  assertEquals(refused.code, 77);
  const advice = /^yizhan: Deno lacks the permission to read .*; run: deno run (.*)\n$/.exec(
    refused.stderr,
  );
  assert(advice !== null, refused.stderr);
  const flags = advice[1]!.split(" ").filter((word) => word.startsWith("--allow-"));
  assertEquals((await run(words, { flags, stdin: "x" })).code, 0);
  assertEquals(await canLogIn(users, "a@b.test", "x"), true);
});

for (const verb of ["list", "passwd", "remove", "unalias"]) {
  Deno.test(`yizhan user ${verb} says so when there is no users file`, async () => {
    await using folder = await Folder.make();
    const address = verb === "list" ? [] : ["a@b.test"];
    const { code, stderr } = await run([
      "user",
      verb,
      "--users",
      `${folder.path}/none`,
      ...address,
    ]);
    assertEquals(code, 66);
    assertMatch(stderr, /^yizhan: .*\/none does not exist; yizhan user add --users .* makes it\n$/);
  });
}

for (const verb of ["add", "passwd"]) {
  Deno.test(`yizhan user ${verb} says which folder is missing, and what to name for one`, async () => {
    await using folder = await Folder.make();
    const say = (users: string) =>
      run(["user", verb, "--users", users, "a@b.test", "--password-stdin"], { stdin: "x" });
    const none = `${folder.path}/none`;
    assertEquals(await say(`${none}/users`), {
      code: 66,
      stdout: "",
      stderr: `yizhan: folder ${none} does not exist; make it first: mkdir -m 700 ${none}\n`,
    });
    assertEquals(await say(folder.path), {
      code: 65,
      stdout: "",
      stderr:
        `yizhan: ${folder.path}: is a folder; name a file in it, such as ${folder.path}/users\n`,
    });
  });
}

Deno.test("yizhan user changes nothing in a users file that is broken, and names its lines", async () => {
  await using folder = await Folder.make();
  const users = `${folder.path}/users`;
  const text = "# yizhan users 1\nuser alice\nnonsense here\n";
  await Deno.writeTextFile(users, text);
  const { code, stderr } = await run(
    ["user", "add", "a@b.test", "--users", users, "--password-stdin"],
    { stdin: "x" },
  );
  assertEquals(code, 65);
  assertEquals(stderr.trimEnd().split("\n").map((line) => line.split(": ")[1]), [
    `${users}:2`,
    `${users}:3`,
  ]);
  assertEquals(await Deno.readTextFile(users), text);
});

const REFUSED_PASSWORDS: readonly (readonly [string, string, RegExp])[] = [
  ["an empty password", "\n", /the password is empty; nothing was changed/],
  ["no input at all", "", /the password is empty; nothing was changed/],
  ["a control character", "a\x07b\n", /control characters/],
];

for (const [what, stdin, message] of REFUSED_PASSWORDS) {
  Deno.test(`yizhan user add refuses ${what}`, async () => {
    await using folder = await Folder.make();
    const users = `${folder.path}/users`;
    const { code, stderr } = await run(
      ["user", "add", "a@b.test", "--users", users, "--password-stdin"],
      { stdin },
    );
    assertEquals(code, 65);
    assertMatch(stderr, message);
    assertEquals(await Array.fromAsync(Deno.readDir(folder.path)), []);
  });
}

Deno.test("yizhan user add does not read a password from a pipe unasked", async () => {
  await using folder = await Folder.make();
  const { code, stderr } = await run(
    ["user", "add", "a@b.test", "--users", `${folder.path}/users`],
    { stdin: "secret\n" },
  );
  assertEquals(code, 64);
  assertMatch(stderr, /not a terminal to ask on: give --password-stdin/);
});
