/**
 * Mail past ClamAV's own daemon, with a signature database of one line: the test file of EICAR, which every virus
 * scanner knows and which harms nobody.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { MtaFact } from "../../src/events.ts";
import { clamav, type ClamavOptions } from "../../src/policy/clamav/clamav.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { EICAR, startClamd } from "./clamd.ts";
import { makeMail } from "./mail.ts";
import { ALICE, startRelayStation } from "./relay_station.ts";
import { PlainClient } from "./smtp_client.ts";
import {
  assertEnded,
  encodeBase64,
  interopTest,
  makeTemporaryFolder,
  octets,
  run,
} from "./support.ts";

const WORDS = /malware: Test\.Eicar/;

/** A station that asks the daemon; `send` gives the last reply. */
async function startStation(options: ClamavOptions) {
  const troubles: MtaFact[] = [];
  const policy = clamav(options, { ...denoRuntime(), emit: (fact) => void troubles.push(fact) });
  const station = await startRelayStation({ policies: [policy] });
  return {
    ...{ station, troubles },
    async send(mail: Uint8Array): Promise<string> {
      using client = await PlainClient.connect(station.port);
      client.expect(await client.say("MAIL FROM:<bob@sender.test>"), "250");
      client.expect(await client.say(`RCPT TO:<${ALICE}>`), "250");
      client.expect(await client.say("DATA"), "354");
      await client.send(mail);
      return await client.say(".");
    },
    [Symbol.asyncDispose]: () => station[Symbol.asyncDispose](),
  };
}

/** A message with one attachment, in base64. */
function withAttachment(subject: string, name: string, content: Uint8Array): Uint8Array {
  const lines = encodeBase64(content).match(/.{1,76}/g)!.join("\r\n");
  const body = `--part\r\nContent-Type: text/plain\r\n\r\nSee there.\r\n--part\r\n` +
    `Content-Type: application/octet-stream; name="${name}"\r\n` +
    `Content-Disposition: attachment; filename="${name}"\r\n` +
    `Content-Transfer-Encoding: base64\r\n\r\n${lines}\r\n--part--\r\n`;
  return makeMail(subject, body, ['Content-Type: multipart/mixed; boundary="part"']);
}

/** A ZIP archive as Python makes it, compressed. */
async function zipped(content: string): Promise<Uint8Array> {
  await using folder = await makeTemporaryFolder();
  const file = await folder.write("file.txt", content);
  const archive = `${folder.path}/archive.zip`;
  const program = "import sys, zipfile\n" +
    "zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED).write(sys.argv[2], 'file.txt')";
  assertEnded(await run("python3", ["-c", program, archive, file]));
  return await Deno.readFile(archive);
}

interopTest("clamd finds the EICAR file in a body, an attachment and an archive", [
  "clamd",
  "python3",
], async () => {
  await using clamd = await startClamd();
  const text = octets(EICAR);
  const padded = `${EICAR}${" ".repeat(40)}${"\r\n".repeat(4)}`;
  const archive = await zipped(padded);
  assert(!new TextDecoder("latin1").decode(archive).includes(EICAR), "it is not stored as it is");
  for (const address of [clamd.unix, clamd.tcp]) {
    await using station = await startStation({ address });
    const infected = {
      body: makeMail("body", `${EICAR}\r\n`),
      attachment: withAttachment("attachment", "eicar.com", text),
      archive: withAttachment("archive", "eicar.zip", archive),
    };
    for (const [name, mail] of Object.entries(infected)) {
      const reply = await station.send(mail);
      assertEquals(reply.slice(0, 9), "554 5.7.1", `${name}: ${reply}`);
      assertMatch(reply, WORDS);
    }
    const clean = [
      makeMail("clean", "Hello.\r\n"),
      withAttachment("attached", "a.txt", octets("well\r\n")),
      withAttachment("archived", "a.zip", await zipped("well\r\n".repeat(100))),
    ];
    for (const mail of clean) assertEquals((await station.send(mail)).slice(0, 3), "250");
    assertEquals((await station.station.mail(ALICE, 3)).length, 3);
    assertEquals(station.troubles, []);
  }
});

interopTest("clamd turns away what is larger than its StreamMaxLength, as is configured", [
  "clamd",
], async () => {
  await using clamd = await startClamd();
  const large = makeMail("large", `${"0123456789".repeat(7)}\r\n`.repeat(40_000));
  for (const address of [clamd.unix, clamd.tcp]) {
    for (const [onTooLarge, wanted] of [["accept", "250"], ["defer", "451 4.7.1"]] as const) {
      await using station = await startStation({ address, onTooLarge });
      assertEquals((await station.send(large)).slice(0, wanted.length), wanted);
      assertEquals(station.troubles, []);
    }
  }
});

interopTest("a clamd that has died gives 451, or the mail passes, as is configured", [
  "clamd",
], async () => {
  await using clamd = await startClamd();
  for (const address of [clamd.unix, clamd.tcp]) {
    await using strict = await startStation({ address });
    await using lax = await startStation({ address, onTrouble: "accept" });
    const mail = makeMail("clean", "Hello.\r\n");
    // The first time it is alive, the second time it is not: it is the same station that asks.
    if (address === clamd.unix) {
      for (const station of [strict, lax]) {
        assertEquals((await station.send(mail)).slice(0, 3), "250");
      }
      await clamd.daemon.stop();
    }
    assertEquals((await strict.send(mail)).slice(0, 9), "451 4.7.1");
    assertEquals((await lax.send(mail)).slice(0, 3), "250");
    for (const { troubles } of [strict, lax]) {
      assertEquals(troubles.map(({ type }) => type), ["policy.failed"]);
    }
  }
});
