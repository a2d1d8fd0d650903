/**
 * The shell commands of the documents, typed as they stand there: the blocks of a page one after the other, in
 * a folder of its own. Only ports, `/etc/yizhan` and `/var/lib/yizhan` are put elsewhere, `serve` goes on in
 * the background as in another terminal, and passwords are typed. Blocks that are marked `sh no-run` need
 * other machines, or root.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { DnsZones } from "../../src/runtime/dns_zones.ts";
import { formatNameServer } from "../../src/runtime/resolv_conf.ts";
import { DnsServer } from "../support/dns_server.ts";
import { blocksOf, readDocument, ROOT } from "../support/documents.ts";
import { findFreePort } from "../support/free_port.ts";
import {
  assertEnded,
  findTool,
  interopTest,
  makeTemporaryFolder,
  type Ran,
  run,
  type TemporaryFolder,
} from "./support.ts";

const PASSWORD = "wonderland";

/** The program under test. */
const PROGRAM = Deno.env.get("TEST_COMMAND") ??
  `${Deno.execPath()} run --no-prompt --quiet --no-check -A ${ROOT}src/cli/main.ts`;

/**
 * The command `yizhan` of a page. `serve` is started and left alone once it listens. What a person who types the
 * next line would not notice is waited for: that mail in the drop folder is taken, and users are seen. `sendmail`
 * finds no configuration in the folder where it is called, only in /etc.
 */
const YIZHAN = `#!/bin/bash
set -euo pipefail
case "$*" in
  serve*)
    mkfifo "$HOME/said"
    ${PROGRAM} "$@" >>"$HOME/log" 2>"$HOME/said" &
    echo $! >>"$HOME/pids"
    exec 3<"$HOME/said"
    while read -r line <&3; do
      echo "$line"
      case "$line" in *"submissions on"*) cat <&3 >>"$HOME/errors" 2>&1 & exit 0 ;; esac
    done
    exit 1 ;;
  init*--yes* | *--password-stdin*) ${PROGRAM} "$@" ;;
  init* | "user add"* | "user passwd"*) ${PROGRAM} "$@" --password-stdin <<<${PASSWORD} ;;
  sendmail*) YIZHAN_CONFIG="$PWD/yizhan.yaml" ${PROGRAM} "$@" ;;
  *) ${PROGRAM} "$@" ;;
esac
case "$1" in
  user) [ ! -e "$HOME/pids" ] || ${PROGRAM} reload ;;
  init) find "$HOME" -name yizhan.yaml -exec sed -i -f "$HOME/ports.sed" {} + ;;
  send*) for _ in {1..300}; do ls "$PWD"/data/drop/mail-* >/dev/null 2>&1 || break; sleep 0.1; done ;;
esac
`;

/** `sudo -u yizhan`: whoever runs the tests is the server's user. */
const SUDO = `#!/bin/bash
[ "$1 $2" = "-u yizhan" ] || { echo "sudo $*: not in a test" >&2; exit 99; }
shift 2
exec "$@"
`;

/** A folder in which the commands of one page are typed. */
interface Terminal extends AsyncDisposable {
  readonly folder: TemporaryFolder;
  /** What stands for the path of a page. */
  place(text: string): string;
  /** Runs a script to its end, which must be a good one. */
  type(script: string): Promise<Ran>;
}

async function openTerminal(): Promise<Terminal> {
  const names = await DnsServer.start(new DnsZones({}));
  const folder = await makeTemporaryFolder();
  const home = folder.path;
  const ports = new Map<string, string>();
  for (const address of ["127.0.0.1:2525", "127.0.0.1:2587", "127.0.0.1:2465"]) {
    ports.set(address, `127.0.0.1:${findFreePort()}`);
  }
  for (const address of ["[::]:25", "[::]:587", "[::]:465"]) {
    ports.set(`"${address}"`, `"127.0.0.1:${findFreePort()}"`);
  }
  await Deno.mkdir(`${home}/bin`);
  for (const name of ["etc/yizhan", "var/lib/yizhan", "here"]) {
    await Deno.mkdir(`${home}/${name}`, { recursive: true });
  }
  await folder.write("bin/yizhan", YIZHAN, 0o755);
  await folder.write("bin/sudo", SUDO, 0o755);
  const replaced = Array.from(
    ports,
    ([from, to]) => `s/${from.replaceAll(/[[\].]/g, "\\$&")}/${to}/\n`,
  );
  await folder.write("ports.sed", replaced.join(""));
  const place = (text: string) => {
    for (const [from, to] of ports) text = text.replaceAll(from, to);
    return text.replaceAll(/(?<![\w.])\/(etc|var\/lib)\/yizhan/g, `${home}/$1/yizhan`)
      .replaceAll("/tmp/yizhan-users", `${home}/yizhan-users`);
  };
  const env = {
    HOME: home,
    PATH: `${home}/bin:${Deno.env.get("PATH")}`,
    YIZHAN_CONFIG: "",
    YIZHAN_RELAY__NAME_SERVERS: JSON.stringify([formatNameServer(names.server)]),
    DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`,
    NO_COLOR: "1",
  };
  return {
    folder,
    place,
    async type(script) {
      const ran = await run("bash", ["-euo", "pipefail", "-c", `cd ${home}/here\n${script}`], {
        env,
        limit: 120_000,
      });
      const log = await Deno.readTextFile(`${home}/log`).catch(() => "");
      assertEnded({ ...ran, text: `${script}\n${ran.text}\n${log}` });
      return ran;
    },
    async [Symbol.asyncDispose]() {
      const pids = await Deno.readTextFile(`${home}/pids`).catch(() => "");
      for (const pid of pids.split("\n").filter((line) => line !== "")) {
        await run("bash", ["-c", `kill ${pid} && tail --pid=${pid} -f /dev/null`]);
      }
      await names[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** What is typed on a page, in order; without what needs a catcher or other programs. */
async function scriptOf(path: string): Promise<string> {
  const blocks = blocksOf(await readDocument(path));
  const ours = blocks.filter(({ info, text }) =>
    info === "sh" && /\b(?:yizhan|umask) /.test(text) && !text.includes("ID")
  );
  assert(ours.length > 0, `${path} has no commands that could be run`);
  return ours.map(({ text }) => text).join("\n");
}

const STATION = "yizhan init . --domain example.org --local --yes\n";

interopTest("The README's mail server works as it says", ["deno"], async () => {
  await using terminal = await openTerminal();
  const ran = await terminal.type(terminal.place(await scriptOf("README.md")));
  assertMatch(ran.text, /\n\S+mail\.example\.org,S=\d+/); // The mail, in new/.
  assertMatch(ran.text, /alice@example\.org: the mailbox alice@example\.org/);
  assertMatch(ran.text, /the queue is empty/);
  assertMatch(ran.text, /serves as mail\.example\.org: process/);
  assertMatch(ran.text, /reloaded/);
});

interopTest("docs/setup.md: a domain is set up, and Dovecot knows the passwords", [
  "deno",
  "doveadm",
], async () => {
  await using terminal = await openTerminal();
  const { folder, place } = terminal;
  // They find it in /etc by themselves.
  const script = (await scriptOf("docs/setup.md")).replaceAll(
    /yizhan (dns|check)/g,
    `yizhan $1 --config ${folder.path}/etc/yizhan/yizhan.yaml`,
  );
  const ran = await terminal.type(place(script));
  assertMatch(ran.text, /^mail\.example\.org\. \d+ IN AAAA 2001:db8::25$/m);
  assertMatch(ran.text, /ok +users +\S+: 1 user, 0 aliases, 1 domain$/m);
  const users = await Deno.readTextFile(`${folder.path}/yizhan-users`);
  const [name, verifier = ""] = users.trim().split(/:(.*)/);
  assertEquals(name, "alice@example.org");
  assertEnded(await run("doveadm", ["pw", "-t", verifier, "-p", PASSWORD]));

  const page = await readDocument("docs/setup.md");
  const conf = blocksOf(page).find(({ text }) => text.includes("mail_location"));
  const given = place(conf!.text).replaceAll("/etc/dovecot/yizhan-users", "/dev/null")
    .replaceAll("=yizhan ", "=nobody ");
  const file = await folder.write("dovecot.conf", given);
  const read = await run("doveconf", ["-n", "-c", file]);
  assertEnded(read);
  assertMatch(read.text, /mail_location = maildir:\S+\/mail\/%Ld\/%Ln/);
});

interopTest("docs/setup.md: its script takes certificates of certbot and of lego", [
  "deno",
], async () => {
  await using terminal = await openTerminal();
  const { folder, place } = terminal;
  const blocks = blocksOf(await readDocument("docs/setup.md"));
  const script = blocks.find(({ text }) => text.startsWith("#!/bin/sh"))!.text
    .replaceAll("-o yizhan -g yizhan ", "");
  const path = await folder.write("deploy", place(script), 0o755);
  const tls = `${folder.path}/etc/yizhan/tls`;
  await Deno.mkdir(tls);
  for (const [file, text] of [["fullchain.pem", "1"], ["privkey.pem", "2"]] as const) {
    await folder.write(file, text);
  }
  assertEnded(await run("sh", [path], { env: { RENEWED_LINEAGE: folder.path } }));
  assertEquals(await Deno.readTextFile(`${tls}/certificate.pem`), "1");
  assertEquals(await Deno.readTextFile(`${tls}/key.pem`), "2");
  assertEquals((await Deno.stat(`${tls}/key.pem`)).mode! & 0o777, 0o600);
  const env = {
    LEGO_CERT_PATH: await folder.write("a.crt", "3"),
    LEGO_CERT_KEY_PATH: await folder.write("a.key", "4"),
  };
  assertEnded(await run("sh", [path], { env }));
  assertEquals(await Deno.readTextFile(`${tls}/certificate.pem`), "3");
  assertEquals(await Deno.readTextFile(`${tls}/key.pem`), "4");
  // Neither of them: nothing is taken away.
  const none = await run("sh", [path]);
  assert(none.code !== 0, none.text);
  assertEquals(await Deno.readTextFile(`${tls}/key.pem`), "4");
});

interopTest("docs/users.md: users come and go, and programs send", ["deno"], async () => {
  await using terminal = await openTerminal();
  const script = `${STATION}yizhan serve\n${await scriptOf("docs/users.md")}`;
  const ran = await terminal.type(terminal.place(script));
  assertMatch(ran.text, /alice@example\.org.*1G/);
  const mail = `${terminal.folder.path}/here/data/mail/example.org/alice/new`;
  const subjects: string[] = [];
  for await (const { name } of Deno.readDir(mail)) {
    const text = await Deno.readTextFile(`${mail}/${name}`);
    subjects.push(/^Subject: (.*)$/m.exec(text)?.[1] ?? "");
  }
  assertEquals(subjects.toSorted(), ["Backup done", "Both ways"]);
  const users = await Deno.readTextFile(`${terminal.folder.path}/here/users`);
  assert(!users.includes("bob@example.org"), users);
});

interopTest("docs/relaying.md: the password's file is closed to others", ["deno"], async () => {
  await using terminal = await openTerminal();
  await terminal.type(await scriptOf("docs/relaying.md"));
  const { mode } = await Deno.stat(`${terminal.folder.path}/here/smtp-password`);
  assertEquals(mode! & 0o777, 0o600);
});

interopTest("docs/configuration.md: the schema is printed", ["deno"], async () => {
  await using terminal = await openTerminal();
  await terminal.type(await scriptOf("docs/configuration.md"));
  const schema = await Deno.readTextFile(`${terminal.folder.path}/here/yizhan.schema.json`);
  assert("hostname" in JSON.parse(schema).properties);
});

interopTest("docs/queue.md: the operator's commands do what they say", ["deno"], async () => {
  await using terminal = await openTerminal();
  const { folder, type } = terminal;
  // Nobody listens there, so the mail waits.
  const route = `{ domains: [example.net], via: { kind: hold, then: { kind: smarthost, ` +
    `host: 127.0.0.1, port: ${findFreePort()} } } }`;
  await type(`${STATION}printf '\\nrelay:\\n  routes:\\n    - %s\\n' '${route}' >>yizhan.yaml
    yizhan serve
    printf 'Subject: Hi\\n\\nHeld.\\n' | yizhan send -f postmaster@example.org x@example.net`);
  const [first] = (await type("yizhan queue list --json")).text.split("\n");
  const { id } = JSON.parse(first!);

  const blocks = blocksOf(await readDocument("docs/queue.md"));
  const commands = blocks.find(({ text }) => text.includes("yizhan queue list"))!.text;
  const said: string[] = [];
  for (const line of commands.trim().split("\n")) {
    said.push((await type(line.replaceAll(" ID", ` ${id}`))).text);
  }
  const [list, json, show, message, ...changes] = said;
  assertMatch(list!, /postmaster@example\.org → x@example\.net\n.*ETRN/);
  assertEquals(JSON.parse(json!.split("\n")[0]!).id, id);
  assertMatch(show!, /\nRecipient +x@example\.net +waiting/);
  assertMatch(
    message!,
    /^DKIM-Signature: [^]*\r\nReceived: [^]*\r\nSubject: Hi\r\n[^]*\r\n\r\nHeld\.\r\n$/,
  );
  assertEquals(changes.map((text) => text.split("\n")[0]), [
    `${id}  held`,
    `${id}  released`,
    `${id}  to be tried now`,
    `${id}  removed`,
  ]);
  const log = await Deno.readTextFile(`${folder.path}/log`);
  assertMatch(log, /"type":"queue\.changed",[^\n]*"action":"bounced"/);
});

interopTest("docs/abuse.md: bans are listed, made and ended", ["deno"], async () => {
  await using terminal = await openTerminal();
  await terminal.type(`${STATION}yizhan serve`);
  const said: string[] = [];
  for (const line of (await scriptOf("docs/abuse.md")).trim().split("\n")) {
    said.push((await terminal.type(line)).text.trim());
  }
  assertEquals(said, [
    "nobody is banned",
    "192.0.2.0/24  7 d  by the operator: floods us",
    "192.0.2.0/24  banned no more",
  ]);
});

interopTest("every page with commands is typed here", ["deno"], async () => {
  findTool("bash");
  const typed = ["README.md", "docs/abuse.md", "docs/configuration.md", "docs/queue.md"];
  typed.push("docs/relaying.md", "docs/setup.md", "docs/users.md");
  const found: string[] = ["README.md"];
  for await (const { name } of Deno.readDir(`${ROOT}docs`)) {
    if (!name.endsWith(".md") || name.includes(".zh-CN.")) continue;
    const blocks = blocksOf(await readDocument(`docs/${name}`));
    if (blocks.some(({ info, text }) => info === "sh" && /\b(?:yizhan|umask) /.test(text))) {
      found.push(`docs/${name}`);
    }
  }
  assertEquals(found.toSorted(), typed);
});
