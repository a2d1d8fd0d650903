import { assert, assertEquals, assertMatch, assertNotMatch, assertRejects } from "@std/assert";
import { Client, Folder, permissionTest, Program, run } from "./program.ts";

const MAIL =
  "From: Alice <alice@a.test>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHello.\r\n..dots";

/** Everything the catcher may do when `deno task start` runs it, but with a port of its own. */
const START_FLAGS = [
  "--allow-net=127.0.0.1",
  "--allow-read=.",
  "--allow-write=yizhan-data",
  "--allow-sys=hostname,statfs",
];

Deno.test("deno task start grants what these tests do", async () => {
  const config = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  const words: string[] = config.tasks.start.command.split(" ");
  const [net, ...rest] = words.filter((word) => word.startsWith("--allow-"));
  assertEquals([net?.split(",")[0], ...rest], START_FLAGS);
});

/** The one message in a Maildir. */
async function readMail(mailbox: string): Promise<string> {
  const [file, ...more] = await Array.fromAsync(Deno.readDir(`${mailbox}/new`));
  assert(file !== undefined && more.length === 0, mailbox);
  return await Deno.readTextFile(`${mailbox}/new/${file.name}`);
}

async function modeOf(path: string): Promise<number> {
  return (await Deno.stat(path)).mode! & 0o777;
}

Deno.test("yizhan dev catches mail in the clear and by STARTTLS with the least permissions", async () => {
  await using folder = await Folder.make();
  const data = `${folder.path}/yizhan-data`;
  const words = ["dev", "--listen", "127.0.0.1:0", "--text"];
  const { program, ports: [port = 0] } = await Program.start(words, {
    flags: START_FLAGS,
    cwd: folder.path,
  });
  await using _ = program;
  const command = await program.stderrLine(/curl smtp:/);
  assert(command.includes(`curl smtp://127.0.0.1:${port} `), command);
  assertMatch(
    await program.stderrLine(/swaks/),
    /^ {2}swaks --to \S+ --server 127\.0\.0\.1:\d+ -tls$/,
  );

  using client = await Client.connect(port);
  assertMatch(await client.say("EHLO test", 250), /AUTH PLAIN LOGIN/);
  await client.say(`AUTH PLAIN ${btoa("\0me\0anything")}`, 235);
  await client.send("alice@a.test", "bob@B.test", MAIL);
  const line = await program.stdoutLine(/✉/);
  assertMatch(line, /^\d\d:\d\d:\d\d {2}✉ alice@a\.test → bob@b\.test {2}"Grüße" /);
  assertMatch(line, /in yizhan-data\/mail\/b\.test\/bob\/new$/);
  const mail = await readMail(`${data}/mail/b.test/bob`);
  assertMatch(
    mail,
    /^Return-Path: <alice@a\.test>\nDelivered-To: bob@b\.test\nReceived: from test /,
  );
  assert(mail.endsWith("\n\nHello.\n.dots\n"), mail);

  const certificate = await Deno.readTextFile(`${data}/tls/certificate.pem`);
  using secured = await Client.connect(port);
  assertMatch(await secured.say("EHLO test", 250), /250[- ]STARTTLS\r\n/);
  await secured.startTls(certificate);
  assertNotMatch(await secured.say("EHLO test", 250), /STARTTLS/);
  await secured.send("", "carol@c.test", MAIL);
  assertMatch(await program.stdoutLine(/✉/), /✉ <> → carol@c\.test .* TLSv1\.3 /);
  assertMatch(await readMail(`${data}/mail/c.test/carol`), /TLSv1\.3/);
  await secured.say("QUIT", 221);

  const modes = ["", "/mail", "/mail/b.test", "/mail/b.test/bob", "/tls"].map((path) =>
    modeOf(`${data}${path}`)
  );
  assertEquals(await Promise.all(modes), modes.map(() => 0o700));
  assertEquals(await modeOf(`${data}/tls/key.pem`), 0o600);
});

Deno.test("yizhan dev says what to do about clients that do not trust its certificate", async () => {
  await using folder = await Folder.make();
  const words = ["dev", "--listen", "127.0.0.1:0", "--data", folder.path, "--text"];
  const { program, ports: [port = 0] } = await Program.start(words);
  await using _ = program;
  const hint = `${folder.path}/tls/certificate.pem, or start with --no-tls)`;

  const distrustful = await Deno.connect({ hostname: "127.0.0.1", port });
  using first = await Client.over(distrustful);
  await first.say("STARTTLS", 220);
  await assertRejects(async () => {
    using secured = await Deno.startTls(distrustful, { hostname: "localhost" });
    await secured.handshake();
  });
  const refused = await program.stdoutLine(/TLS/);
  assertMatch(
    refused,
    /! 127\.0\.0\.1 {2}TLS: (?!SystemError).*(?:alert|ALERT).* {2}\(the client may not trust/,
  );
  assert(refused.endsWith(hint), refused);

  const silent = await Client.connect(port);
  await silent.startTls(await Deno.readTextFile(`${folder.path}/tls/certificate.pem`));
  silent[Symbol.dispose]();
  assert((await program.stdoutLine(/TLS/)).endsWith(hint));
});

Deno.test("yizhan dev --no-tls offers no STARTTLS and makes no certificate", async () => {
  await using folder = await Folder.make();
  const words = ["dev", "--listen", "127.0.0.1:0", "--data", folder.path, "--no-tls"];
  const { program, ports: [port = 0] } = await Program.start(words);
  await using _ = program;
  assertMatch(await program.stderrLine(/STARTTLS/), /not offered$/);
  using client = await Client.connect(port);
  assertNotMatch(await client.say("EHLO test", 250), /STARTTLS/);
  await client.send("a@a.test", "b@b.test", MAIL);
  await assertRejects(() => Deno.stat(`${folder.path}/tls`), Deno.errors.NotFound);
});

Deno.test("yizhan dev lets in any user name and password, the empty one too", async () => {
  await using folder = await Folder.make();
  const words = ["dev", "--listen", "127.0.0.1:0", "--data", folder.path];
  const { program, ports: [port = 0] } = await Program.start(words);
  await using _ = program;
  const logins = [
    [`AUTH PLAIN ${btoa("\0me\0")}`],
    [`AUTH PLAIN ${btoa("someone else\0me\0anything")}`],
    ["AUTH LOGIN", btoa("me"), ""],
    ["AUTH LOGIN", btoa("me@example.test"), btoa(" ")],
  ];
  for (const lines of logins) {
    using client = await Client.connect(port);
    await client.say("EHLO test", 250);
    for (const line of lines.slice(0, -1)) await client.say(line, 334);
    assertMatch(await client.say(lines.at(-1)!, 235), /2\.7\.0/);
    await client.send("a@a.test", "b@b.test", MAIL);
  }
});

Deno.test("yizhan dev keeps its certificate, and replaces one that is broken", async () => {
  await using folder = await Folder.make();
  const words = ["dev", "--listen", "127.0.0.1:0", "--data", folder.path];
  const start = async (): Promise<[key: string, said: string]> => {
    const { program } = await Program.start(words);
    program.signal("SIGTERM");
    const { code, stderr } = await program.ended();
    assertEquals(code, 0, stderr);
    return [await Deno.readTextFile(`${folder.path}/tls/key.pem`), stderr];
  };
  const [first] = await start();
  const [second, said] = await start();
  assertEquals(second, first);
  assertNotMatch(said, /new certificate/);
  await Deno.writeTextFile(`${folder.path}/tls/certificate.pem`, "gone");
  const [third, saidThen] = await start();
  assert(third !== first);
  assertMatch(saidThen, /^a new certificate is in .*: the certificate holds no CERTIFICATE/);
});

Deno.test("yizhan dev logs JSON lines where standard output is not a terminal", async () => {
  await using folder = await Folder.make();
  const words = [
    "dev",
    "--listen",
    "127.0.0.1:0",
    "--listen",
    "127.0.0.1:0",
    "--data",
    folder.path,
  ];
  const { program, ports } = await Program.start(words);
  await using _ = program;
  assertEquals(new Set(ports).size, 2);
  using client = await Client.connect(ports[1]!);
  await client.say("EHLO test", 250);
  await client.send("a@a.test", "b@b.test", MAIL);
  const event = JSON.parse(await program.stdoutLine(/message\.accepted/));
  assertEquals(event.recipients, ["b@b.test"]);
  assertEquals(event.subject, "Grüße");
  assertEquals(new Date(event.time).toISOString(), event.time);
  const delivered = program.stdoutLine(new RegExp("delivery\\.done|session\\.closed"));
  await client.say("QUIT", 221);
  assertEquals(JSON.parse(await delivered).session, event.session);
});

Deno.test("yizhan dev drains on SIGINT: what is under way is finished, and then it is gone", async () => {
  await using folder = await Folder.make();
  const { program, ports: [port = 0] } = await Program.start(
    ["dev", "--listen", "127.0.0.1:0", "--data", folder.path],
  );
  await using _ = program;
  using busy = await Client.connect(port);
  await busy.say("EHLO busy", 250);
  await busy.say("MAIL FROM:<a@a.test>", 250);
  await busy.say("RCPT TO:<b@b.test>", 250);
  await busy.say("DATA", 354);
  program.signal("SIGINT");
  await program.stderrLine(/^stopping/);
  // The same Ctrl-C once more, as `deno task` hands it on.
  program.signal("SIGINT");
  await busy.say(`${MAIL}\r\n.`, 250);
  const { code, stderr } = await program.ended();
  assertEquals(code, 0);
  assertMatch(stderr, /\nstopped\n$/);
  assertMatch(await readMail(`${folder.path}/mail/b.test/b`), /Hello/);
});

Deno.test("yizhan dev stops at once on a second signal", async () => {
  await using folder = await Folder.make();
  const { program, ports: [port = 0] } = await Program.start(
    ["dev", "--listen", "127.0.0.1:0", "--data", folder.path],
  );
  await using _ = program;
  using busy = await Client.connect(port);
  await busy.say("EHLO busy", 250);
  await busy.say("MAIL FROM:<a@a.test>", 250);
  await busy.say("RCPT TO:<b@b.test>", 250);
  await busy.say("DATA", 354);
  program.signal("SIGTERM");
  await program.stderrLine(/^stopping/);
  program.signal("SIGTERM");
  assertEquals((await program.ended()).code, 128 + 15);
});

Deno.test("yizhan dev says in one line that its port is in use", async () => {
  await using folder = await Folder.make();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const { code, stderr } = await run(
    ["dev", "--listen", `127.0.0.1:${port}`, "--data", folder.path],
  );
  assertEquals(code, 69);
  assertMatch(
    stderr,
    /^yizhan: cannot listen on 127\.0\.0\.1:\d+: Address already in use.*choose another port\n$/,
  );
  assert(stderr.includes(`:${port}: `));
});

permissionTest("yizhan dev names the permission it lacks, and a command that has it", async () => {
  await using folder = await Folder.make();
  const data = `${folder.path}/mail here`;
  const words = ["dev", "--listen", "127.0.0.1:0", "--data", data];
  const { code, stderr } = await run(words, { flags: START_FLAGS });
  assertEquals(code, 77);
  assertMatch(
    stderr,
    /^yizhan: Deno lacks the permission to read \S+; run: deno run .*\n$/,
  );
  const command = stderr.slice(stderr.indexOf("run: deno run ") + "run: deno run ".length)
    .trimEnd();
  const [, flags = ""] = /^(.*) \S+\/src\/cli\/main\.ts dev /.exec(command)!;
  const { program } = await Program.start(words, {
    // As a shell takes them apart.
    flags: [...flags.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!),
  });
  await program[Symbol.asyncDispose]();
});

Deno.test("yizhan dev warns that others can reach it, and only then", async () => {
  await using folder = await Folder.make();
  const start = async (address: string): Promise<string> => {
    const { program } = await Program.start(["dev", "--listen", address, "--data", folder.path]);
    program.signal("SIGTERM");
    return (await program.ended()).stderr;
  };
  assertMatch(
    await start("0.0.0.0:0"),
    /warning: 0\.0\.0\.0:\d+ is open to other machines: .*passwords/,
  );
  assertNotMatch(await start("127.0.0.1:0"), /warning/);
});

Deno.test("yizhan dev says what it cannot make a folder of", async () => {
  await using folder = await Folder.make();
  await Deno.writeTextFile(`${folder.path}/file`, "");
  const { code, stderr } = await run(
    ["dev", "--listen", "127.0.0.1:0", "--data", `${folder.path}/file/data`],
  );
  assertEquals(code, 73);
  assertMatch(
    stderr,
    /^yizhan: cannot make the folder .*\/file\/data: .*; give another one with --data DIR\n$/,
  );
});
