/**
 * The last step of moving from Postfix, as `docs/postfix.md` has it: what waits in its queue goes over to
 * Yizhan, mail for mailboxes here as well as mail for others, and nothing of it is lost.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { blocksOf, readDocument } from "../support/documents.ts";
import { until } from "./daemon.ts";
import { untilMail } from "./maildir.ts";
import { POSTFIX, type Postfix, startPostfix } from "./postfix.ts";
import { startCatcher, startStation } from "./server.ts";
import { assertEnded, interopTest, run } from "./support.ts";

const ALICE = "alice@example.test";
const BOB = "bob@elsewhere.test";

/** The commands of the step, for a Postfix and a port of our own. */
async function commandsFor({ folder }: Postfix, address: string): Promise<string> {
  const page = await readDocument("docs/postfix.md");
  const block = blocksOf(page).find(({ text }) => text.includes("postqueue -f"));
  assert(block !== undefined);
  const config = `-c ${folder.path}/etc`;
  return block.text.replaceAll(/sudo (post\w+)/g, `$1 ${config}`)
    .replace("[127.0.0.1]:25", `[127.0.0.1]:${address.split(":")[1]}`);
}

async function queueOf({ folder }: Postfix): Promise<string> {
  return (await run("postqueue", ["-c", `${folder.path}/etc`, "-p"])).text;
}

interopTest("docs/postfix.md: Postfix hands over all that it has", [...POSTFIX], async () => {
  await using catcher = await startCatcher();
  await using postfix = await startPostfix({
    mailboxes: [ALICE],
    settings: ["defer_transports = virtual smtp relay", "virtual_alias_maps ="],
  });
  for (const to of [ALICE, BOB]) {
    const mail = new TextEncoder().encode(`Subject: for ${to}\n\nIt waits.\n`);
    await postfix.sendmail(["-f", "carol@example.test", to], mail);
  }
  await until("both wait", async () => {
    const text = await queueOf(postfix);
    return text.includes(ALICE) && text.includes(BOB) && !text.includes("*") ? text : null;
  });
  const { host, port } = catcher.endpoint();
  await using station = await startStation({
    users: { [ALICE]: "wonderland" },
    listeners: ["mx"],
    relay: {
      from: ["127.0.0.1/32"],
      routes: [{ domains: ["*"], via: { kind: "smarthost", host, port } }],
    },
  });
  const script = await commandsFor(postfix, station.endpoint("mx").address);
  const lift = `postconf -c ${postfix.folder.path}/etc -e defer_transports=\n`;
  assertEnded(await run("bash", ["-euc", lift + script]));

  const [here] = await untilMail(station.maildir(ALICE), 1);
  const [there] = await untilMail(catcher.maildir(BOB), 1);
  const subjects = [here, there].map((mail) =>
    /^Subject: (.*)$/m.exec(new TextDecoder().decode(mail!.file))?.[1]
  );
  assertEquals(subjects, [`for ${ALICE}`, `for ${BOB}`]);
  const left = await until("the old queue is empty", async () => {
    const text = await queueOf(postfix);
    return /empty/.test(text) ? text : null;
  });
  assertMatch(left, /Mail queue is empty/);
});
