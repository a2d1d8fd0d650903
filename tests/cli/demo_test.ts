import { assert, assertEquals, assertMatch } from "@std/assert";
import { Folder, permissionTest, Program, run } from "./program.ts";

/** What it may do, and no more. */
function permissions(folder: string): string[] {
  return [
    `--allow-net=127.0.0.1,unix:${folder}/demo/a/queue/owner.sock`,
    `--allow-read=${folder}`,
    `--allow-write=${folder}/demo`,
    "--allow-sys",
  ];
}

Deno.test("yizhan demo tells of a mail that arrives, one that comes back and one that waits", async () => {
  await using folder = await Folder.make();
  const { code, stdout, stderr } = await run(["demo", "--data", `${folder.path}/demo`], {
    flags: permissions(folder.path),
  });
  assertEquals([code, stderr], [0, ""], stdout);
  const [, arrival = "", comesBack = "", waits = "", end = ""] = stdout.split(/^━━ /m);

  // The client's words to A and A's words to B, in the clear and inside TLS.
  assertMatch(arrival, /^Alice → A │ STARTTLS$/m);
  assertMatch(arrival, /^Alice ⇄ A ║ TLS begins: TLSv1\.3, /m);
  assertMatch(arrival, /^Alice → A ║ AUTH PLAIN ••••••$/m);
  assertMatch(arrival, /^ {2}A \? DNS │ MX of b\.example: 10 mx\.b\.example$/m);
  assertMatch(arrival, /^ {4}A → B ║ MAIL FROM:<alice@a\.example>/m);
  assertMatch(arrival, /^ {4}A → B ║ RCPT TO:<bob@b\.example>/m);
  assertMatch(arrival, /^ {4}A → B ║ the courier rides from station to station: 驿站\.$/m);
  assertMatch(arrival, /^ {8}B • puts it into the Maildir of bob@b\.example$/m);
  assertMatch(
    arrival,
    /^ {2}✓ it lies in Bob's Maildir, SHA-256 [\da-f]{16}…, as Alice wrote it$/m,
  );
  assert(!stdout.includes("through the looking-glass"));

  assertMatch(comesBack, /^ {4}A ← B ║ 550 5\.1\.1 /m);
  assertMatch(comesBack, /^ {2}┊ +<nobody@b\.example>$/m);
  assertMatch(comesBack, /^ {8}A • puts it into the Maildir of alice@a\.example$/m);

  assertMatch(waits, /^ {4}A ← B ║ 451 4\.7\.1 /m);
  assertMatch(waits, /^ {8}A • keeps it in the queue; next attempt in 1\.\d s$/m);
  assertEquals(waits.match(/^ {4}A → B ║ RCPT TO:<carol@b\.example>/gm)?.length, 2);

  assertMatch(end, /^All 8 checks hold: two letters delivered/m);
  assertEquals([stdout.match(/✓/g)?.length, stdout.includes("✗")], [8, false]);
  assertEquals(await Array.fromAsync(Deno.readDir(folder.path)), []);
});

Deno.test("yizhan demo removes what it wrote when it is stopped", async () => {
  await using folder = await Folder.make();
  await using program = await Program.spawn(["demo", "--data", `${folder.path}/demo`]);
  await program.stdoutLine(/keeps it in the queue/);
  program.signal("SIGTERM");
  assertEquals((await program.ended()).code, 75);
  assertEquals(await Array.fromAsync(Deno.readDir(folder.path)), []);
});

Deno.test("yizhan demo does not touch a folder that is there already", async () => {
  await using folder = await Folder.make();
  await Deno.writeTextFile(`${folder.path}/mine`, "dear to me");
  const { code, stdout, stderr } = await run(["demo", "--data", folder.path]);
  assertEquals([code, stdout], [73, ""]);
  assertMatch(stderr, /^yizhan: cannot make the folder .*: it is there already; remove it/);
  assertEquals(await Deno.readTextFile(`${folder.path}/mine`), "dear to me");
});

permissionTest(
  "yizhan demo says which permissions it needs, and makes nothing without them",
  async () => {
    await using folder = await Folder.make();
    const data = `${folder.path}/demo`;
    const { code, stderr } = await run(["demo", "--data", data], {
      flags: permissions(folder.path).slice(1),
    });
    assertEquals(code, 77);
    assertMatch(stderr, /^yizhan: Deno lacks the permission for this; run: deno run "--allow-net=/);
    for (const flag of permissions(folder.path)) {
      if (!flag.startsWith("--allow-read")) assert(stderr.includes(flag), flag);
    }
    assertEquals(await Array.fromAsync(Deno.readDir(folder.path)), []);
  },
);

Deno.test("yizhan demo takes no operands", async () => {
  const { code, stderr } = await run(["demo", "now"]);
  assertEquals([code, stderr], [64, "yizhan: demo takes no now (see yizhan help demo)\n"]);
});
