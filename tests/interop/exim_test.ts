/**
 * Exim, a mail server as our peer: it hands a mail on by BDAT (RFC 3030) where it can, pipelined, after
 * STARTTLS, and delivers by LMTP. The only one of the peers that speaks BDAT.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { DOTS, EIGHT_BIT, LONG_LINES, makeLargeBody, makeMail, withNewlines } from "./mail.ts";
import { readOnlyMail, splitTrace, traceField } from "./maildir.ts";
import { type Server, startCatcher, startStation } from "./server.ts";
import { assertEnded, assertSameOctets, findTool, interopTest, run } from "./support.ts";
import { makeTemporaryFolder } from "./support.ts";

const TO = "alice@example.test";
const ALSO = "carol@example.test";

/** Exim reads only a configuration file that belongs to root. */
const NEEDS = Deno.uid() === 0 ? ["exim4"] : ["exim4", "root"];

/** Gives a mail to Exim for both recipients, has it delivered at once, and returns Exim's log. */
async function exim(mail: Uint8Array, router: string, transport: string): Promise<string> {
  await using folder = await makeTemporaryFolder();
  await Deno.chmod(folder.path, 0o755);
  for (const name of ["spool", "log"]) {
    await Deno.mkdir(`${folder.path}/${name}`);
    assertEnded(await run("chown", ["Debian-exim:", `${folder.path}/${name}`]));
  }
  const configuration = `
exim_path = ${findTool("exim4")}
spool_directory = ${folder.path}/spool
log_file_path = ${folder.path}/log/%slog
primary_hostname = client.test
keep_environment =
begin routers
station:
  driver = ${router}
  transport = station
begin transports
station:
  ${transport}
begin retry
* * F,1h,5m
`;
  const file = await folder.write("exim.conf", configuration, 0o644);
  const args = ["-C", file, "-odf", "-i", "-f", "bob@sender.test", TO, ALSO];
  assertEnded(await run("exim4", args, { input: withNewlines(mail) }));
  return await Deno.readTextFile(`${folder.path}/log/mainlog`);
}

/** Hands a mail on by SMTP after STARTTLS. */
async function relay(server: Server, mail: Uint8Array, chunking: "*" | ""): Promise<string> {
  const { host, port } = server.endpoint();
  const router = `manualroute\n  route_list = * ${host}::${port} byname\n  self = send`;
  const transport = ["driver = smtp", "allow_localhost", "hosts_require_tls = *"];
  transport.push("tls_verify_certificates =", `hosts_try_chunking = ${chunking}`);
  return await exim(mail, router, transport.join("\n  "));
}

async function assertRelayed(server: Server, mail: Uint8Array, protocol: RegExp): Promise<void> {
  for (const to of [TO, ALSO]) {
    const { trace, message } = splitTrace((await readOnlyMail(server.maildir(to))).octets);
    assertSameOctets(message, mail, to);
    const names = trace.map((field) => field.slice(0, field.indexOf(":")));
    assertEquals(names, ["Return-Path", "Delivered-To", "Received", "Received"]);
    assertMatch(traceField(trace, "Received"), protocol);
  }
}

for (const [what, body] of Object.entries({ DOTS, EIGHT_BIT, LONG_LINES })) {
  interopTest(`Exim hands on ${what} by BDAT`, NEEDS, async () => {
    await using server = await startCatcher();
    const mail = makeMail("bdat", body);
    // "K" in Exim's log says that CHUNKING was used.
    assertMatch(await relay(server, mail, "*"), / => alice@example\.test .* K C="250 2\.0\.0 /);
    await assertRelayed(server, mail, /\bwith ESMTPS\b/);
  });
}

interopTest("Exim hands on 10 MB by BDAT", NEEDS, async () => {
  await using server = await startCatcher();
  const mail = makeMail("large", makeLargeBody(10));
  assertMatch(await relay(server, mail, "*"), / => alice@example\.test .* K C="250 2\.0\.0 /);
  await assertRelayed(server, mail, /\bwith ESMTPS\b/);
});

interopTest("Exim hands on by DATA", NEEDS, async () => {
  await using server = await startCatcher();
  const mail = makeMail("data", DOTS);
  assertMatch(await relay(server, mail, ""), / => alice@example\.test .* CV=no C="250 2\.0\.0 /);
  await assertRelayed(server, mail, /\bwith ESMTPS\b/);
});

interopTest("Exim delivers by LMTP over a unix socket", NEEDS, async () => {
  const users = { [TO]: "secret one", [ALSO]: "secret two" };
  await using server = await startStation({ users, listeners: ["lmtp-unix"] });
  const socket = `${server.folder.path}/lmtp.sock`;
  await Deno.chmod(server.folder.path, 0o755);
  await Deno.chmod(socket, 0o666);
  const mail = makeMail("lmtp", DOTS + EIGHT_BIT);
  const transport = `driver = lmtp\n  socket = ${socket}\n  batch_max = 10\n  user = Debian-exim`;
  const log = await exim(mail, "accept", transport);
  for (const to of [TO, ALSO]) assertMatch(log, new RegExp(`[=-]> \\S+ <${to}> .*C="250 2\\.`));
  await assertRelayed(server, mail, /\bwith LMTP\b/);
});
