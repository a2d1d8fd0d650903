/**
 * `openssl s_client`: which certificate and which versions of TLS a peer meets behind STARTTLS and on
 * the implicit port. Another TLS library than ours judges.
 *
 * @module
 */

import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { type Server, startCatcherIn, startStation } from "./server.ts";
import { assertEnded, interopTest, makeTemporaryFolder, type Ran, run } from "./support.ts";

const TO = "alice@example.test";
const USERS = { [TO]: "correct horse battery staple" };

/** Shakes hands, says what was agreed on, and hangs up. */
async function connect(
  server: Server,
  listener: string | undefined,
  ...args: string[]
): Promise<Ran> {
  const { address } = server.endpoint(listener);
  const implicit = listener === "submissions";
  const starttls = implicit ? [] : ["-starttls", "smtp", "-name", "client.test"];
  return await run("openssl", ["s_client", "-connect", address, ...starttls, ...args]);
}

/** The names in the certificate the server showed. */
async function shownNames(ran: Ran): Promise<string> {
  const pem = ran.text.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/)?.[0];
  const args = ["x509", "-noout", "-ext", "subjectAltName"];
  return (await run("openssl", args, { input: pem ?? "" })).text;
}

for (const [flag, version] of [["-tls1_2", "TLSv1.2"], ["-tls1_3", "TLSv1.3"]] as const) {
  for (const listener of ["mx", "submission", "submissions"]) {
    interopTest(`openssl reaches ${listener} over ${version}`, ["openssl"], async () => {
      await using server = await startStation({ users: USERS, listeners: [listener] });
      const trust = ["-CAfile", `${server.folder.path}/mx.example.test.crt`];
      trust.push("-verify_return_error", "-verify_hostname", "mx.example.test");
      const ran = await connect(server, listener, flag, ...trust, "-servername", "mx.example.test");
      assertEnded(ran);
      assertMatch(ran.text, new RegExp(`New, ${version}, Cipher is `));
      assertMatch(ran.text, /Verification: OK/);
    });
  }
}

for (const flag of ["-tls1", "-tls1_1"]) {
  for (const listener of ["mx", "submissions"]) {
    interopTest(`openssl is refused by ${listener} with ${flag}`, ["openssl"], async () => {
      await using server = await startStation({ users: USERS, listeners: [listener] });
      // Without level 0 this openssl would itself refuse.
      const ran = await connect(server, listener, flag, "-cipher", "DEFAULT:@SECLEVEL=0");
      assertNotEquals(ran.code, 0);
      assertMatch(ran.text, /CONNECTED/);
      assertMatch(ran.text, /alert (handshake failure|protocol version)/);
      assertMatch(ran.text, /New, \(NONE\), Cipher is \(NONE\)/);
      assertEnded(await connect(server, listener, "-tls1_2"));
    });
  }
}

// Of TLS 1.2, with the certificate of the test: on Bun those with CBC had to be switched off.
for (
  const cipher of ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-CCM8"]
) {
  interopTest(`openssl is refused with the cipher ${cipher}`, ["openssl"], async () => {
    const certificates = [["mx.example.test"], ["mail.other.test"]];
    for (const names of [certificates.slice(0, 1), certificates]) {
      await using server = await startStation({
        users: USERS,
        listeners: ["mx"],
        certificates: names,
      });
      const name = ["-servername", names.at(-1)![0]!];
      const ran = await connect(
        server,
        "mx",
        "-tls1_2",
        "-cipher",
        `${cipher}:@SECLEVEL=0`,
        ...name,
      );
      assertNotEquals(ran.code, 0);
      assertMatch(ran.text, /alert handshake failure/);
      const good = ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256", ...name];
      assertEnded(await connect(server, "mx", ...good));
    }
  });
}

interopTest("openssl meets the certificate of the name it asks for by SNI", [
  "openssl",
], async () => {
  const certificates = [["mx.example.test"], ["mail.other.test", "smtp.other.test"]];
  for (const listener of ["mx", "submissions"]) {
    await using server = await startStation({ users: USERS, listeners: [listener], certificates });
    for (const name of ["mail.other.test", "smtp.other.test", "SMTP.OTHER.TEST"]) {
      const names = await shownNames(await connect(server, listener, "-servername", name));
      assertMatch(names, /DNS:mail\.other\.test, DNS:smtp\.other\.test/);
    }
    const others = [["-servername", "unknown.test"], ["-noservername"]];
    for (const args of [["-servername", "mx.example.test"], ...others]) {
      assertMatch(await shownNames(await connect(server, listener, ...args)), /DNS:mx\.example/);
    }
  }
});

interopTest("openssl meets the same self-signed certificate after a restart of the catcher", [
  "openssl",
], async () => {
  const folder = await makeTemporaryFolder();
  const certificate = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/;
  const shown: (string | undefined)[] = [];
  for (const round of [1, 2]) {
    const server = await startCatcherIn(folder);
    const ran = await connect(server, undefined);
    assertEnded(ran);
    shown.push(ran.text.match(certificate)?.[0]);
    if (round === 1) assertEquals(await server.stop(), 0);
    else await server[Symbol.asyncDispose]();
  }
  assertMatch(shown[0] ?? "", certificate);
  assertEquals(shown[1], shown[0]);
});
