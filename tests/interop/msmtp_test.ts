/**
 * msmtp, the sendmail of many a small machine: its way through STARTTLS, every AUTH mechanism it has
 * (GNU SASL), and LMTP.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { until } from "./daemon.ts";
import { DOTS, EIGHT_BIT, makeMail, withNewlines } from "./mail.ts";
import { assertDelivered, readMaildir, readOnlyMail, traceField } from "./maildir.ts";
import { type Server, startCatcher, startStation } from "./server.ts";
import { assertEnded, interopTest, type Ran, run } from "./support.ts";

const TO = "alice@example.test";
const PASSWORD = "correct horse battery staple";

/** Settings of msmtp's configuration file. */
type Settings = Record<string, string>;

/** Sends a mail read from standard input, as a program calls sendmail. */
async function msmtp(
  server: Server,
  listener: string | undefined,
  mail: Uint8Array,
  settings: Settings = {},
  recipients: readonly string[] = [TO],
): Promise<Ran> {
  const { host, port } = server.endpoint(listener);
  const all: Settings = { host, port: String(port), from: "bob@sender.test", ...settings };
  all["domain"] = "client.test";
  const lines = Object.entries(all).map(([name, value]) => `${name} ${value}\n`);
  const file = await server.folder.write("msmtprc", `account default\n${lines.join("")}`);
  const args = ["-C", file, "--debug", "--", ...recipients];
  return await run("msmtp", args, { input: withNewlines(mail) });
}

/** TLS with the certificate verified. */
function tls(server: Server, starttls: "on" | "off"): Settings {
  const file = `${server.folder.path}/mx.example.test.crt`;
  return { tls: "on", "tls_starttls": starttls, "tls_trust_file": file };
}

function login(mechanism: string, password = PASSWORD): Settings {
  return { from: TO, auth: mechanism, user: TO, password: `"${password}"` };
}

interopTest("msmtp sends in the clear, dots and eight bits and all", ["msmtp"], async () => {
  await using server = await startCatcher();
  const mail = makeMail("plain", DOTS + EIGHT_BIT);
  assertEnded(await msmtp(server, undefined, mail));
  assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
});

interopTest("msmtp logs in to the catcher after STARTTLS", ["msmtp"], async () => {
  await using server = await startCatcher();
  const mail = makeMail("tls", "Hello, Alice.\r\n");
  const settings = { ...login("plain"), tls: "on", "tls_certcheck": "off" };
  assertEnded(await msmtp(server, undefined, mail, settings));
  const trace = assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
  assertMatch(traceField(trace, "Received"), /\bwith ESMTPSA\b/);
});

interopTest("msmtp delivers to the MX after STARTTLS with a certificate it trusts", [
  "msmtp",
], async () => {
  await using server = await startStation({ users: { [TO]: PASSWORD }, listeners: ["mx"] });
  const mail = makeMail("mx", "Hello, Alice.\r\n");
  assertEnded(await msmtp(server, "mx", mail, tls(server, "on")));
  assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
});

for (const mechanism of ["plain", "login", "scram-sha-256"]) {
  for (const listener of ["submission", "submissions"]) {
    interopTest(`msmtp logs in to ${listener} by ${mechanism}`, ["msmtp"], async () => {
      await using server = await startStation({
        users: { [TO]: PASSWORD },
        listeners: [listener],
      });
      const mail = makeMail("auth", "Note to self.\r\n", [], TO);
      const secured = tls(server, listener === "submission" ? "on" : "off");
      const settings = { ...login(mechanism), ...secured };
      assertEnded(await msmtp(server, listener, mail, settings));
      const trace = assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
      assertMatch(traceField(trace, "Received"), /\bwith ESMTPSA\b/);
      const event = await until(
        "the login is logged",
        () => server.events.find((event) => event.type === "auth.succeeded"),
      );
      assertEquals(event.mechanism.toLowerCase(), mechanism);
    });
  }
}

for (const mechanism of ["plain", "login", "scram-sha-256"]) {
  interopTest(`msmtp is refused by ${mechanism} with a wrong password`, ["msmtp"], async () => {
    await using server = await startStation({
      users: { [TO]: PASSWORD },
      listeners: ["submissions"],
    });
    const mail = makeMail("wrong", "Note to self.\r\n", [], TO);
    const settings = { ...login(mechanism, "wrong"), ...tls(server, "off") };
    const ran = await msmtp(server, "submissions", mail, settings);
    const EX_NOPERM = 77;
    assertEnded(ran, EX_NOPERM);
    assertMatch(ran.text, /535 5\.7\.8 /);
    assertEquals(await readMaildir(server.maildir(TO)), []);
  });
}

interopTest("msmtp is told of an unknown user", ["msmtp"], async () => {
  await using server = await startStation({ users: { [TO]: PASSWORD }, listeners: ["mx"] });
  const mail = makeMail("unknown", "Hello.\r\n");
  const ran = await msmtp(server, "mx", mail, {}, ["nobody@example.test"]);
  const EX_NOUSER = 65;
  assertEnded(ran, EX_NOUSER);
  assertMatch(ran.text, /550 5\.1\.1 /);
});

interopTest("msmtp delivers by LMTP to two mailboxes", ["msmtp"], async () => {
  const users = { [TO]: PASSWORD, "carol@example.test": PASSWORD };
  await using server = await startStation({ users, listeners: ["lmtp"] });
  const mail = makeMail("lmtp", DOTS);
  assertEnded(await msmtp(server, "lmtp", mail, { protocol: "lmtp" }, Object.keys(users)));
  for (const user of Object.keys(users)) {
    assertDelivered(await readOnlyMail(server.maildir(user)), mail);
  }
});
