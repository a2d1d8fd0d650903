/**
 * What the README says to type in its first minute, read from the README itself, in a copy of the sources and
 * with the permissions a task has there; and the recipes for sending mail on, with the permissions that `serve`
 * says it needs. The other commands of the documents are in `documents_test.ts`.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Ended, Folder, Program, run as runYizhan } from "../cli/program.ts";
import { blocksOf, readDocument } from "../support/documents.ts";
import { readMaildir } from "./maildir.ts";
import { BUILD } from "./newcomer.ts";
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

/** A configuration without what the recipes of `docs/relaying.md` are about. */
const STATION = `hostname: mail.example.org
domains: [example.org]
listeners:
  - { role: mx, address: "127.0.0.1:0" }
  - { role: submission, address: "127.0.0.1:0" }
tls:
  certificates: [{ certificate: chain.pem, key: key.pem }]
`;

/** A folder with what the recipes take for granted, and `yizhan init` makes. */
async function makeHome(): Promise<Folder> {
  const folder = await Folder.make();
  const words = ["user", "add", "alice@example.org", "--users", "users", "--password-stdin"];
  const added = await runYizhan(words, { cwd: folder.path, stdin: "secret\n" });
  assertEquals(added.code, 0, added.stderr);
  await Deno.mkdir(`${folder.path}/data`, { mode: 0o711 });
  const script =
    `cd ${folder.path} && (umask 077; echo PASSWORD >smtp-password) && openssl req -x509 \
    -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=mail.example.org \
    -keyout key.pem -out chain.pem -addext subjectAltName=DNS:mail.example.org`;
  assertEnded(await run("bash", ["-c", script]));
  return folder;
}

/** The flags that `serve` asks for when it has none. */
async function askedFor(folder: Folder): Promise<string[]> {
  const asked: Ended = await runYizhan(["serve"], { flags: ["--allow-read=."], cwd: folder.path });
  const command = / run: deno run (.*)\n$/.exec(asked.stderr)?.[1];
  assert(command, asked.stderr);
  return command.split(" ").filter((word) => word.startsWith("--allow-"));
}

// Another build has no permissions to ask for, and would serve.
if (BUILD.length === 0) {
  interopTest(
    "The recipes of docs/relaying.md start with the permissions they ask for",
    ["deno", "openssl"],
    async () => {
      await using folder = await makeHome();
      const blocks = blocksOf(await readDocument("docs/relaying.md"));
      const recipes = blocks.filter(({ info }) => info === "yaml");
      assert(recipes.length >= 5);
      for (const { text } of recipes) {
        await Deno.writeTextFile(`${folder.path}/yizhan.yaml`, STATION + text);
        const flags = await askedFor(folder);
        await using program = await Program.spawn(["serve"], { flags, cwd: folder.path });
        await program.stderrLine(/^ {2}submission on /);
        program.signal("SIGINT");
        const { code, stderr } = await program.ended();
        assertEquals(code, 0, stderr);
      }
    },
  );
}
