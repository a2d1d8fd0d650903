/**
 * Python's smtplib, what scripts and web applications send with: its own dot-stuffing, SMTPUTF8, AUTH,
 * LMTP; and, from a bare socket, what smtplib itself would never do or tell.
 *
 * @module
 */

import { assertEquals, assertGreater, assertMatch } from "@std/assert";
import { until } from "./daemon.ts";
import { DOTS, EIGHT_BIT, LONG_LINES, makeLargeBody, makeMail } from "./mail.ts";
import { assertDelivered, readMaildir, readOnlyMail, traceField } from "./maildir.ts";
import { type Server, startCatcher, startStation } from "./server.ts";
import { encodeBase64, interopTest, runPython } from "./support.ts";

const TO = "alice@example.test";
const PASSWORD = "correct horse battery staple";

/** What `peers/smtp_client.py` answers. */
interface Sent {
  readonly features: Readonly<Record<string, string>>;
  readonly refused: Readonly<Record<string, readonly [number, string]>>;
  readonly error: { readonly kind: string; readonly code: number; readonly text: string } | null;
}

/** Sends a mail to alice; `more` overrides the request of `peers/smtp_client.py`. */
async function send(
  server: Server,
  listener: string | undefined,
  mail: Uint8Array,
  more: Record<string, unknown> = {},
): Promise<Sent> {
  const { host, port } = server.endpoint(listener);
  const envelope = { sender: "bob@sender.test", recipients: [TO], message: encodeBase64(mail) };
  return await runPython("smtp_client.py", { kind: "smtp", host, port, ...envelope, ...more });
}

interopTest("smtplib reads the extensions it knows", ["python3"], async () => {
  await using server = await startStation({ users: { [TO]: PASSWORD }, listeners: ["mx"] });
  const { features, error } = await send(server, "mx", makeMail("ehlo", "Hello.\r\n"));
  assertEquals(error, null);
  assertGreater(Number(features["size"]), 1024 * 1024);
  const known = ["pipelining", "8bitmime", "smtputf8", "enhancedstatuscodes", "chunking"];
  assertEquals(
    [...known, "starttls", "dsn", "binarymime"].filter((name) => features[name] === undefined),
    [],
  );
  const withheld = ["auth", "requiretls"];
  assertEquals(withheld.filter((name) => features[name] !== undefined), []);
});

for (const [what, body] of Object.entries({ DOTS, EIGHT_BIT, LONG_LINES })) {
  interopTest(`smtplib sends ${what} octet for octet`, ["python3"], async () => {
    await using server = await startCatcher();
    const mail = makeMail("octets", body);
    assertEquals((await send(server, undefined, mail, { starttls: true })).error, null);
    assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
  });
}

interopTest("smtplib sends a message it has parsed", ["python3"], async () => {
  await using server = await startCatcher();
  const mail = makeMail("send_message", "Hello, Alice.\r\n");
  assertEquals((await send(server, undefined, mail, { parse: true })).error, null);
  assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
});

interopTest("smtplib sends from and to addresses that are not ASCII", ["python3"], async () => {
  await using server = await startCatcher();
  const subject = String.fromCharCode(...new TextEncoder().encode("驿站"));
  const mail = makeMail(subject, "Hello.\r\n");
  const to = "δοκιμή@example.test";
  const envelope = { sender: "jürgen@sender.test", recipients: [to] };
  const options = ["SMTPUTF8", "BODY=8BITMIME"];
  const sent = await send(server, undefined, mail, { ...envelope, mail_options: options });
  assertEquals(sent.error, null);
  const event = await until(
    "the mail is logged",
    () => server.events.find((event) => event.type === "message.accepted"),
  );
  assertEquals(event.recipients, [to]);
  assertEquals(event.sender, "jürgen@sender.test");
  const trace = assertDelivered(await readOnlyMail(server.maildir(to)), mail);
  assertMatch(traceField(trace, "Received"), /\bwith UTF8SMTP\b/);
});

interopTest("smtplib is told which recipients there are not, and the rest get the mail", [
  "python3",
], async () => {
  await using server = await startStation({ users: { [TO]: PASSWORD }, listeners: ["mx"] });
  const mail = makeMail("some", "Hello.\r\n");
  const recipients = ["nobody@example.test", TO, "someone@elsewhere.test"];
  const { refused, error } = await send(server, "mx", mail, { recipients });
  assertEquals(error, null);
  assertEquals(Object.keys(refused).sort(), ["nobody@example.test", "someone@elsewhere.test"]);
  assertMatch(refused["nobody@example.test"]?.[1] ?? "", /^5\.1\.1 /);
  assertMatch(refused["someone@elsewhere.test"]?.[1] ?? "", /^5\.7\.1 /);
  assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
});

interopTest("smtplib sends more than the limit unannounced, and is refused at the end", [
  "python3",
], async () => {
  await using server = await startStation({ users: { [TO]: PASSWORD }, listeners: ["mx"] });
  const small = makeMail("small", "Hello.\r\n");
  const { features } = await send(server, "mx", small);
  const limit = Number(features["size"]);
  const mail = makeMail("huge", makeLargeBody(limit / 1024 / 1024 + 1));
  const { error } = await send(server, "mx", mail, { no_size: true });
  assertEquals(error?.code, 552);
  assertMatch(error?.text ?? "", /^5\.3\.4 /);
  assertDelivered(await readOnlyMail(server.maildir(TO)), small);
});

interopTest("smtplib sends bare LF, and no half of it is taken", ["python3"], async () => {
  await using server = await startStation({ users: { [TO]: PASSWORD }, listeners: ["mx"] });
  const smuggled = "Hello.\n.\r\nMAIL FROM:<evil@sender.test>\r\n";
  const { error } = await send(server, "mx", makeMail("bare", smuggled));
  assertEquals(error?.code, 550);
  assertMatch(error?.text ?? "", /^5\.5\.2 /);
  assertEquals(await readMaildir(server.maildir(TO)), []);
});

for (const mechanism of ["PLAIN", "LOGIN"]) {
  for (const initial of [true, false]) {
    const response = initial ? "an initial response" : "a challenge first";
    interopTest(`smtplib submits by AUTH ${mechanism} with ${response}`, ["python3"], async () => {
      const users = { [TO]: PASSWORD };
      await using server = await startStation({ users, listeners: ["submission"] });
      const mail = makeMail("auth", "Note to self.\r\n", [], TO);
      const login = { mechanism, initial, user: TO, password: PASSWORD, sender: TO };
      const { error } = await send(server, "submission", mail, { starttls: true, ...login });
      assertEquals(error, null);
      const trace = assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
      assertMatch(traceField(trace, "Received"), /\bwith ESMTPSA\b/);
    });
  }
}

interopTest("smtplib submits over implicit TLS", ["python3"], async () => {
  await using server = await startStation({
    users: { [TO]: PASSWORD },
    listeners: ["submissions"],
  });
  const mail = makeMail("ssl", "Note to self.\r\n", [], TO);
  const login = { mechanism: "PLAIN", user: TO, password: PASSWORD, sender: TO };
  assertEquals((await send(server, "submissions", mail, { kind: "ssl", ...login })).error, null);
  assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
});

interopTest("smtplib delivers by LMTP over TCP and over a unix socket", ["python3"], async () => {
  const users = { [TO]: PASSWORD, "carol@example.test": PASSWORD };
  await using server = await startStation({ users, listeners: ["lmtp", "lmtp-unix"] });
  const mail = makeMail("lmtp", DOTS);
  assertEquals((await send(server, "lmtp", mail, { kind: "lmtp" })).error, null);
  assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
  const path = `${server.folder.path}/lmtp.sock`;
  const toCarol = { kind: "lmtp", path, recipients: ["carol@example.test"] };
  assertEquals((await send(server, "lmtp", mail, toCarol)).error, null);
  assertDelivered(await readOnlyMail(server.maildir("carol@example.test")), mail);
});

interopTest("what is sent in the clear behind STARTTLS is dropped", ["python3"], async () => {
  await using server = await startCatcher();
  const { host, port } = server.endpoint();
  const injected = "MAIL FROM:<attacker@evil.test>\r\nRCPT TO:<alice@example.test>\r\n";
  const answer = await runPython<Record<string, string | boolean>>("starttls_injection.py", {
    host,
    port,
    injected,
  });
  assertMatch(String(answer["go_ahead"]), /^220 2\.0\.0 /);
  assertEquals(answer["closed"], false);
  assertMatch(String(answer["first"]), /^250-(?!2\.)/);
  assertMatch(String(answer["mail"]), /^250 2\.1\.0 /);
});

for (const version of ["TLSv1_2", "TLSv1_3"]) {
  interopTest(`${version} ends with close_notify after QUIT`, ["python3"], async () => {
    await using server = await startCatcher();
    const { host, port } = server.endpoint();
    const request = { host, port, version };
    const { reply, end } = await runPython<Record<string, string>>("tls_goodbye.py", request);
    assertMatch(reply ?? "", /^221 2\.0\.0 [^\r\n]*\r\n$/);
    assertEquals(end, "close_notify");
  });
}
