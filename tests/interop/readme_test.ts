/**
 * What the README says to type, read from the README itself, but for ports, folders and hosts: its first minute,
 * in a copy of the sources and with the permissions a task has there; its recipes for sending mail on, with
 * the permissions that `serve` says it needs; and the commands for the queue.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Ended, Folder, Program, run as runYizhan } from "../cli/program.ts";
import { findFreePort } from "./daemon.ts";
import { readMaildir } from "./maildir.ts";
import { startTask } from "./server.ts";
import {
  assertEnded,
  interopTest,
  makeTemporaryFolder,
  run,
  type TemporaryFolder,
} from "./support.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

interopTest("The README's first minute works", ["deno", "curl", "swaks"], async () => {
  const readme = await Deno.readTextFile(`${ROOT}/README.md`);
  const commands = readme.match(/Try it:\n+```sh\n([^]*?)```/)?.[1];
  assert(commands, "no commands behind `Try it:`");

  const folder = await copySources();
  await using server = await startTask(folder, "start", "--listen", "127.0.0.1:0");
  const here = commands.replaceAll("127.0.0.1:2525", server.endpoint().address);
  const script = `set -euo pipefail\ncd ${folder.path}\n${here}`;
  assertEnded(await run("bash", ["-c", script]));

  const mails = await readMaildir(`${folder.path}/yizhan-data/mail/example.test/someone`);
  const texts = mails.map(({ file }) => new TextDecoder().decode(file));
  assertEquals(texts.length, 2);
  assert(texts.some((text) => /\nSubject: Hello\n\nIt works\.\n$/.test(text)), "curl's mail");
  const second = texts.find((text) => /This is a test mailing/.test(text));
  assertMatch(second ?? "", /with ESMTPS /);
  assertEquals(await server.stop(), 0);
});

interopTest("The README's demonstration runs to its end", ["deno"], async () => {
  await using folder = await copySources();
  const ran = await run("bash", ["-c", `cd ${folder.path} && ${Deno.execPath()} task demo`]);
  assertEnded(ran);
  assertMatch(ran.text, /All 8 checks hold/);
  const left = await Array.fromAsync(Deno.readDir(folder.path), ({ name }) => name);
  assertEquals(left.toSorted(), SOURCES);
});

const SOURCES = ["deno.json", "deno.lock", "mod.ts", "src", "tests"];

async function copySources(): Promise<TemporaryFolder> {
  const folder = await makeTemporaryFolder();
  assertEnded(await run("cp", ["-r", ...SOURCES.map((name) => ROOT + name), folder.path]));
  return folder;
}

/** The blocks of shell commands in the README that use a command of ours. */
async function blocksWith(command: string): Promise<string[]> {
  const readme = await Deno.readTextFile(`${ROOT}/README.md`);
  const blocks = [...readme.matchAll(/\n```sh\n([^]*?)```/g)].map(([, block]) => block!);
  return blocks.filter((block) => block.includes(command));
}

/** The words of every `yizhan` command in a block, as a shell parts them; the rest of the block is run. */
async function wordsOf(block: string, folder: Folder): Promise<string[][]> {
  const script = `cd ${folder.path}
    yizhan() { printf '%s\\0' "$@"; printf '\\n'; }
    ${block}`;
  const ran = await run("bash", ["-euc", script]);
  assertEnded(ran);
  return ran.text.split("\n").slice(0, -1).map((line) => line.split("\0").slice(0, -1));
}

/** Starts `serve` with the permissions that it asks for, and no others. */
async function startServe(words: readonly string[], folder: Folder) {
  const asked: Ended = await runYizhan(words, { flags: [], cwd: folder.path });
  const command = / run: deno run (.*)\n$/.exec(asked.stderr)?.[1];
  assert(command, asked.stderr);
  const flags = command.split(" ").filter((word) => word.startsWith("--allow-"));
  return await Program.start(words, { flags, cwd: folder.path });
}

/** A folder with what the recipes take for granted. */
async function makeHome(): Promise<Folder> {
  const folder = await Folder.make();
  const words = ["user", "add", "alice@example.org", "--users", "users", "--password-stdin"];
  const added = await runYizhan(words, { cwd: folder.path, stdin: "secret\n" });
  assertEquals(added.code, 0, added.stderr);
  await Deno.mkdir(`${folder.path}/mail`, { mode: 0o700 });
  const script = `cd ${folder.path} && openssl req -x509 -newkey ec \
    -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=mail.example.org \
    -keyout key.pem -out chain.pem -addext subjectAltName=DNS:mail.example.org`;
  assertEnded(await run("bash", ["-c", script]));
  return folder;
}

function atHome(block: string): string {
  return block.replaceAll("/srv/mail", "mail").replaceAll(/0\.0\.0\.0:\d+/g, "127.0.0.1:0");
}

interopTest(
  "The README's servers start with the permissions they ask for",
  ["deno", "openssl"],
  async () => {
    await using folder = await makeHome();
    const blocks = await blocksWith("yizhan serve ");
    assertEquals(blocks.length, 6);
    for (const block of blocks) {
      // Users are there, and what is defined would not get the words.
      const lines = atHome(block).replaceAll(/^(yizhan\(|yizhan user|mkdir).*\n/gm, "");
      for (const words of await wordsOf(lines, folder)) {
        const { program } = await startServe(words, folder);
        await using _ = program;
        program.signal("SIGINT");
        const { code, stderr } = await program.ended();
        assertEquals(code, 0, stderr);
      }
    }
  },
);

interopTest(
  "The README's commands for the queue do what they say",
  ["deno", "openssl", "curl"],
  async () => {
    await using folder = await makeHome();
    const [block] = await blocksWith("--route example.net=hold:");
    // Nobody listens there, so that the mail waits for ever.
    const there = `127.0.0.1:${findFreePort()}`;
    const [words] = await wordsOf(atHome(block!).replace("192.0.2.25", there), folder);
    const { program, ports } = await startServe(words!, folder);
    await using _ = program;
    const mail = "Subject: Hi\r\n\r\nHeld.\r\n";
    const args = ["--mail-from", "alice@example.org", "--mail-rcpt", "x@example.net"];
    const url = `smtp://127.0.0.1:${ports[0]}`;
    assertEnded(await run("curl", [url, ...args, "--upload-file", "-"], { input: mail }));
    const event = JSON.parse(await program.stdoutLine(/"delivery\.deferred"/));
    assertMatch(event.reply, /ETRN/);

    const [commands] = await blocksWith("yizhan queue ");
    const lines = atHome(commands!).replaceAll(" ID", ` ${event.message}`);
    const said: string[] = [];
    for (const words of await wordsOf(lines, folder)) {
      const ended = await runYizhan(words, { cwd: folder.path });
      assertEquals(ended.code, 0, `${words.join(" ")}: ${ended.stderr}`);
      said.push(`${ended.stdout}${ended.stderr}`);
    }
    const [list, json, show, message, held, released, retried, removed] = said;
    assertMatch(list!, /alice@example\.org → x@example\.net\n.*ETRN/);
    assertEquals(JSON.parse(json!.split("\n")[0]!).id, event.message);
    assertMatch(show!, /\nRecipient +x@example\.net +waiting/);
    assertMatch(message!, /^Received: [^]*\r\nSubject: Hi\r\n\r\nHeld\.\r\n$/);
    const { message: id } = event;
    assertEquals([held, released, retried, removed].map((text) => text?.split("\n")[0]), [
      `${id}  held`,
      `${id}  released`,
      `${id}  to be tried now`,
      `${id}  removed`,
    ]);
    const notice = JSON.parse(await program.stdoutLine(/"delivery\.done"/));
    assertEquals(notice.recipient, "alice@example.org");
    const [bounce] = await readMaildir(`${folder.path}/mail/example.org/alice`);
    assertMatch(new TextDecoder().decode(bounce!.file), /Final-Recipient: rfc822; x@example\.net/);
  },
);
