import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ControlServer } from "../../src/admin/control_server.ts";
import { queueCommands } from "../../src/admin/queue_requests.ts";
import { parseDropHeader } from "../../src/intake/drop/drop_file.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { DropStation } from "../intake/drop/station.ts";
import { Folder, run, type RunOptions } from "./program.ts";

/** A folder where mail can be left, with no server. */
async function dropFolder(folder: Folder, mode = 0o3733): Promise<string> {
  const drop = `${folder.path}/drop`;
  await Deno.mkdir(drop);
  await Deno.chmod(drop, mode);
  return drop;
}

/** Whether this machine has a server of its own. */
async function isInstalled(): Promise<boolean> {
  const places = ["/etc/yizhan", "/var/lib/yizhan"].map((path) => Deno.lstat(path));
  return (await Promise.allSettled(places)).some(({ status }) => status === "fulfilled");
}

async function namesIn(path: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(path)) names.push(name);
  return names.sort();
}

/** The one mail that was left: its envelope and its text. */
async function left(drop: string, mode = 0o640) {
  const [name, ...more] = await namesIn(drop);
  assertEquals(more, []);
  assertMatch(name!, /^mail-[0-9a-f]{32}$/);
  const path = `${drop}/${name}`;
  assertEquals((await Deno.lstat(path)).mode! & 0o7777, mode);
  const octets = await Deno.readFile(path);
  const header = parseDropHeader(octets);
  assert(typeof header === "object" && header !== null && "envelope" in header);
  return {
    envelope: header.envelope,
    text: new TextDecoder().decode(octets.subarray(header.messageAt)),
  };
}

function sendmail(
  drop: string,
  words: readonly string[],
  stdin = "Subject: hi\n\nHello.\n",
  options: RunOptions = {},
) {
  return run(["sendmail", "--drop", drop, ...words], { ...options, stdin });
}

Deno.test("send leaves a mail where no server runs, with what it lacked", async () => {
  await using folder = await Folder.make();
  const drop = await dropFolder(folder);
  const ended = await run(["send", "--drop", drop, "bob@b.test", "root"], {
    stdin: "Subject: hi\nBcc: secret@b.test\n\nHello.\n.\nnot this\n",
  });
  assertEquals(ended, { code: 0, stdout: "", stderr: "" });
  const { envelope, text } = await left(drop);
  const addresses = envelope.recipients.map((one) => typeof one === "string" ? one : one.address);
  assertEquals(addresses[0], "bob@b.test");
  assertMatch(addresses[1]!, /^root@./);
  assertMatch(text, /^Date: .*\r\nFrom: .*@.*\r\nSubject: hi\r\n\r\nHello\.\r\n$/);
});

Deno.test("send leaves a mail that the server can read, where the folder gives it no group", async () => {
  await using folder = await Folder.make();
  const drop = await dropFolder(folder, 0o1733);
  const ended = await run(["send", "--drop", drop, "bob@b.test"], { stdin: "Subject: hi\n\nx\n" });
  assertEquals(ended.code, 0, ended.stderr);
  await left(drop, 0o644);
});

Deno.test("sendmail -t takes the recipients from the message, beside those named, each once", async () => {
  await using folder = await Folder.make();
  const drop = await dropFolder(folder);
  const message = "To: bob@b.test, Bob <BOB@b.test>\nCc: ann@a.test\nBcc: cc@c.test\n\n.\nx\n";
  const words = ["-t", "-oi", "-f", "me@a.test", "-Nnever", "-Rhdrs", "-Vid1", "dan@d.test"];
  assertEquals((await sendmail(drop, words, message)).code, 0);
  const { envelope, text } = await left(drop);
  assertEquals(envelope, {
    sender: "me@a.test",
    recipients: ["dan", "BOB", "ann", "cc"].map((name) => ({
      address: { dan: "dan@d.test", BOB: "BOB@b.test", ann: "ann@a.test", cc: "cc@c.test" }[name]!,
      notify: ["NEVER" as const],
    })),
    dsnReturn: "HDRS",
    dsnEnvelopeId: "id1",
  });
  assert(!text.includes("Bcc"));
  assert(text.endsWith("\r\n.\r\nx\r\n"));
});

Deno.test("sendmail -f '' leaves a mail without a sender", async () => {
  await using folder = await Folder.make();
  const drop = await dropFolder(folder);
  assertEquals((await sendmail(drop, ["-f", "", "-F", "Ann B.", "bob@b.test"])).code, 0);
  const { envelope, text } = await left(drop);
  assertEquals(envelope.sender, null);
  assertStringIncludes(text, 'From: "Ann B." <');
});

Deno.test("sendmail leaves a mail with very many recipients in several files", async () => {
  await using folder = await Folder.make();
  const drop = await dropFolder(folder);
  const names = Array.from({ length: 1001 }, (_, index) => `u${index}@b.test`);
  const ended = await sendmail(drop, ["-t"], `To: ${names.join(",\n ")}\n\nx\n`);
  assertEquals(ended.code, 0, ended.stderr);
  assertEquals((await namesIn(drop)).length, 2);
});

/** Command lines and messages that are wrong: the exit code (sysexits), and what is said. */
const WRONG: readonly [string, readonly string[], string, number, string][] = [
  ["no recipients", [], "x\n", 64, "no recipients: name them, or give -t"],
  ["no recipients in the message", ["-t"], "Subject: x\n\n", 64, "names none in To, Cc or Bcc"],
  ["a field that cannot be read", ["-t"], "To: a b c\n\n", 65, "the To field cannot be read"],
  ["a recipient that is none", ["two words"], "x\n", 65, "a recipient cannot be read"],
  ["a sender that is none", ["-f", "a b", "x@y.test"], "x\n", 64, "-f a b: wanted a mail address"],
  ["a flag nobody knows", ["-Z", "x@y.test"], "x\n", 64, "there is no flag -Z"],
  ["a daemon", ["-bd"], "", 64, "start the server with yizhan serve"],
];

for (const [name, words, stdin, code, said] of WRONG) {
  Deno.test(`sendmail refuses ${name}`, async () => {
    await using folder = await Folder.make();
    const drop = await dropFolder(folder);
    const ended = await sendmail(drop, words, stdin);
    assertEquals(ended.code, code, ended.stderr);
    assertStringIncludes(ended.stderr, said);
    assertEquals(ended.stderr.trimEnd().split("\n").length, 1);
    assertEquals(await namesIn(drop), []);
  });
}

Deno.test("sendmail says that there is no folder, with exit code 73", async () => {
  await using folder = await Folder.make();
  const ended = await sendmail(`${folder.path}/none`, ["bob@b.test"]);
  assertEquals(ended.code, 73);
  const advice = "there is none; start the server once (yizhan serve), which makes it, ";
  assertStringIncludes(ended.stderr, `${advice}or say where it is: --drop DIR, or --config FILE`);
});

Deno.test("sendmail finds the folder by the configuration; one that lies about is for send only", async () => {
  await using folder = await Folder.make();
  const data = `${folder.path}/data`;
  await Deno.mkdir(`${data}/drop`, { recursive: true });
  await Deno.chmod(`${data}/drop`, 0o3733);
  const config = "hostname: mx.test\nlisteners: [{ role: mx, address: 127.0.0.1:0 }]\n";
  await Deno.writeTextFile(`${folder.path}/yizhan.yaml`, config);
  const env = { YIZHAN_CONFIG: "" };
  const here = { cwd: folder.path, env, stdin: "x\n" };
  assertEquals((await run(["send", "bob@b.test"], here)).code, 0);
  assertEquals((await namesIn(`${data}/drop`)).length, 1);
  // Where a server is installed, mail must not be sent for a test.
  if (!(await isInstalled())) {
    const other = await run(["sendmail", "bob@b.test"], here);
    assertEquals(other.code, 73, other.stderr);
    assertEquals((await namesIn(`${data}/drop`)).length, 1);
  }
  const named = ["sendmail", "--config", "yizhan.yaml", "bob@b.test"];
  assertEquals((await run(named, here)).code, 0);
  assertEquals((await namesIn(`${data}/drop`)).length, 2);
});

Deno.test("sendmail knows the station where one has been, and its mail is taken at once", async () => {
  await using station = await DropStation.start();
  await station.open();
  await using other = await Folder.make();
  const ended = await sendmail(station.drop, ["bob"], undefined, { cwd: other.path });
  assertEquals(ended, { code: 0, stdout: "", stderr: "" });
  await station.event("drop.taken");
  const [mail] = await station.mails("bob");
  assertStringIncludes(mail!, "Subject: hi\n");
  assertMatch(mail!, /^Delivered-To: bob@host\.test$/m);
});

Deno.test("sendmail refuses at once what is larger than the station takes", async () => {
  await using station = await DropStation.start();
  await station.open({ sizeLimit: 1000 });
  const ended = await sendmail(station.drop, ["bob"], `\n${"x".repeat(2000)}\n`);
  assertEquals(ended.code, 65);
  assertStringIncludes(ended.stderr, "larger than 1000 octets");
  assertEquals(await station.names(), ["station.json"]);
});

Deno.test("sendmail -bs speaks SMTP, and leaves each mail that is whole", async () => {
  await using station = await DropStation.start();
  await station.open();
  const dialogue = [
    "EHLO here",
    "MAIL FROM:<alice@host.test> RET=HDRS",
    "RCPT TO:<bob@host.test> NOTIFY=NEVER",
    "DATA",
    "Subject: one",
    "",
    "..dot",
    ".",
    "MAIL FROM:<alice@host.test>",
    "RCPT TO:<bob@host.test>",
    "DATA",
    "cut off",
  ];
  const ended = await sendmail(station.drop, ["-bs"], dialogue.join("\r\n"));
  assertEquals(ended.code, 0);
  const codes = ended.stdout.split("\r\n").filter((line) => /^\d{3} /.test(line))
    .map((line) => line.slice(0, 3));
  assertEquals(codes, ["220", "250", "250", "250", "354", "250", "250", "250", "354"]);
  await station.event("drop.taken");
  const mails = await station.mails("bob");
  assertEquals(mails.length, 1);
  assertStringIncludes(mails[0]!, "\n.dot\n");
  assertEquals(await station.names(), ["station.json"]);
});

Deno.test("sendmail -bi does nothing, and mailq's form says that no server runs", async () => {
  await using folder = await Folder.make();
  assertEquals(await run(["sendmail", "-bi"]), { code: 0, stdout: "", stderr: "" });
  const socket = ["--socket", `${folder.path}/control.sock`];
  const ended = await run(["sendmail", "-bp", ...socket]);
  assertEquals(ended.code, 69);
  assertStringIncludes(ended.stderr, "no server listens");
  assertEquals((await run(["sendmail", "-q", ...socket])).code, 69);
});

Deno.test("sendmail -bp prints the queue as programs that read mailq expect it, and -q tries it", async () => {
  await using station = await DropStation.start();
  await station.open();
  const message = "Subject: x\n\nx\n";
  assertEquals((await sendmail(station.drop, ["far@away.test"], message)).code, 0);
  const { message: id } = await station.event("drop.taken");
  const { network, files, clock } = denoRuntime();
  const path = `${station.path}/control.sock`;
  const commands = queueCommands(station.mta.queue!);
  const control = await ControlServer.start({ network, files, clock, path, commands });
  try {
    const { code, stdout } = await run(["sendmail", "-bp", "--socket", path]);
    assertEquals(code, 0);
    const [heading, entry, recipient, empty, total] = stdout.split("\n");
    assertMatch(heading!, /^-Queue ID- .*-Sender\/Recipient-------$/);
    // The id, the size, when it came, and who sent it.
    const day = String.raw`(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d`;
    assertMatch(entry!, new RegExp(String.raw`^${id} +\d+ ${day} {2}\S+@host\.test$`));
    assertMatch(recipient!, /^ +far@away\.test$/);
    assertEquals(empty, "");
    assertMatch(total!, /^-- .* in 1 request\.$/);
    assertEquals((await run(["sendmail", "-q", "--socket", path])).code, 0);
    assertEquals((await run(["sendmail", "-qInone.1", "--socket", path])).code, 66);
  } finally {
    await control.stop();
  }
});

Deno.test("send --help shows its flags as they are written", async () => {
  const { code, stdout } = await run(["send", "--help"]);
  assertEquals(code, 0);
  assertMatch(stdout, /^ {2}-t +Recipients/m);
  assertMatch(stdout, /^ {2}--drop DIR +/m);
});
