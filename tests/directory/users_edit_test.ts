import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { parseAddress } from "../../src/address.ts";
import { decode, encode } from "../../src/bytes.ts";
import { checkPassword } from "../../src/directory/password.ts";
import {
  addUser,
  formatSendAs,
  formatSize,
  listAliases,
  listUsers,
  removeAlias,
  removeUser,
  setAlias,
  setPassword,
  tryAddUser,
} from "../../src/directory/users_edit.ts";
import { parseSize } from "../../src/directory/users_file.ts";
import { readUsersFile, UsersFileError } from "../../src/directory/users_read.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import type { Files } from "../../src/runtime/files.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";

const PATH = "/users";
const ALICE = parseAddress("alice@example.org")!;
const BOB = parseAddress("bob@example.org")!;

/** A file as a person keeps it. */
const KEPT = `# yizhan users 1
# who asked for it: ticket 17

domain  example.net
user    alice@example.org   -   quota=1G
user bob@example.org - messages=5
# the end
`;

async function write(files: Files, path: string, text: string): Promise<void> {
  const handle = await files.open(path, { write: true, create: true, truncate: true });
  await handle.write(encode(text));
  await handle.sync();
  handle.close();
}

async function read(files: Files, path = PATH): Promise<string> {
  return decode(await files.readFile(path));
}

/** A machine whose users file holds this text; none for "". */
async function machine(text = "") {
  const runtime = memoryRuntime();
  const { files, random } = runtime;
  if (text !== "") await write(files, PATH, text);
  await files.syncDirectory("/");
  return { runtime, files, access: { files, random, path: PATH } };
}

Deno.test("addUser() makes the file when there is none, and what it makes is right", async () => {
  const { files, access } = await machine();
  await addUser(access, {
    address: parseAddress("Alice@Example.org")!,
    password: "wonderland",
    quota: { bytes: 3 * 1024 ** 3, messages: 100 },
    sendAs: [{ address: BOB }, { domain: "example.net" }],
  });
  const text = await read(files);
  assertMatch(
    text,
    /^# yizhan users 1\nsecret [A-Za-z0-9+/]{43}=\nuser Alice@example\.org SCRAM-SHA-256\$100000:\S+ quota=3G messages=100 sendAs=bob@example\.org sendAs=example\.net\n$/,
  );
  const user = (await readUsersFile(files, PATH)).file.table.users.get("alice@example.org")!;
  assert(await checkPassword("wonderland", user.verifier!));
  assertEquals(user.sendAs.length, 2);
});

Deno.test("addUser() adds one line and touches no other", async () => {
  const { files, access } = await machine(KEPT);
  await addUser(access, { address: parseAddress('"c d"@example.org')!, password: null });
  assertEquals(await read(files), `${KEPT}user "c d"@example.org -\n`);
});

Deno.test("addUser() keeps the line ends of the file, and mends a missing last one", async () => {
  const { files, access } = await machine("# yizhan users 1\r\nuser bob@example.org -\r\n");
  await addUser(access, { address: ALICE, password: null });
  assertEquals(
    await read(files),
    "# yizhan users 1\r\nuser bob@example.org -\r\nuser alice@example.org -\r\n",
  );
  const other = await machine("# yizhan users 1\nuser bob@example.org -");
  await addUser(other.access, { address: ALICE, password: null });
  assertEquals(
    await read(other.files),
    "# yizhan users 1\nuser bob@example.org -\nuser alice@example.org -\n",
  );
});

Deno.test("addUser() refuses who is there, as user or alias, and passwords that are none", async () => {
  const text = `${KEPT}alias team@example.org alice@example.org\n`;
  const { files, access } = await machine(text);
  const add = (name: string, password: string | null) => () =>
    addUser(access, { address: parseAddress(name)!, password });
  await assertRejects(add("ALICE@example.org", null), UsersFileError, "exists already");
  await assertRejects(
    add("team@example.org", null),
    UsersFileError,
    "again; line 8 has it already",
  );
  await assertRejects(add("new@example.org", ""), UsersFileError, "the password is empty");
  assertEquals(await read(files), text);
  assertEquals(await files.stat(`${PATH}.new`), null);
});

Deno.test("removeUser() takes one line out and touches no other", async () => {
  const { files, access } = await machine(KEPT);
  await removeUser(access, parseAddress("BOB@Example.org")!);
  assertEquals(await read(files), KEPT.replace("user bob@example.org - messages=5\n", ""));
  await assertRejects(() => removeUser(access, BOB), UsersFileError, "bob@example.org is no user");
});

Deno.test("removeUser() refuses to leave an alias that leads nowhere", async () => {
  const text = `${KEPT}alias team@example.org alice@example.org bob@example.org\n`;
  const { files, access } = await machine(text);
  await assertRejects(
    () => removeUser(access, BOB),
    UsersFileError,
    `${PATH}:8: leads to bob@example.org; change that first`,
  );
  assertEquals(await read(files), text);
  assertEquals(await files.stat(`${PATH}.new`), null);
});

Deno.test("setAlias() adds one line or changes the one there is, and touches no other", async () => {
  const { files, access } = await machine(KEPT);
  const sales = parseAddress("Sales@example.org")!;
  const { before, left } = await setAlias(access, sales, [ALICE]);
  assertEquals([before.table.aliases.size, left], [0, []]);
  assertEquals(await read(files), `${KEPT}alias Sales@example.org alice@example.org\n`);
  const far = parseAddress('"a b"@far.test')!;
  await setAlias(access, parseAddress("sales@EXAMPLE.org")!, [BOB, far]);
  assertEquals(
    await read(files),
    `${KEPT}alias sales@example.org bob@example.org "a b"@far.test\n`,
  );
  assertEquals(await listAliases(access), [{ alias: "sales@example.org", targets: [BOB, far] }]);
});

Deno.test("setAlias() refuses what is a user, and targets of ours that nobody has", async () => {
  const { files, access } = await machine(KEPT);
  await assertRejects(() => setAlias(access, BOB, [ALICE]), UsersFileError, "is a user of it");
  const nobody = parseAddress("nobody@example.org")!;
  const team = parseAddress("team@example.org")!;
  await assertRejects(
    () => setAlias(access, team, [nobody]),
    UsersFileError,
    'found target "nobody@example.org", which nobody has',
  );
  assertEquals(await read(files), KEPT);
  assertEquals(await files.stat(`${PATH}.new`), null);
});

Deno.test("setAlias() says what is wrong with a file without a line", async () => {
  const { files, access } = await machine();
  await write(files, PATH, "");
  const changing = () => setAlias(access, parseAddress("sales@example.org")!, [ALICE]);
  await assertRejects(changing, UsersFileError, "the first line must be");
  assertEquals(await read(files), "");
});

Deno.test("removeAlias() takes one line out to which no other leads", async () => {
  const alias = "alias team@example.org alice@example.org\n";
  const { files, access } = await machine(`${KEPT}${alias}`);
  const team = parseAddress("TEAM@example.org")!;
  await assertRejects(() => removeAlias(access, ALICE), UsersFileError, "is no alias of it");
  await assertRejects(() => removeUser(access, team), UsersFileError, "is no user of it");
  const other = await machine(`${KEPT}${alias}alias all@example.org team@example.org\n`);
  await assertRejects(
    () => removeAlias(other.access, team),
    UsersFileError,
    `${PATH}:9: leads to TEAM@example.org; change that first`,
  );
  await removeAlias(access, team);
  assertEquals(await read(files), KEPT);
});

Deno.test("setPassword() changes one word and touches no other", async () => {
  const { files, access } = await machine(KEPT);
  await setPassword(access, ALICE, "pencil");
  const text = await read(files);
  const { verifier } = (await readUsersFile(files, PATH)).file.table.users.get(
    "alice@example.org",
  )!;
  assert(await checkPassword("pencil", verifier!));
  assertEquals(text.replace(/SCRAM-SHA-256\S+/, "-"), KEPT);
  await setPassword(access, ALICE, "crayon");
  assertEquals((await read(files)).replace(/SCRAM-SHA-256\S+/, "-"), KEPT);
  await assertRejects(() => setPassword(access, parseAddress("x@y.example")!, "p"), UsersFileError);
});

Deno.test("listUsers() lists them in the order of the file", async () => {
  const { access } = await machine(KEPT);
  await setPassword(access, BOB, "pencil");
  assertEquals(await listUsers(access), [
    { address: ALICE, canLogIn: false, quota: { bytes: 1024 ** 3 }, sendAs: [] },
    { address: BOB, canLogIn: true, quota: { messages: 5 }, sendAs: [] },
  ]);
});

Deno.test("addUser() makes who aliases lead to already, one after the other", async () => {
  const aliases = "alias team@example.org carol@example.org dan@example.org\n";
  const { files, access } = await machine(KEPT + aliases);
  const add = (name: string) => addUser(access, { address: parseAddress(name)!, password: null });
  await assertRejects(
    () => add("erin@example.org"),
    UsersFileError,
    `${PATH}:8: found target "carol@example.org", which nobody has`,
  );
  assertEquals(await read(files), KEPT + aliases);
  const left = await add("carol@example.org");
  assertEquals(left.length, 1);
  assertStringIncludes(left[0]!, `${PATH}:8: found target "dan@example.org"`);
  assertEquals(await add("dan@example.org"), []);
  assertEquals((await readUsersFile(files, PATH)).file.table.users.size, 4);
});

Deno.test("tryAddUser() says what addUser() would say, and writes nothing", async () => {
  const { files, access } = await machine(KEPT);
  assertEquals((await tryAddUser(access, parseAddress("new@example.org")!))?.table.users.size, 2);
  await assertRejects(() => tryAddUser(access, BOB), UsersFileError, "exists already");
  await files.remove(PATH);
  assertEquals(await tryAddUser(access, BOB), null);
});

Deno.test("an edit refuses a file that is wrong already, and tells all that is wrong", async () => {
  const { access } = await machine("# yizhan users 1\nnonsense\nuser x\n");
  const error = await assertRejects(
    () => addUser(access, { address: ALICE, password: null }),
    UsersFileError,
  );
  assertEquals(error.problems.length, 2);
  assertStringIncludes(error.problems[0]!, `${PATH}:2: found "nonsense"`);
  assertStringIncludes(error.problems[1]!, `${PATH}:3: found "x"`);
});

Deno.test("an edit waits for no other: it is refused while one is under way", async () => {
  const { files, access } = await machine(KEPT);
  await write(files, `${PATH}.new`, "half a fi");
  await assertRejects(
    () => removeUser(access, BOB),
    UsersFileError,
    `${PATH}.new: exists: another edit is under way`,
  );
  assertEquals(await read(files), KEPT);
  assertEquals(await read(files, `${PATH}.new`), "half a fi");
});

Deno.test("an edit that the disk fails leaves the old file and no other", async () => {
  for (const operation of ["write", "sync", "rename"] as const) {
    const { files, access } = await machine(KEPT);
    files.fail({ operation, code: "ENOSPC" });
    await assertRejects(() => removeUser(access, BOB), Error, undefined, operation);
    assertEquals(await read(files), KEPT, operation);
    assertEquals(await files.stat(`${PATH}.new`), null, operation);
  }
});

Deno.test("an edit is durable when it is done, and a crash leaves the old file or the new", async () => {
  const after = KEPT.replace("user bob@example.org - messages=5\n", "");
  const { runtime, access } = await machine(KEPT);
  await removeUser(access, BOB);
  assertEquals(await read(runtime.reboot("lost").files), after);

  for (const unsynced of ["kept", "lost", "torn"] as const) {
    const total = await countCalls();
    for (let last = 1; last <= total; last++) {
      const { runtime, files, access } = await machine(KEPT);
      const until = files.calls + last;
      files.onCall = () => {
        if (files.calls >= until) throw new Error("the power is out");
      };
      await removeUser(access, BOB).catch(() => {});
      files.onCall = () => {};
      const left = await read(runtime.reboot(unsynced).files);
      assert(left === KEPT || left === after, `${unsynced} after ${last} calls:\n${left}`);
    }
  }
});

/** How many calls of the disk one removal makes. */
async function countCalls(): Promise<number> {
  const { files, access } = await machine(KEPT);
  const before = files.calls;
  await removeUser(access, BOB);
  return files.calls - before;
}

Deno.test("an edit makes a file only its owner can read, and refuses a link", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { files, random } = denoRuntime();
    const path = `${folder}/users`;
    await addUser({ files, random, path }, { address: ALICE, password: null });
    assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
    await Deno.symlink(path, `${folder}/link`);
    await assertRejects(
      () => removeUser({ files, random, path: `${folder}/link` }, ALICE),
      UsersFileError,
      "is a link",
    );
    const names = [];
    for await (const { name } of files.list(folder)) names.push(name);
    assertEquals(names.sort(), ["link", "users"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("an edit keeps the mode of the file, and its owner and group where it may", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { files, random } = denoRuntime();
    const access = { files, random, path: `${folder}/users` };
    await write(files, access.path, KEPT);
    await Deno.chmod(access.path, 0o640);
    // Only root may give a file away; to whom does not matter.
    const isRoot = Deno.uid() === 0;
    if (isRoot) await Deno.chown(access.path, 12_345, 54_321);
    const before = await Deno.stat(access.path);
    await setPassword(access, ALICE, "wonderland");
    await removeUser(access, BOB);
    const { mode, uid, gid } = await Deno.stat(access.path);
    assertEquals([mode, uid, gid], [before.mode, before.uid, before.gid]);
    assertEquals(mode! & 0o777, 0o640);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("an edit is refused where owner and group cannot be kept", async () => {
  const { files, access } = await machine(KEPT);
  files.fail({ operation: "copyAccess", code: "EPERM" });
  await assertRejects(
    () => removeUser(access, BOB),
    UsersFileError,
    "/users: its owner or group is not yours to keep; run this as the user it belongs to",
  );
  assertEquals(await read(files), KEPT);
  assertEquals(await files.stat(`${PATH}.new`), null);
});

Deno.test("readUsersFile() says where a file is not UTF-8, missing or too large", async () => {
  const { files } = await machine();
  await assertRejects(() => readUsersFile(files, PATH), UsersFileError, "/users: no such file");
  const handle = await files.open(PATH, { write: true, create: true });
  await handle.write(encode("# yizhan users 1\n# schön\n# sch"));
  await handle.write(new Uint8Array([0xf6, 0x6e, 0x0a]));
  handle.close();
  await assertRejects(() => readUsersFile(files, PATH), UsersFileError, "/users:3: found octets");
  files.fail({ operation: "open", code: "EACCES" });
  const error = await assertRejects(() => readUsersFile(files, PATH), Error);
  assert(!(error instanceof UsersFileError));
});

Deno.test("readUsersFile() tells five problems and counts the rest", async () => {
  const { files } = await machine(`# yizhan users 1\n${"nonsense\n".repeat(60)}`);
  const error = await assertRejects(() => readUsersFile(files, PATH), UsersFileError);
  assertEquals(error.problems.length, 6);
  assertEquals(error.problems.at(-1), "/users: and 55 more");
});

Deno.test("readUsersFile() quotes nothing of a key, and little of what it does not know", async () => {
  const line = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";
  const pem = `-----BEGIN PRIVATE KEY-----\n${line}\n-----END PRIVATE KEY-----\n`;
  for (const [before, at] of [["", 1], ["# yizhan users 1\n", 2]] as const) {
    const { files } = await machine(before + pem);
    const error = await assertRejects(() => readUsersFile(files, PATH), UsersFileError);
    const what = "found a certificate or key in PEM form; name the users file instead";
    assertEquals(error.problems, [`/users:${at}: ${what}`]);
  }
  const { files } = await machine(`${line}\n${line}\n`);
  const error = await assertRejects(() => readUsersFile(files, PATH), UsersFileError);
  assertEquals(error.problems.length, 3);
  for (const problem of error.problems) {
    assertEquals(problem.includes(line.slice(0, 21)), false, problem);
  }
});

Deno.test("readUsersFile() says what to name instead of a folder", async () => {
  const { files } = await machine();
  await files.makeDirectory("/folder", 0o700);
  const error = await assertRejects(() => readUsersFile(files, "/folder/"), UsersFileError);
  assertEquals(error.problems, [
    "/folder/: is a folder; name a file in it, such as /folder/users",
  ]);
});

Deno.test("formatSize() writes what parseSize() reads", () => {
  assertEquals(
    [1, 1023, 1024, 1536, 5 * 1024 ** 2, 1024 ** 3, 7 * 1024 ** 4, 1024 ** 5].map(formatSize),
    ["1", "1023", "1K", "1536", "5M", "1G", "7T", "1024T"],
  );
  for (const bytes of [1, 1000, 1024, 999 * 1024, 1024 ** 4]) {
    assertEquals(parseSize(formatSize(bytes)), bytes);
  }
});

Deno.test("formatSendAs() writes an address or a domain", () => {
  assertEquals(formatSendAs({ address: BOB }), "bob@example.org");
  assertEquals(formatSendAs({ domain: "example.org" }), "example.org");
});
