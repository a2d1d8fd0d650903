/**
 * curl (libcurl): SMTP and SMTPS with certificates that are verified, AUTH with and without an initial
 * response, internationalised addresses, announced sizes.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { DOTS, EIGHT_BIT, LONG_LINES, makeLargeBody, makeMail } from "./mail.ts";
import { assertDelivered, readMaildir, readOnlyMail, traceField } from "./maildir.ts";
import { type Server, startCatcher, startStation } from "./server.ts";
import { assertEnded, interopTest, type Ran, run } from "./support.ts";

const TO = "alice@example.test";
const PASSWORD = "correct horse battery staple";
const HOST = "mx.example.test";

/** How curl is to send. */
interface Sending {
  readonly scheme?: "smtp" | "smtps";
  readonly listener?: string;
  readonly from?: string;
  readonly to?: string;
  readonly args?: readonly string[];
}

/** Sends a mail as it is; the name of the host is resolved to the listener for SNI and verification. */
async function curl(server: Server, mail: Uint8Array, sending: Sending = {}): Promise<Ran> {
  return await upload(server, await server.folder.write("mail.eml", mail), sending);
}

async function upload(server: Server, file: string, sending: Sending): Promise<Ran> {
  const { port } = server.endpoint(sending.listener);
  return await run("curl", [
    ...["-q", "-sS", "-v", "--noproxy", "*", "--max-time", "50"],
    ...["--resolve", `${HOST}:${port}:127.0.0.1`],
    `${sending.scheme ?? "smtp"}://${HOST}:${port}/client.test`,
    ...["--mail-from", sending.from ?? "bob@sender.test", "--mail-rcpt", sending.to ?? TO],
    ...["--upload-file", file, ...sending.args ?? []],
  ]);
}

const BODIES: Record<string, string> = {
  "dots at line starts": DOTS,
  "octets that are not ASCII": EIGHT_BIT,
  "lines of 998 octets": LONG_LINES,
  "an empty line only": "\r\n",
  "20 MB": makeLargeBody(20),
};

for (const [what, body] of Object.entries(BODIES)) {
  interopTest(`curl uploads a body of ${what}`, ["curl"], async () => {
    await using server = await startCatcher();
    const mail = makeMail("body", body);
    assertEnded(await curl(server, mail));
    assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
  });
}

interopTest("curl insists on STARTTLS", ["curl"], async () => {
  await using server = await startCatcher();
  const mail = makeMail("tls", "Hello, Alice.\r\n");
  assertEnded(await curl(server, mail, { args: ["--ssl-reqd", "--insecure"] }));
  const trace = assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
  assertMatch(traceField(trace, "Received"), /\bwith ESMTPS\b/);
});

interopTest("curl sends from the null sender", ["curl"], async () => {
  await using server = await startCatcher();
  const mail = makeMail("null sender", "Bounced.\r\n");
  assertEnded(await curl(server, mail, { from: "" }));
  const trace = assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
  assertEquals(traceField(trace, "Return-Path"), "<>");
});

interopTest("curl sends to an address that is not ASCII (SMTPUTF8)", ["curl"], async () => {
  await using server = await startCatcher();
  const mail = makeMail("smtputf8", "Hello.\r\n");
  assertEnded(await curl(server, mail, { to: "驿站@example.test" }));
  const trace = assertDelivered(await readOnlyMail(server.maildir("驿站@example.test")), mail);
  assertMatch(traceField(trace, "Received"), /\bwith UTF8SMTP\b/);
});

interopTest("curl announces a size over the limit and is refused before it sends", [
  "curl",
], async () => {
  await using server = await startStation({ users: { [TO]: PASSWORD }, listeners: ["mx"] });
  const ran = await curl(server, makeMail("small", "Hello.\r\n"), { listener: "mx" });
  const limit = Number(ran.text.match(/250[- ]SIZE (\d+)/)?.[1]);
  const path = await server.folder.write("huge.eml", "");
  await Deno.truncate(path, limit + 1);
  const refused = await upload(server, path, { listener: "mx" });
  assertMatch(refused.text, new RegExp(`> MAIL FROM:<bob@sender\\.test> SIZE=${limit + 1}\\b`));
  assertMatch(refused.text, /< 552 5\.3\.4 /);
});

interopTest("curl asks with VRFY and HELP", ["curl"], async () => {
  await using server = await startStation({ users: { [TO]: PASSWORD }, listeners: ["mx"] });
  const { address } = server.endpoint("mx");
  const args = ["-q", "-sS", "-v", "--noproxy", "*", `smtp://${address}`];
  assertMatch((await run("curl", [...args, "--mail-rcpt", TO])).text, /< 252 2\.[05]\.\d /);
  assertMatch((await run("curl", [...args, "--request", "HELP"])).text, /< 214 2\.0\.0 /);
});

for (const mechanism of ["PLAIN", "LOGIN"]) {
  for (const initial of [[], ["--sasl-ir"]]) {
    const response = initial.length > 0 ? "an initial response" : "a challenge first";
    interopTest(`curl submits by AUTH ${mechanism} with ${response}`, ["curl"], async () => {
      const users = { [TO]: PASSWORD };
      await using server = await startStation({ users, listeners: ["submission"] });
      const mail = makeMail("auth", "Note to self.\r\n", [], TO);
      const args = ["--ssl-reqd", "--cacert", `${server.folder.path}/${HOST}.crt`, ...initial];
      args.push("--user", `${TO}:${PASSWORD}`, "--login-options", `AUTH=${mechanism}`);
      assertEnded(await curl(server, mail, { listener: "submission", from: TO, args }));
      const trace = assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
      assertMatch(traceField(trace, "Received"), /\bwith ESMTPSA\b/);
    });
  }
}

interopTest("curl submits over smtps and verifies the certificate", ["curl"], async () => {
  await using server = await startStation({
    users: { [TO]: PASSWORD },
    listeners: ["submissions"],
  });
  const mail = makeMail("smtps", "Note to self.\r\n", [], TO);
  const args = ["--cacert", `${server.folder.path}/${HOST}.crt`, "--user", `${TO}:${PASSWORD}`];
  const sending = { scheme: "smtps", listener: "submissions", from: TO, args } as const;
  assertEnded(await curl(server, mail, sending));
  const trace = assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
  assertMatch(traceField(trace, "Received"), /\bwith ESMTPSA\b/);
});

interopTest("curl is refused with a wrong password", ["curl"], async () => {
  await using server = await startStation({
    users: { [TO]: PASSWORD },
    listeners: ["submissions"],
  });
  const mail = makeMail("wrong", "Note to self.\r\n", [], TO);
  const args = ["--insecure", "--user", `${TO}:wrong`];
  const sending = { scheme: "smtps", listener: "submissions", from: TO, args } as const;
  const ran = await curl(server, mail, sending);
  const CURLE_LOGIN_DENIED = 67;
  assertEnded(ran, CURLE_LOGIN_DENIED);
  assertMatch(ran.text, /< 535 5\.7\.8 /);
  assertEquals(await readMaildir(server.maildir(TO)), []);
});
