/**
 * The whole server as its users have it: curl and swaks submit mail for elsewhere, it goes on to Postfix,
 * and where the next station is dead the operator sees and changes what waits with `yizhan queue`.
 *
 * @module
 */

import { toPort } from "../support/config.ts";
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { QueueSummary } from "../../src/queue/operator/queue_view.ts";
import { findFreePort } from "../support/free_port.ts";
import { until } from "./daemon.ts";
import { DOTS, EIGHT_BIT, makeMail } from "./mail.ts";
import { splitTrace, traceField, untilMail } from "./maildir.ts";
import { POSTFIX, startPostfix } from "./postfix.ts";
import { runCommand, type Server, startStation } from "./server.ts";
import { assertEnded, assertSameOctets, interopTest, type Ran, run } from "./support.ts";
import { SINK, startSink } from "./smtp_sink.ts";

const ALICE = "alice@example.test";
const BOB = "bob@postfix.test";
const PASSWORD = "correct horse battery staple";
const HOST = "mx.example.test";

/** A server for Alice's mail that gives everything else to a port of this machine. */
function startRelay(port: number): Promise<Server> {
  return startStation({
    users: { [ALICE]: PASSWORD },
    listeners: ["submission"],
    relay: { routes: [toPort(port)] },
  });
}

/** Alice submits a mail by curl. */
async function curl(server: Server, to: string, mail: Uint8Array): Promise<void> {
  const { port } = server.endpoint("submission");
  const file = await server.folder.write("mail.eml", mail);
  const ran = await run("curl", [
    ...["-q", "-sS", "-v", "--noproxy", "*", "--max-time", "50"],
    ...["--resolve", `${HOST}:${port}:127.0.0.1`, `smtp://${HOST}:${port}/client.test`],
    ...["--ssl-reqd", "--cacert", `${server.folder.path}/${HOST}.crt`],
    ...["--user", `${ALICE}:${PASSWORD}`, "--mail-from", ALICE, "--mail-rcpt", to],
    ...["--upload-file", file],
  ]);
  assertEnded(ran);
}

interopTest("curl and swaks submit mail that goes on to Postfix", [
  ...POSTFIX,
  "curl",
  "swaks",
], async () => {
  await using postfix = await startPostfix({ mailboxes: [BOB], tls: "postfix.test" });
  await using server = await startRelay(postfix.port);
  const mail = makeMail("submitted", DOTS + EIGHT_BIT, [], ALICE);
  await curl(server, BOB, mail);
  const [first] = await untilMail(postfix.maildir(BOB), 1, postfix.log);
  const { trace, message } = splitTrace(first!.octets);
  assertSameOctets(message, mail, "by curl");
  assertEquals(traceField(trace, "Return-Path"), `<${ALICE}>`);
  await Deno.remove(first!.path);
  const { address } = server.endpoint("submission");
  const login = ["-tls", "--auth", "PLAIN", "--auth-user", ALICE, "--auth-password", PASSWORD];
  assertEnded(await run("swaks", ["--server", address, "--from", ALICE, "--to", BOB, ...login]));
  const [second] = await untilMail(postfix.maildir(BOB), 1, postfix.log);
  assertMatch(new TextDecoder().decode(second!.octets), /\r\n\r\nThis is a test mailing\r\n/);
});

/** Runs `yizhan queue` beside a server. */
function queue(server: Server, ...words: string[]): Promise<Ran> {
  const { folder } = server;
  return runCommand(folder, ["queue", ...words, "--config", `${folder.path}/yizhan.yaml`]);
}

async function list(server: Server, ...words: string[]): Promise<QueueSummary[]> {
  const ran = await queue(server, "list", "--json", ...words);
  assertEnded(ran);
  return new TextDecoder().decode(ran.stdout).split("\n").filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

interopTest("yizhan queue shows and changes the mail that waits for a dead station", [
  ...SINK,
  "curl",
], async () => {
  const port = findFreePort();
  await using server = await startRelay(port);
  const names = ["kept", "tried", "bounced", "dropped"];
  const mails = new Map(names.map((name) => [name, makeMail(name, DOTS, [], ALICE)]));
  for (const [name, mail] of mails) await curl(server, `${name}@${name}.test`, mail);
  const deferred = () => server.events.filter(({ type }) => type === "delivery.deferred");
  await until("all are deferred", () => deferred().length >= names.length);

  const ids = new Map<string, string>();
  for (const entry of await list(server)) {
    assertEquals([entry.sender, entry.attempts, entry.recipientCount], [ALICE, 1, 1]);
    assertMatch(entry.reason!, /^4\d\d 4\.4\.1 .*refused/);
    ids.set(entry.recipients[0]!.split("@")[0]!, entry.id);
  }
  assertEquals([...ids.keys()].sort(), names.toSorted());
  const idOf = (name: string) => ids.get(name)!;
  const table = await queue(server, "list");
  assertEnded(table);
  for (const id of ids.values()) assertStringIncludes(table.text, id);
  assertEquals((await list(server, "--to", "kept.test")).map(({ id }) => id), [idOf("kept")]);

  const shown = await queue(server, "show", idOf("tried"));
  assertEnded(shown);
  assertStringIncludes(shown.text, "tried@tried.test");
  assertStringIncludes(shown.text, "Connection refused");
  assertStringIncludes(shown.text, "Subject: tried");
  const whole = await queue(server, "show", idOf("tried"), "--message");
  assertEnded(whole);
  assertSameOctets(splitTrace(whole.stdout).message, mails.get("tried")!, "show --message");

  assertEnded(await queue(server, "hold", idOf("kept"), "--reason", "ask Alice first"));
  assertEnded(await queue(server, "remove", idOf("bounced"), "--bounce"));
  assertEnded(await queue(server, "remove", idOf("dropped")));
  const [notice] = await untilMail(server.maildir(ALICE));
  assertMatch(
    new TextDecoder().decode(notice!.octets),
    /^Final-Recipient: rfc822; bounced@bounced\.test\r$/m,
  );
  assertEnded(await queue(server, "remove", idOf("dropped")), 66);

  await using sink = await startSink([], port);
  assertEnded(await queue(server, "retry", "--all"));
  const [taken] = await sink.taken();
  assertEquals(taken!.facts.get("X-Rcpt-Args"), "<tried@tried.test>");
  assertSameOctets(splitTrace(taken!.message).message, mails.get("tried")!, "after retry");
  const [kept, ...others] = await list(server);
  assertEquals(others, []);
  assertEquals([kept!.id, kept!.state, kept!.next], [idOf("kept"), "held", null]);
  assertEquals(kept!.reason, "ask Alice first");

  assertEnded(await queue(server, "release", idOf("kept")));
  await sink.taken(2);
  await until("the queue is empty", async () => (await list(server)).length === 0);
  await server.stop();
  assertEnded(await queue(server, "list"), 69);
});
