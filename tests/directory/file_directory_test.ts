import { assert, assertEquals, assertRejects } from "@std/assert";
import { parseAddress } from "../../src/address.ts";
import { encode } from "../../src/bytes.ts";
import { openFileDirectory } from "../../src/directory/file_directory.ts";
import { addUser, setPassword } from "../../src/directory/users_edit.ts";
import { UsersFileError } from "../../src/directory/users_read.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import type { Files } from "../../src/runtime/files.ts";
import { type MemoryRuntime, memoryRuntime } from "../../src/runtime/memory.ts";
import { directoryContract } from "../contracts/directory_contract.ts";

const PATH = "/users";
const HEADER = "# yizhan users 1\n";
const ALICE = parseAddress("alice@example.org")!;
const BOB = parseAddress("bob@example.org")!;

// Made by Python's hashlib and hmac: "wonderland", 100,000 iterations.
const WONDERLAND = "SCRAM-SHA-256$100000:W22ZaJ0SNY7soEsUEjb6gQ==$" +
  "a4IQp7kgJ5dtFdh/zBTGB4bDSkw+TU11u9mtZklN+9M=:PjB05Hdmnk8rhi1+B/qg1OvwwU6x9IfEO1GuNqbsIFY=";

directoryContract("openFileDirectory", async () => {
  const runtime = memoryRuntime();
  await write(
    runtime.files,
    `${HEADER}user Alice@Example.org ${WONDERLAND} messages=1000 sendAs=sales@example.com sendAs=example.net
user bob@example.org -
alias info@example.org alice@example.org
alias all@example.org info@example.org bob@example.org x@elsewhere.example
catch-all bücher.example bob@example.org
`,
  );
  return await openFileDirectory({ ...runtime, path: PATH, domains: ["Example.INFO"] });
});

async function write(files: Files, text: string, path = PATH): Promise<void> {
  const handle = await files.open(path, { write: true, create: true, truncate: true });
  await handle.write(encode(text));
  handle.close();
}

/** An open directory over a file with these lines, long enough ago to be settled. */
async function opened(...lines: string[]) {
  const runtime = memoryRuntime();
  await write(runtime.files, HEADER + lines.map((line) => `${line}\n`).join(""));
  await runtime.clock.advance(60_000);
  const troubles: string[] = [];
  const onTrouble = (error: unknown) => troubles.push(String(error));
  const directory = await openFileDirectory({ ...runtime, path: PATH, onTrouble });
  return { runtime, directory, troubles };
}

/** Counts how often the file is read. */
function countReads(runtime: MemoryRuntime): () => number {
  let reads = 0;
  runtime.files.onCall = ({ operation }) => {
    if (operation === "open") reads++;
  };
  return () => reads;
}

Deno.test("openFileDirectory() refuses a file that is missing or wrong, with lines for people", async () => {
  const runtime = memoryRuntime();
  const open = () => openFileDirectory({ ...runtime, path: PATH });
  await assertRejects(open, UsersFileError, "/users: no such file");
  await write(runtime.files, `${HEADER}user alice\nalias x\n`);
  const error = await assertRejects(open, UsersFileError);
  assertEquals(error.problems, [
    '/users:2: found "alice"; allowed is an address such as alice@example.org',
    '/users:3: found "x"; allowed is an address such as alice@example.org',
  ]);
});

Deno.test("openFileDirectory() refuses local domains that are none", async () => {
  const runtime = memoryRuntime();
  await write(runtime.files, HEADER);
  const open = () => openFileDirectory({ ...runtime, path: PATH, domains: ["a b"] });
  await assertRejects(open, TypeError, '"a b" is not a domain');
});

Deno.test("FileDirectory sees a changed file at a look-up, a second after the last look", async () => {
  const { runtime, directory } = await opened("user alice@example.org -");
  await write(runtime.files, `${HEADER}user alice@example.org -\nuser bob@example.org -\n`);
  assertEquals(await directory.lookup(BOB), null);
  await runtime.clock.advance(1000);
  assertEquals((await directory.lookup(BOB))?.kind, "mailbox");
});

Deno.test("FileDirectory answers all who ask while it looks from what it finds", async () => {
  const { runtime, directory } = await opened("user alice@example.org -");
  await write(runtime.files, `${HEADER}user alice@example.org -\nuser bob@example.org -\n`);
  await runtime.clock.advance(1000);
  const entries = await Promise.all([directory.lookup(BOB), directory.lookup(BOB)]);
  assertEquals(entries.map((entry) => entry?.kind), ["mailbox", "mailbox"]);
});

Deno.test("FileDirectory goes on looking when the clock is set back", async () => {
  const { files, random } = memoryRuntime();
  const clock = { now: () => now, sleep: () => Promise.reject(new Error("no sleep")) };
  let now = Date.UTC(2027, 0, 1);
  await write(files, `${HEADER}user alice@example.org -\n`);
  const directory = await openFileDirectory({ files, random, clock, path: PATH });
  now -= 365 * 86_400_000;
  await write(files, `${HEADER}user bob@example.org -\n`);
  // By this clock the file is of next year; that it stays the same must do.
  assertEquals(await directory.lookup(BOB), null);
  now += 1000;
  assertEquals((await directory.lookup(BOB))?.kind, "mailbox");
});

Deno.test("FileDirectory believes a change only when nobody seems to be writing it", async () => {
  const users = ["alice", "bob", "carol"].map((name) => `user ${name}@example.org -`);
  const { runtime, directory, troubles } = await opened(...users);
  const handle = await runtime.files.open(PATH, { write: true, truncate: true });
  // Over itself, line by line, and what is there is well-formed at each look.
  for (const line of [HEADER, ...users.map((line) => `${line}\n`)]) {
    await runtime.clock.advance(300);
    await handle.write(encode(line));
    await runtime.clock.advance(700);
    assertEquals((await directory.lookup(BOB))?.kind, "mailbox", line);
  }
  handle.close();
  await runtime.clock.advance(1000);
  assertEquals((await directory.lookup(BOB))?.kind, "mailbox");
  assertEquals(troubles, []);
});

Deno.test("FileDirectory sees a change that is written while it reads, at the next look", async () => {
  const { runtime, directory } = await opened("user alice@example.org -", "user bob@example.org -");
  await write(runtime.files, `${HEADER}user alice@example.org -\n`);
  await runtime.clock.advance(60_000);
  let opens = 0;
  runtime.files.onCall = ({ operation }) => {
    if (operation !== "open" || ++opens > 1) return;
    void write(runtime.files, `${HEADER}user bob@example.org -\nuser carol@example.org -\n`);
  };
  assertEquals((await directory.lookup(BOB))?.kind, "mailbox");
  await runtime.clock.advance(1000);
  assertEquals(await directory.lookup(ALICE), null);
  assertEquals((await directory.lookup(BOB))?.kind, "mailbox");
});

Deno.test("FileDirectory takes no file whose last line has no end", async () => {
  const { runtime, directory, troubles } = await opened(
    "user alice@example.org -",
    "user bob@example.org -",
  );
  const cut = `${HEADER}user alice@example.org -`;
  await write(runtime.files, cut);
  await runtime.clock.advance(60_000);
  assertEquals((await directory.lookup(BOB))?.kind, "mailbox");
  const trouble = "/users:2: found a last line that may be cut off; " +
    "if the file is whole, end it with a newline";
  assertEquals(troubles, [`UsersFileError: ${trouble}`]);
  await assertRejects(() => directory.reload(), UsersFileError, trouble);
  await assertRejects(() => openFileDirectory({ ...runtime, path: PATH }), UsersFileError, trouble);
});

Deno.test("FileDirectory reads no file that has not changed, and looks once a second", async () => {
  const { runtime, directory } = await opened("user alice@example.org -");
  const reads = countReads(runtime);
  const before = runtime.files.calls;
  for (let second = 0; second < 10; second++) {
    await runtime.clock.advance(1000);
    await Promise.all(Array.from({ length: 20 }, () => directory.lookup(ALICE)));
    await directory.isLocalDomain("example.org");
  }
  assertEquals(reads(), 0);
  assertEquals(runtime.files.calls - before, 10);
});

Deno.test("FileDirectory sees a change of the same size in the same millisecond", async () => {
  const runtime = memoryRuntime();
  await write(runtime.files, `${HEADER}user alice@example.org -\n`);
  const directory = await openFileDirectory({ ...runtime, path: PATH });
  await write(runtime.files, `${HEADER}user carol@example.org -\n`);
  await runtime.clock.advance(1000);
  assertEquals(await directory.lookup(ALICE), null);
});

Deno.test("FileDirectory keeps everybody while the file is wrong, and says so once", async () => {
  const { runtime, directory, troubles } = await opened("user alice@example.org -");
  await write(runtime.files, `${HEADER}nonsense\n`);
  for (let second = 0; second < 5; second++) {
    await runtime.clock.advance(1000);
    assertEquals((await directory.lookup(ALICE))?.kind, "mailbox");
  }
  assertEquals(troubles.length, 1);
  assert(troubles[0]!.includes('/users:2: found "nonsense"'), troubles[0]);

  await write(runtime.files, `${HEADER}user bob@example.org -\n`);
  await runtime.clock.advance(1000);
  assertEquals(await directory.lookup(ALICE), null);
  assertEquals((await directory.lookup(BOB))?.kind, "mailbox");
  assertEquals(troubles.length, 1);
});

Deno.test("FileDirectory keeps everybody while the file is gone or cannot be read", async () => {
  const { runtime, directory, troubles } = await opened("user alice@example.org -");
  await runtime.files.rename(PATH, "/elsewhere");
  for (let second = 0; second < 5; second++) {
    await runtime.clock.advance(1000);
    assertEquals((await directory.lookup(ALICE))?.kind, "mailbox");
  }
  assertEquals(troubles, ["UsersFileError: /users: no such file"]);
  await runtime.files.rename("/elsewhere", PATH);
  runtime.files.fail({ operation: "stat", code: "EACCES" });
  await runtime.clock.advance(1000);
  assertEquals((await directory.lookup(ALICE))?.kind, "mailbox");
  assertEquals(troubles.length, 2);
});

Deno.test("FileDirectory.reload() reads at once, and throws what is wrong", async () => {
  const { runtime, directory, troubles } = await opened("user alice@example.org -");
  await write(runtime.files, `${HEADER}user bob@example.org -\n`);
  await directory.reload();
  assertEquals((await directory.lookup(BOB))?.kind, "mailbox");
  await write(runtime.files, "nonsense");
  await assertRejects(() => directory.reload(), UsersFileError, "/users:1: found");
  assertEquals((await directory.lookup(BOB))?.kind, "mailbox");
  assertEquals(troubles, []);
});

Deno.test("FileDirectory forgets a remembered password when it was changed", async () => {
  const runtime = memoryRuntime();
  const access = { ...runtime, path: PATH };
  await addUser(access, { address: ALICE, password: "wonderland" });
  const directory = await openFileDirectory(access);
  assert(await directory.verify("alice@example.org", "wonderland"));
  await setPassword(access, ALICE, "looking-glass");
  await runtime.clock.advance(1000);
  assertEquals(await directory.verify("alice@example.org", "wonderland"), null);
  assert(await directory.verify("alice@example.org", "looking-glass"));
});

Deno.test("FileDirectory gives the same fakes after a restart and a changed file", async () => {
  const runtime = memoryRuntime();
  const access = { ...runtime, path: PATH };
  await addUser(access, { address: ALICE, password: "wonderland" });
  const salt = async () => {
    const directory = await openFileDirectory(access);
    return (await directory.scramVerifier("nobody@example.org")).verifier.salt;
  };
  const before = await salt();
  await addUser(access, { address: BOB, password: null });
  assertEquals(await salt(), before);
});

Deno.test("FileDirectory follows a link whose target is exchanged", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { files, random } = denoRuntime();
    const { clock } = memoryRuntime({ now: Date.now() + 3_600_000 });
    await write(files, `${HEADER}user alice@example.org -\n`, `${folder}/one`);
    await write(files, `${HEADER}user bob@example.org -\n`, `${folder}/two`);
    await Deno.symlink("one", `${folder}/current`);
    await Deno.symlink("current", `${folder}/users`);
    const directory = await openFileDirectory({ files, clock, random, path: `${folder}/users` });
    assertEquals(await directory.lookup(BOB), null);
    await Deno.remove(`${folder}/current`);
    await Deno.symlink("two", `${folder}/current`);
    await clock.advance(1000);
    assertEquals((await directory.lookup(BOB))?.kind, "mailbox");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("openFileDirectory() tells when a changed file has come into force, once", async () => {
  const runtime = memoryRuntime();
  await write(runtime.files, `${HEADER}domain example.org\n`);
  await runtime.clock.advance(60_000);
  let changes = 0;
  const onChange = () => void changes++;
  const directory = await openFileDirectory({ ...runtime, path: PATH, onChange });
  await runtime.clock.advance(2000);
  await directory.isLocalDomain("example.org");
  assertEquals(changes, 0);
  await write(runtime.files, `${HEADER}domain example.org\ndomain example.net\n`);
  await runtime.clock.advance(2000);
  for (let look = 0; look < 3; look++) {
    assertEquals(await directory.isLocalDomain("example.net"), true);
    await runtime.clock.advance(2000);
  }
  assertEquals(changes, 1);
});
