/**
 * `yizhan init`: a configuration, a first user, keys and a certificate for a domain, in a folder where nothing of
 * the kind is yet; and the DNS records to publish.
 *
 * What is asked is `init_answers.ts`, what is written `init_files.ts`.
 *
 * @module
 */

import { domainRecords, hostRecords, type MailHost } from "../admin/dns_records.ts";
import { formatZones } from "../admin/zone_text.ts";
import type { Files } from "../runtime/files.ts";
import type { Command, CommandLine, Flag } from "./command.ts";
import { folderNeeds } from "./data_folder.ts";
import { formatJsonLine, recordAsJson } from "./dns_text.ts";
import { CommandError, EXIT, type ExitCode, UsageError } from "./exit.ts";
import { findAnswers, type InitAnswers, LISTEN_LOCAL, LISTEN_OPEN } from "./init_answers.ts";
import { CONFIG_NAME, type InitResult, writeStation } from "./init_files.ts";
import { thisRuntime } from "./machine.ts";
import { mayRead, requirePermissions } from "./permissions.ts";
import { formatShellWord } from "./shell_word.ts";
import { say } from "./terminal.ts";
import { explainFailure } from "./trouble.ts";

const FLAGS = {
  domain: { value: "DOMAIN", help: "What stands behind the @ of your addresses" },
  hostname: { value: "NAME", help: "This machine's name in DNS (default mail.DOMAIN)" },
  address: {
    value: "IP",
    multiple: true,
    help: "This machine's addresses in DNS, IPv4 and IPv6; may be said later",
  },
  user: { value: "ADDRESS", help: "The first user (default postmaster@DOMAIN)" },
  data: { value: "DIR", help: "Where mail and queue will be (default data, beside yizhan.yaml)" },
  "password-stdin": { help: "Take the user's password from standard input; ask nothing" },
  yes: {
    help: "Ask nothing: what no flag says is as proposed, the password is made and shown once",
  },
  local: { help: "To try it here: ports 2525, 2587 and 2465 of 127.0.0.1, which need no root" },
  json: { help: "Print one JSON object: the files, the records, and a password that was made" },
} satisfies Record<string, Flag>;

/** The command. */
export const init: Command = {
  name: "init",
  usage: "[DIR] [FLAGS]",
  description: [
    "Makes in DIR (default: here) all that a mail server for a domain begins with:",
    "",
    "yizhan.yaml         the configuration; yizhan.schema.json beside it is for editors",
    "users               the first user",
    "dkim/DOMAIN/*.pem   the DKIM keys (RSA of 2048 bits, and Ed25519) that sign what you send",
    "tls/                a certificate, signed by itself, until you have one of an authority",
    "data/               where mail and queue will be; elsewhere with --data",
    "",
    "It asks for what no flag says, on a terminal. Nothing that is there is changed: with a yizhan.yaml in",
    "DIR it ends at once, and keys, certificate and users that are there are kept.",
    "",
    "Run it as the user the server will run as: the files belong to whoever makes them.",
    "",
    "The DNS records to publish go to standard output, as a zone file; yizhan dns --records prints them",
    "again.",
    "",
    "Exit codes: 0 done, 73 there is a yizhan.yaml already, or a file cannot be made.",
  ].join("\n"),
  flags: FLAGS,
  examples: [
    "init",
    "init try --domain example.org --local --yes",
    "init /etc/yizhan --data /var/lib/yizhan --domain example.org --address 192.0.2.25",
  ],
  run: runInit,
};

async function runInit(line: CommandLine, words: readonly string[]): Promise<ExitCode> {
  const [given = ".", extra] = line.operands;
  if (extra !== undefined) throw new UsageError(`init takes one folder; what is ${extra} for?`);
  const folder = given.replace(/(?<=.)\/+$/, "");
  const runtime = thisRuntime();
  try {
    await demandPermissions(runtime.files, folder, words);
    const data = line.value("data") ?? "";
    if (data.startsWith("/")) await demandPermissions(runtime.files, data, words);
    await demandNothingThere(runtime.files, folder);
    const answers = await findAnswers(line, runtime.random);
    const result = await writeStation(runtime, folder, answers);
    if (line.has("json")) console.log(formatJsonLine(asJson(folder, answers, result)));
    else tell(folder, answers, result);
    return EXIT.ok;
  } catch (error) {
    throw explainFailure(folder, error) ?? error;
  }
}

/** The folder may have to be made, and those it lies in. */
async function demandPermissions(files: Files, folder: string, words: readonly string[]) {
  const demand = ({ read, write }: { readonly read: string; readonly write: string }) =>
    requirePermissions({ read: [read], write: [write], listen: [], sys: [] }, words);
  demand(await folderNeeds(files, folder, mayRead, demand));
}

/** Before anything is asked: nobody should answer for nothing. */
async function demandNothingThere(files: Files, folder: string): Promise<void> {
  const file = pathIn(folder, CONFIG_NAME);
  if (await files.stat(file) === null) return;
  throw new CommandError(
    EXIT.cantCreate,
    `${file} exists, and init changes nothing that is there: edit it (then yizhan check), add users with ` +
      "yizhan user add, see the DNS records with yizhan dns --records, or name another folder",
  );
}

function pathIn(folder: string, name: string): string {
  return folder === "." ? name : `${folder}/${name}`;
}

/** What the DNS records go by. */
function describeHost({ hostname, addresses, local }: InitAnswers): MailHost {
  const { submission, submissions } = local ? LISTEN_LOCAL : LISTEN_OPEN;
  const ports = { submission: submission.port, submissions: submissions.port };
  return { hostname, addresses, ...(local ? {} : ports) };
}

/** What tells other commands where the configuration is; nothing where they find it by themselves. */
function configFlag(folder: string): string {
  return folder === "." ? "" : ` --config ${formatShellWord(pathIn(folder, CONFIG_NAME))}`;
}

/** A command to type next, and what for. */
type Next = readonly [command: string, why: string];

function nextCommands(folder: string, { local, user }: InitAnswers): Next[] {
  const config = configFlag(folder);
  const mail = `echo 'Subject: hello' | yizhan send${config} ${formatShellWord(user)}`;
  return [
    [`yizhan check${config}`, "is all as it should be?"],
    [`yizhan serve${config}`, "runs the server"],
    local
      ? [mail, "a first mail, from another terminal"]
      : [`yizhan dns${config}`, "do the records say what they should?"],
  ];
}

function tell(folder: string, answers: InitAnswers, result: InitResult): void {
  const { domain, hostname, user, local, password } = answers;
  for (const { path, kept } of result.files) say(`${kept ? "kept " : "wrote"}  ${path}`);
  if (result.userKept) say(`\n${user} was there already, and keeps its password.`);
  else if (password.made) {
    say(`\nThe password of ${user}, which is shown only now: ${password.text}`);
  }
  if (local) {
    say(`\nThis is to try: nobody else can reach it. The DNS records of a real one:`);
    say(`  yizhan dns --records${configFlag(folder)}`);
  } else {
    say(`\nPublish in DNS, with whoever holds ${domain}:\n`);
    console.log(formatZones(describeHost(answers), [{ domain, dkim: result.keys }]).trimEnd());
    say(
      `\nThe certificate is signed by itself: mail programs will warn until ${hostname} has one of an`,
    );
    say(`authority. yizhan.yaml says where to name it.`);
  }
  say("\nNext:");
  const next = nextCommands(folder, answers);
  const widest = Math.max(...next.map(([command]) => command.length));
  for (const [command, why] of next) say(`  ${command.padEnd(widest)}   # ${why}`);
}

function asJson(folder: string, answers: InitAnswers, result: InitResult) {
  const { domain, hostname, user, password } = answers;
  const host = describeHost(answers);
  const records = [...hostRecords(host), ...domainRecords(host, { domain, dkim: result.keys })];
  return {
    domain,
    hostname,
    user,
    ...(password.made && !result.userKept && { password: password.text }),
    files: result.files,
    records: records.map(recordAsJson),
    next: nextCommands(folder, answers).map(([command]) => command),
  };
}
