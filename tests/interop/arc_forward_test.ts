/**
 * A stranger's mail by an alias to another station, both the whole server: SPF fails there, and the author's domain
 * wants such mail refused. The seal of the first station tells the second, where it is trusted, and dkimpy.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { toPort } from "../support/config.ts";
import { findFreePort } from "../support/free_port.ts";
import { arcPeers } from "./arc_peers.ts";
import { startKnot } from "./knot.ts";
import { makeMail } from "./mail.ts";
import { untilMail } from "./maildir.ts";
import { runCommand, type Server, startStation } from "./server.ts";
import { until } from "./daemon.ts";
import { assertEnded, interopTest, run } from "./support.ts";

const ALIAS = "carl@example.test";
const CARL = "carl@last.test";
const BOB = "bob@reject.example";
const PASSWORD = "correct horse battery staple";

/** Whoever sends mail of `reject.example` from this machine may do so; others may not. */
const AUTHOR = `reject MX 10 mx.reject
mx.reject A 192.0.2.7
reject TXT "v=spf1 ip4:127.0.0.1 -all"
_dmarc.reject TXT "v=DMARC1; p=reject"
`;

async function command({ folder }: Server, ...words: string[]): Promise<string> {
  const ran = await runCommand(folder, [...words, "--config", `${folder.path}/yizhan.yaml`]);
  assertEnded(ran);
  return ran.text;
}

/** The station of the alias, with a key, and the key's record. */
async function startForwarder(nameServer: string, next: number) {
  const server = await startStation({
    users: { "alice@example.test": PASSWORD },
    listeners: ["mx"],
    relay: { nameServers: [nameServer], routes: [toPort(next)] },
    more: () => ({ abuse: { exempt: [] } }),
  });
  await command(server, "user", "alias", ALIAS, CARL);
  await command(server, "dkim", "new", "example.test");
  await command(server, "dkim", "rotate", "example.test", "--now");
  await command(server, "reload");
  const listed = await command(server, "dkim", "list", "--json");
  const records = listed.split("\n").filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line).record as { readonly name: string; readonly value: string });
  return { server, records: Object.fromEntries(records.map(({ name, value }) => [name, value])) };
}

function zoneLine(name: string, text: string): string {
  return `${name} TXT ${(text.match(/.{1,200}/g) ?? []).map((part) => `"${part}"`).join(" ")}\n`;
}

for (const trusts of [true, false]) {
  interopTest(
    `mail by an alias is ${trusts ? "taken where its seal is trusted" : "refused where it is not"}`,
    ["knotd", "swaks", "python3"],
    async () => {
      await using knot = await startKnot({ example: AUTHOR, test: "" });
      // Each must know where the other is, and the second the key of the first.
      const port = findFreePort();
      const nameServer = `${knot.server.address}:${knot.server.port}`;
      const { server: forwarder, records } = await startForwarder(nameServer, port);
      await using _forwarder = forwarder;
      const keys = Object.entries(records).map(([name, text]) =>
        zoneLine(name.replace(/\.test$/, ""), text)
      );
      await using names = await startKnot({
        example: AUTHOR,
        test: `example MX 10 mx.example\nmx.example A 192.0.2.25\n${keys.join("")}`,
      });
      await using last = await startStation({
        hostname: "mx.last.test",
        users: { [CARL]: PASSWORD },
        listeners: ["mx"],
        relay: { nameServers: [`${names.server.address}:${names.server.port}`] },
        more: () => ({
          listeners: [{ role: "mx", address: `127.0.0.1:${port}` }],
          abuse: { exempt: [] },
          authentication: { sealers: trusts ? ["example.test"] : [] },
        }),
      });
      const mail = new TextDecoder().decode(makeMail("a subject", "Hello, Carl.\r\n"))
        .replace(/^From: .*\r\n/m, `From: Bob <${BOB}>\r\n`);
      const file = await forwarder.folder.write("mail.eml", mail.replaceAll("\r\n", "\n"));
      const { address } = forwarder.endpoint("mx");
      const envelope = ["--to", ALIAS, "--from", BOB, "--helo", "client.example"];
      assertEnded(await run("swaks", ["--server", address, ...envelope, "--data", `@${file}`]));

      const log = () => JSON.stringify([...forwarder.events, ...last.events], null, 1);
      if (!trusts) {
        const failed = await until(
          "a refusal",
          () => forwarder.events.find((event) => event.type === "delivery.failed"),
          { log },
        );
        assertMatch(
          failed.type === "delivery.failed" ? failed.reply : "",
          /^550 5\.7\.\d+ DMARC: /,
        );
        return;
      }
      const [stored] = await untilMail(last.maildir(CARL), 1, log);
      const head = new TextDecoder().decode(stored!.octets).split("\r\n\r\n")[0]!;
      const unfolded = head.replaceAll(/\r\n[ \t]+/g, " ");
      assertMatch(unfolded, /^ARC-Seal: i=1; a=rsa-sha256; d=example\.test; .* cv=none; /m);
      assertMatch(
        unfolded,
        /^ARC-Authentication-Results: i=1; mx\.example\.test; spf=pass .*; dmarc=pass .* header\.from=reject\.example$/m,
      );
      assertMatch(
        unfolded,
        /^Authentication-Results: mx\.last\.test; .*; arc=pass \(i=1 example\.test\)/m,
      );
      assertMatch(unfolded, /^Authentication-Results: mx\.last\.test; .*; dmarc=fail /m);
      const [dkimpy] = arcPeers.filter(({ name }) => name === "dkimpy");
      assertEquals(await dkimpy!.verify([stored!.octets], records), ["pass"]);
    },
  );
}
