/**
 * nodemailer, what Node.js applications send with: its connection pool, attachments, AUTH, implicit TLS
 * and LMTP, in a process of its own.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { DOTS, makeMail } from "./mail.ts";
import { assertDelivered, readMaildir, readOnlyMail, splitTrace } from "./maildir.ts";
import { type Server, startCatcher, startStation } from "./server.ts";
import { assertEnded, decodeBase64, encodeBase64, interopTest, run } from "./support.ts";
import { assertSameOctets, runPython } from "./support.ts";

const TO = "alice@example.test";
const PASSWORD = "correct horse battery staple";
const PROGRAM = new URL("./peers/nodemailer.mjs", import.meta.url).pathname;

/** What `peers/nodemailer.mjs` says of each mail. */
interface Sent {
  readonly accepted: readonly string[];
  readonly rejected: readonly string[];
  readonly response: string;
  readonly error: { readonly code: string; readonly responseCode: number } | null;
}

/** Sends mails over one transporter. */
async function nodemailer(
  server: Server,
  listener: string | undefined,
  mails: readonly unknown[],
  transport: Record<string, unknown> = {},
): Promise<Sent[]> {
  const { host, port } = server.endpoint(listener);
  const options = { host, port, name: "client.test", ...transport };
  const tls = { rejectUnauthorized: false, servername: "mx.example.test" };
  const request = { transport: { tls, ...options }, mails };
  const args = ["run", "--no-prompt", "--no-lock", "--no-config", "-A", PROGRAM];
  const ran = await run("deno", args, { input: JSON.stringify(request), limit: 120_000 });
  assertEnded(ran);
  return JSON.parse(new TextDecoder().decode(ran.stdout));
}

/** A mail sent as it is. */
function raw(mail: Uint8Array, from: string, ...to: string[]) {
  return { raw: String.fromCharCode(...mail), envelope: { from, to } };
}

interopTest("nodemailer sends a message as it is, dots and all", ["deno"], async () => {
  await using server = await startCatcher();
  const mail = makeMail("raw", DOTS);
  const [sent] = await nodemailer(server, undefined, [raw(mail, "bob@sender.test", TO)]);
  assertEquals(sent?.error, null);
  assertMatch(sent?.response ?? "", /^250 2\.\d\.\d /);
  assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
});

interopTest("nodemailer logs in to the catcher without being asked", ["deno"], async () => {
  await using server = await startCatcher();
  const mail = makeMail("catcher", "Hello.\r\n");
  const auth = { user: "application", pass: "secret" };
  const mails = [raw(mail, "bob@sender.test", TO)];
  const [sent] = await nodemailer(server, undefined, mails, { auth, ignoreTLS: true });
  assertEquals(sent?.error, null);
  assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
});

interopTest("nodemailer sends 40 mails over a pool of four connections", ["deno"], async () => {
  await using server = await startCatcher();
  const mails = Array.from({ length: 40 }, (_, i) => makeMail(`pool ${i}`, `Mail ${i}.\r\n`));
  const sent = await nodemailer(
    server,
    undefined,
    mails.map((mail, i) => raw(mail, "bob@sender.test", `user${i}@example.test`)),
    { pool: true, maxConnections: 4, maxMessages: 10, requireTLS: true },
  );
  assertEquals(sent.map(({ error }) => error).filter((error) => error !== null), []);
  for (const [i, mail] of mails.entries()) {
    assertDelivered(await readOnlyMail(server.maildir(`user${i}@example.test`)), mail);
  }
});

interopTest("nodemailer attaches 3 MB, and Python finds the same in the mail", [
  "deno",
  "python3",
], async () => {
  await using server = await startCatcher();
  const content = new Uint8Array(3 * 1024 * 1024);
  for (let at = 0; at < content.length; at += 65536) {
    crypto.getRandomValues(content.subarray(at, at + 65536));
  }
  const path = await server.folder.write("picture.bin", content);
  const filename = "картинка 驿站.bin";
  const [sent] = await nodemailer(server, undefined, [{
    from: "Bob <bob@sender.test>",
    to: `Alice <${TO}>`,
    subject: "Прочти меня",
    text: "Привет",
    html: "<p>Привет</p>",
    attachments: [{ filename, path }],
  }], { requireTLS: true });
  assertEquals(sent?.error, null);
  const { octets } = await readOnlyMail(server.maildir(TO));
  const message = encodeBase64(splitTrace(octets).message);
  const parts = await runPython<{ name: string; octets: string }[]>("attachments.py", { message });
  assertEquals(parts.map(({ name }) => name), [filename]);
  assertSameOctets(decodeBase64(parts[0]?.octets ?? ""), content, filename);
});

for (const method of ["PLAIN", "LOGIN"]) {
  for (const listener of ["submission", "submissions"]) {
    interopTest(`nodemailer submits to ${listener} by ${method}`, ["deno"], async () => {
      await using server = await startStation({
        users: { [TO]: PASSWORD },
        listeners: [listener],
      });
      const mail = makeMail("submission", "Note to self.\r\n", [], TO);
      const auth = { user: TO, pass: PASSWORD };
      const [sent] = await nodemailer(server, listener, [raw(mail, TO, TO)], {
        auth,
        authMethod: method,
        secure: listener === "submissions",
        requireTLS: listener === "submission",
      });
      assertEquals(sent?.error, null);
      assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
    });
  }
}

interopTest("nodemailer is refused with a wrong password", ["deno"], async () => {
  await using server = await startStation({
    users: { [TO]: PASSWORD },
    listeners: ["submissions"],
  });
  const mail = makeMail("wrong", "Note to self.\r\n", [], TO);
  const transport = { auth: { user: TO, pass: "wrong" }, secure: true };
  const [sent] = await nodemailer(server, "submissions", [raw(mail, TO, TO)], transport);
  assertEquals([sent?.error?.code, sent?.error?.responseCode], ["EAUTH", 535]);
  assertEquals(await readMaildir(server.maildir(TO)), []);
});

interopTest("nodemailer is told which recipients there are not", ["deno"], async () => {
  await using server = await startStation({ users: { [TO]: PASSWORD }, listeners: ["mx"] });
  const mail = makeMail("some", "Hello.\r\n");
  const mails = [raw(mail, "bob@sender.test", "nobody@example.test", TO)];
  const [sent] = await nodemailer(server, "mx", mails);
  assertEquals(sent?.accepted, [TO]);
  assertEquals(sent?.rejected, ["nobody@example.test"]);
  assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
});

interopTest("nodemailer delivers by LMTP", ["deno"], async () => {
  await using server = await startStation({ users: { [TO]: PASSWORD }, listeners: ["lmtp"] });
  const mail = makeMail("lmtp", DOTS);
  const mails = [raw(mail, "bob@sender.test", TO)];
  const [sent] = await nodemailer(server, "lmtp", mails, { lmtp: true });
  assertEquals(sent?.error, null);
  assertDelivered(await readOnlyMail(server.maildir(TO)), mail);
});
