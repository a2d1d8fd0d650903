/**
 * Milters of others before mail that comes to a station: rspamd, which refuses, marks and rewrites, and OpenDKIM, which
 * signs and verifies.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Policy, SocketAddress } from "../../mod.ts";
import { milter } from "../../src/policy/milter/milter.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { makeMail } from "./mail.ts";
import { makeSigningKey, type SigningKey, startOpenDkim } from "./opendkim.ts";
import { ALICE, type RelayStation, startRelayStation } from "./relay_station.ts";
import { startRspamd } from "./rspamd.ts";
import { PlainClient } from "./smtp_client.ts";
import { encodeBase64, interopTest, makeTemporaryFolder, octets, runPython } from "./support.ts";

const filter = (address: SocketAddress, name = "milter"): Policy =>
  milter({ address, name, hostname: "mx.example.test" }, denoRuntime());

const on = (port: number): SocketAddress => ({ transport: "tcp", hostname: "127.0.0.1", port });

/** Sends a mail; gives the reply to its end. */
async function send(station: RelayStation, mail: Uint8Array): Promise<string> {
  using client = await PlainClient.connect(station.port);
  return await client.mail([ALICE], String.fromCharCode(...mail));
}

/** The generic test for unsolicited bulk mail, and what rspamd has beside it. */
const gtube = (letter: "X" | "Y" | "Z") =>
  `${letter}JS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n`;

interopTest("rspamd's verdicts and changes reach the mail", ["rspamd"], async () => {
  await using rspamd = await startRspamd();
  const policies = [filter({ transport: "unix", path: rspamd.socket }, "rspamd")];
  await using station = await startRelayStation({ policies });

  assertMatch(await send(station, makeMail("spam", gtube("X"))), /^554 5\.7\.1 /);

  assertMatch(await send(station, makeMail("ham", "Hello.\r\n")), /^250 /);
  const [ham] = await station.mail(ALICE);
  assertMatch(text(ham!.octets), /^X-Spamd-Bar: /m);
  assertEquals(text(ham!.octets).includes("X-Spam: "), false);
  assert(text(ham!.octets).endsWith("\r\n\r\nHello.\r\n"));

  assertMatch(await send(station, makeMail("doubtful", gtube("Y"))), /^250 /);
  const marked = (await station.mail(ALICE, 2)).map((mail) => text(mail.octets));
  assertMatch(marked.find((mail) => mail.includes("Subject: doubtful"))!, /^X-Spam: Yes\r$/m);

  assertMatch(await send(station, makeMail("loud", gtube("Z"))), /^250 /);
  const subjects = (await station.mail(ALICE, 3)).map((mail) =>
    /^Subject: (.*)\r$/m.exec(text(mail.octets))?.[1] ?? ""
  );
  assertEquals(subjects.sort().filter((subject) => subject.includes("loud")), [
    "*** SPAM *** loud",
  ]);
  const log = station.events.filter(({ type }) => type === "policy.failed");
  assertEquals(log, []);
});

interopTest(
  "rspamd that goes away is answered for, and asked again when it is back",
  ["rspamd"],
  async () => {
    const folder = await makeTemporaryFolder();
    await using _ = folder;
    const path = `${folder.path}/link.sock`;
    const policies = [filter({ transport: "unix", path })];
    await using station = await startRelayStation({ policies });
    using client = await PlainClient.connect(station.port);
    assertMatch(await client.say("MAIL FROM:<a@client.test>"), /^451 4\.7\.1 /);
    await using rspamd = await startRspamd();
    await Deno.symlink(rspamd.socket, path);
    assertMatch(await client.mail([ALICE], text(makeMail("x", "Hello.\r\n"))), /^250 /);
  },
);

for (const canonicalization of ["simple/simple", "relaxed/simple"]) {
  interopTest(
    `OpenDKIM's signature (${canonicalization}) verifies, by dkimpy and by OpenDKIM at the next station`,
    ["opendkim", "openssl"],
    async () => {
      const key = await makeSigningKey("sender.test");
      await using signer = await startOpenDkim("sign", key, canonicalization);
      await using verifier = await startOpenDkim("verify", key);
      await using first = await startRelayStation({ policies: [filter(on(signer.port))] });
      await using second = await startRelayStation({ policies: [filter(on(verifier.port))] });

      const body = "Hello.\r\n\r\n.\r\nWith  spaces \t and a long line: ".concat(
        "x".repeat(400),
        "\r\n\r\n",
      );
      const fields = ["X-Folded: one\r\n\ttwo\r\n  three", "X-Long: ".concat("word ".repeat(30))];
      assertMatch(await send(first, makeMail("signed", body, fields)), /^250 /);
      const [stored] = await first.mail(ALICE);
      const signed = afterDelivery(text(stored!.octets));
      assertMatch(signed, /^DKIM-Signature: v=1; a=rsa-sha256; c=/m);
      assert(await verifies(signed, key));
      assertEquals(await verifies(signed.replace("Hello.", "Hallo."), key), false);

      assertMatch(await send(second, octets(signed)), /^250 /);
      const [judged] = await second.mail(ALICE);
      assertMatch(
        text(judged!.octets),
        /^Authentication-Results: mx\.example\.test;\r\n\tdkim=pass [^]*?header\.d=sender\.test/m,
      );

      assertMatch(await send(second, octets(signed.replace("Hello.", "Hallo."))), /^250 /);
      const mails = (await second.mail(ALICE, 2)).map((mail) => text(mail.octets));
      assertMatch(mails.find((mail) => mail.includes("Hallo."))!, /^\tdkim=fail /m);
      const failed = [...first.events, ...second.events].filter(({ type }) =>
        type === "policy.failed"
      );
      assertEquals(failed, []);
    },
  );
}

interopTest(
  "what rspamd has changed is what OpenDKIM signs",
  ["rspamd", "opendkim", "openssl"],
  async () => {
    const key = await makeSigningKey("sender.test");
    await using rspamd = await startRspamd();
    await using signer = await startOpenDkim("sign", key);
    const policies = [
      filter({ transport: "unix", path: rspamd.socket }, "rspamd"),
      filter(on(signer.port), "opendkim"),
    ];
    await using station = await startRelayStation({ policies });
    assertMatch(await send(station, makeMail("loud", gtube("Z"))), /^250 /);
    const [stored] = await station.mail(ALICE);
    const signed = afterDelivery(text(stored!.octets));
    assertStringIncludes(signed, "Subject: *** SPAM *** loud");
    assert(await verifies(signed, key));
  },
);

/** What dkimpy says of the signature. */
async function verifies(mail: string, { selector, domain, record }: SigningKey): Promise<boolean> {
  const name = `${selector}._domainkey.${domain}`;
  const request = { mail: encodeBase64(octets(mail)), name, record };
  return (await runPython<{ valid: boolean }>("dkim_verify.py", request)).valid;
}

/** Without what delivery puts on top. */
function afterDelivery(mail: string): string {
  return mail.replace(/^(?:(?:Return-Path|Delivered-To):.*\r\n)+/, "");
}

function text(bytes: Uint8Array): string {
  return Array.from(bytes, (octet) => String.fromCharCode(octet)).join("");
}
