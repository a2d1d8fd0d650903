/**
 * Reports of DMARC of a server that runs: what came in a domain's name, in all its threads, is reported the day after,
 * and `yizhan dmarc` reads it where it arrived.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { formatNameServer } from "../../src/runtime/resolv_conf.ts";
import type { ConfigInput } from "../../src/config/schema.ts";
import { DnsServer } from "../support/dns_server.ts";
import { Client } from "./program.ts";
import { Site } from "./site.ts";

const MAIL = "From: Ann <ann@author.test>\r\nSubject: hi\r\n\r\nHello.\r\n";

/** Makes the counts of today those of the day before yesterday, whose reports are long due. */
async function age(folder: string): Promise<void> {
  const day = new Date(Date.now() - 2 * 86_400_000).toISOString().slice(0, 10);
  for await (const { name } of Deno.readDir(folder)) {
    await Deno.rename(`${folder}/${name}`, `${folder}/${name.replace(/^\d{4}-\d\d-\d\d/, day)}`);
  }
}

async function send(port: number, count: number, sender: string): Promise<void> {
  for (let sent = 0; sent < count; sent++) {
    using client = await Client.connect(port);
    await client.say("EHLO client.test", 250);
    await client.send(sender, "alice@example.test", MAIL);
  }
}

Deno.test("yizhan serve reports who sent in a domain's name, and yizhan dmarc reads the report", async () => {
  await using dns = await DnsServer.start();
  dns.zones.set("author.test", { mx: ["10 mx.author.test"], txt: ["v=spf1 ip4:127.0.0.1 -all"] });
  dns.zones.set("other.test", { mx: ["10 mx.author.test"], txt: ["v=spf1 ip4:127.0.0.1 -all"] });
  dns.zones.set("_dmarc.author.test", {
    txt: ["v=DMARC1; p=quarantine; rua=mailto:reports@example.test"],
  });
  dns.zones.set("author.test._report._dmarc.example.test", { txt: ["v=DMARC1"] });
  await using site = await Site.make();
  await site.addUser("reports");
  const config: Partial<ConfigInput> = {
    relay: { nameServers: [formatNameServer(dns.server)] },
    abuse: { exempt: [], senderDomain: { enabled: false } },
    reports: { dmarc: { contact: "postmaster@example.test", organization: "Example" } },
    log: { format: "json" },
    workers: 2,
  };
  const words = { flags: ["-A", "--unstable-net"] };
  {
    const { program, ports: [port] } = await site.start(config, words);
    await using _program = program;
    await send(port!, 6, "ann@author.test");
    await send(port!, 2, "ann@other.test");
    program.signal("SIGTERM");
    assertEquals((await program.ended()).code, 0);
  }
  await age(`${site.path}/dmarc-reports`);
  const { program } = await site.start(config, words);
  await using _program = program;
  const event = JSON.parse(await program.stdoutLine(/report\.sent/));
  assertEquals([event.kind, event.domain, event.targets, event.troubles], [
    ...["dmarc", "author.test", ["reports@example.test"], []],
  ]);
  const { code, stdout, stderr } = await site.run([
    ...["dmarc", "--json", "--mailbox", "reports@example.test", "--domain", "author.test"],
  ]);
  assertEquals([code, stderr], [0, ""]);
  const summary = JSON.parse(stdout);
  assertEquals([summary.domain, summary.policy, summary.reporters], [
    ...["author.test", "quarantine", ["Example"]],
  ]);
  assertEquals([summary.messages, summary.passed, summary.quarantined], [8, 6, 2]);
  const [{ source, kind, otherDomains }] = summary.sources;
  assertEquals([source, kind, otherDomains], ["127.0.0.1", "mixed", ["other.test"]]);
});
