/**
 * mutt reads the Maildir itself, as a person on the machine does: it lists what was delivered as new,
 * and hands on a mail's body as it was sent.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { DOTS, makeMail } from "./mail.ts";
import { readMaildir, withCrlf } from "./maildir.ts";
import { startCatcher } from "./server.ts";
import { assertEnded, assertSameOctets, encodeBase64, interopTest, octets } from "./support.ts";
import { run, runPython } from "./support.ts";

const TO = "alice@example.test";

/** Runs mutt on a terminal of its own (`script` makes one) with some keys pressed. */
async function mutt(maildir: string, keys: string) {
  // Without `folder` it would ask whether to make ~/Mail.
  const settings = [
    `folder=${maildir}`,
    "wait_key=no",
    "charset=utf-8",
    "pipe_decode=no",
    "sort=date",
  ];
  const set = `-e 'set ${settings.join(" ")}' -e 'push "${keys}"'`;
  const command = `stty cols 120 rows 40; mutt -n -F /dev/null -R -f ${maildir} ${set}`;
  // An end of input would be a key to mutt.
  const options = { env: { TERM: "xterm" }, holdInput: true };
  const ran = await run("script", ["-qec", command, "/dev/null"], options);
  assertEnded(ran);
  return ran.text;
}

interopTest(
  "mutt lists what was delivered as new mail",
  ["mutt", "script", "python3"],
  async () => {
    await using server = await startCatcher();
    const { host, port } = server.endpoint();
    const mails = ["first light", "second wind"].map((subject) => makeMail(subject, DOTS));
    for (const mail of mails) {
      const envelope = { sender: "bob@sender.test", recipients: [TO], message: encodeBase64(mail) };
      const request = { kind: "smtp", host, port, ...envelope };
      const { error } = await runPython<{ error: unknown }>("smtp_client.py", request);
      assertEquals(error, null);
    }
    const screen = await mutt(server.maildir(TO), "<exit>");
    // In which order mutt shows mails of one second is its own affair.
    assertMatch(screen, /\d N .*bob@sender\.test.*first light/);
    assertMatch(screen, /\d N .*second wind/);
    assertMatch(screen, /Msgs:2 New:2/);
    assertEquals((await readMaildir(server.maildir(TO))).map(({ folder }) => folder), [
      "new",
      "new",
    ]);

    const copy = `${server.folder.path}/copy`;
    await mutt(server.maildir(TO), `<first-entry><pipe-message>cat > ${copy}<enter><exit>`);
    const text = new TextDecoder("latin1").decode(withCrlf(await Deno.readFile(copy)));
    const body = text.slice(text.indexOf("\r\n\r\n") + 4);
    assertSameOctets(octets(body), octets(DOTS), "the body mutt hands on");
  },
);
