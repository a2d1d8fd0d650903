/**
 * The whole server as its operator runs it, with keys made by `yizhan dkim`: what users submit arrives at Postfix with
 * signatures that dkimpy verifies, of RSA and of Ed25519; also after a rotation, and where Postfix takes 7 bits only.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { toPort } from "../support/config.ts";
import { DOTS, EIGHT_BIT, makeLargeBody, makeMail } from "./mail.ts";
import { until } from "./daemon.ts";
import { untilMail } from "./maildir.ts";
import { POSTFIX, startPostfix } from "./postfix.ts";
import { RecordingSink } from "./recording_sink.ts";
import { runCommand, type Server, startStation } from "./server.ts";
import { assertEnded, encodeBase64, interopTest, run, runPython } from "./support.ts";

const ALICE = "alice@example.test";
const BOB = "bob@postfix.test";
const PASSWORD = "correct horse battery staple";
const HOST = "mx.example.test";
const NEEDS = [...POSTFIX, "curl", "python3"];

/** A server for Alice's mail that gives everything else to a port of this machine. */
function startRelay(
  port: number,
  eightBit: "convert" | "convert-first" = "convert",
): Promise<Server> {
  const { via, ...route } = toPort(port);
  assert(via.kind === "smarthost");
  return startStation({
    users: { [ALICE]: PASSWORD },
    listeners: ["submission"],
    relay: { routes: [{ ...route, via: { ...via, eightBit } }] },
  });
}

/** A command of the operator's beside the server; gives what it printed. */
async function command({ folder }: Server, ...words: string[]): Promise<string> {
  const ran = await runCommand(folder, [...words, "--config", `${folder.path}/yizhan.yaml`]);
  assertEnded(ran);
  return ran.text;
}

/** New keys, that sign at once: there is no DNS here. */
async function makeKeys(server: Server): Promise<void> {
  await command(server, "dkim", "new", "example.test");
  await command(server, "dkim", "rotate", "example.test", "--now");
  await command(server, "reload");
}

/** What DNS would say of all keys. */
async function records(server: Server): Promise<Record<string, string>> {
  const listed = await command(server, "dkim", "list", "--json");
  const keys = listed.split("\n").filter((line) => line.startsWith("{")).map((line) =>
    JSON.parse(line)
  );
  return Object.fromEntries(keys.map(({ record: { name, value } }) => [name, value]));
}

/** Alice submits a mail by curl, over TLS and with her password. */
async function submit(server: Server, mail: Uint8Array): Promise<void> {
  const { port } = server.endpoint("submission");
  const file = await server.folder.write("mail.eml", mail);
  assertEnded(
    await run("curl", [
      ...["-q", "-sS", "--noproxy", "*", "--max-time", "50"],
      ...["--resolve", `${HOST}:${port}:127.0.0.1`, `smtp://${HOST}:${port}/client.test`],
      ...["--ssl-reqd", "--cacert", `${server.folder.path}/${HOST}.crt`],
      ...["--user", `${ALICE}:${PASSWORD}`, "--mail-from", ALICE, "--mail-rcpt", BOB],
      ...["--upload-file", file],
    ]),
  );
}

/** What dkimpy says of each signature of each mail, from the top. */
async function verify(
  server: Server,
  mails: readonly { readonly octets: Uint8Array }[],
): Promise<string[][]> {
  return await runPython("dkim_verify_all.py", {
    mails: mails.map(({ octets }) => encodeBase64(octets)),
    records: await records(server),
  });
}

const text = ({ octets }: { readonly octets: Uint8Array }) => new TextDecoder().decode(octets);

/** The algorithms and selectors of a mail's signatures, from the top. */
function signersOf(mail: { readonly octets: Uint8Array }): string[] {
  return [...text(mail).matchAll(/^DKIM-Signature: v=1; a=([\w-]+);[^]*?\bs=([\w.-]+);/gm)]
    .map(([, algorithm, selector]) => `${algorithm} ${selector}`);
}

interopTest(
  "what users submit arrives at Postfix with signatures that dkimpy verifies",
  NEEDS,
  async () => {
    await using postfix = await startPostfix({ mailboxes: [BOB], tls: "postfix.test" });
    await using server = await startRelay(postfix.port);
    await makeKeys(server);
    const bodies = [
      DOTS,
      EIGHT_BIT,
      makeLargeBody(3),
      "",
      "\r\n\r\n",
      " a \t b \r\n \r\n\r\n",
    ];
    for (const [index, body] of bodies.entries()) {
      await submit(server, makeMail(`mail ${index}`, body, [], ALICE));
    }
    const mails = await untilMail(postfix.maildir(BOB), bodies.length, postfix.log);
    for (const mail of mails) {
      assertEquals(signersOf(mail), ["rsa-sha256 yizhan", "ed25519-sha256 yizhan-ed25519"]);
    }
    assertEquals(await verify(server, mails), mails.map(() => ["pass", "pass"]));

    // After a rotation the new keys sign, and what the old ones have signed holds.
    await command(server, "dkim", "rotate", "example.test");
    await command(server, "dkim", "rotate", "example.test", "--finish", "--now");
    await command(server, "reload");
    await submit(server, makeMail("rotated", DOTS, [], ALICE));
    const all = await untilMail(postfix.maildir(BOB), bodies.length + 1, postfix.log);
    const rotated = all.find((mail) => text(mail).includes("Subject: rotated"))!;
    const [rsa, ed25519] = signersOf(rotated);
    assertMatch(rsa!, /^rsa-sha256 yizhan-20\d{6}$/);
    assertMatch(ed25519!, /^ed25519-sha256 yizhan-20\d{6}-ed25519$/);
    assertEquals(await verify(server, all), all.map(() => ["pass", "pass"]));
  },
);

interopTest(
  "lines that are too long arrive with signatures that hold, though Postfix sends none on as they are",
  NEEDS,
  async () => {
    const mails: { octets: Uint8Array }[] = [];
    await using sink = new RecordingSink({ onMessage: (mail) => void mails.push(mail) });
    await using postfix = await startPostfix({
      settings: [
        `relayhost = [127.0.0.1]:${sink.port}`,
        "smtpd_relay_restrictions = permit_mynetworks, reject",
        "mynetworks = 127.0.0.0/8",
      ],
    });
    await using server = await startRelay(postfix.port);
    await makeKeys(server);
    const line = `${"a word or two ".repeat(500)}\r\n`;
    const list = Array.from({ length: 100 }, (_, index) => `c${index}@postfix.test`).join(", ");
    await submit(server, makeMail("long", `${line}short\r\n${line}`, [`Cc: ${list}`], ALICE));
    await until("the mail has passed Postfix", () => Promise.resolve(mails[0]), {
      log: postfix.log,
    });
    assertEquals(signersOf(mails[0]!).length, 2);
    assertEquals(await verify(server, mails), [["pass", "pass"]]);
  },
);

/** Postfix as a station that takes 7 bits. */
function startSevenBit() {
  return startPostfix({
    mailboxes: [BOB],
    settings: ["smtpd_discard_ehlo_keywords = 8bitmime, silent-discard"],
  });
}

interopTest(
  "8-bit mail that is signed is made 7-bit before, where the route says so",
  NEEDS,
  async () => {
    await using postfix = await startSevenBit();
    await using server = await startRelay(postfix.port, "convert-first");
    await makeKeys(server);
    await submit(server, makeMail("seven", EIGHT_BIT, [], ALICE));
    await submit(server, makeMail("plain", DOTS, [], ALICE));
    const mails = await untilMail(postfix.maildir(BOB), 2, postfix.log);
    for (const mail of mails) {
      assert(mail.octets.every((octet) => octet < 0x80), text(mail));
      assertEquals(signersOf(mail).length, 2);
    }
    assertEquals(await verify(server, mails), [["pass", "pass"], ["pass", "pass"]]);
  },
);

interopTest(
  "8-bit mail that is signed is returned by a station that takes 7 bits (5.6.3)",
  NEEDS,
  async () => {
    await using postfix = await startSevenBit();
    await using server = await startRelay(postfix.port);
    await makeKeys(server);
    await submit(server, makeMail("eight", EIGHT_BIT, [], ALICE));
    const [notice] = await untilMail(server.maildir(ALICE), 1, postfix.log);
    assertMatch(text(notice!), /^Status: 5\.6\.3\r$/m);
    assertMatch(text(notice!), /is signed\s+\(DKIM\) and would\s+have to be re-encoded/);
    // The notice is ours, and signed too: the key is that of the domain above our name.
    assertEquals(await verify(server, [notice!]), [["pass", "pass"]]);
    assertEquals(signersOf(notice!)[0], "rsa-sha256 yizhan");
    assertEquals((await Array.fromAsync(Deno.readDir(postfix.folder.path + "/mail"))).length, 0);
  },
);
