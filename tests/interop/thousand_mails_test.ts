/**
 * Two stations and Postfix relay a thousand mails through each other: five hundred go from a client to
 * station A, to Postfix, to station B, and as many the other way at the same time. Each arrives once, and
 * every octet of it as it was sent.
 *
 * @module
 */

import { toPort } from "../support/config.ts";
import { createHash } from "node:crypto";
import { assertEquals } from "@std/assert";
import { findFreePort } from "../support/free_port.ts";
import { until } from "./daemon.ts";
import { readMaildir, splitTrace } from "./maildir.ts";
import { POSTFIX, startPostfix } from "./postfix.ts";
import { type Server, startStation } from "./server.ts";
import { interopTest, runPython } from "./support.ts";

const EACH = 500;
const SESSIONS = 4;

/** SHA-256 of the messages that were sent, by recipient and number. */
type Sums = Record<string, Record<string, string>>;

function startOne(name: string, next: number): Promise<Server> {
  return startStation({
    hostname: `mx.${name}.test`,
    users: { [`user@${name}.test`]: "correct horse battery staple" },
    listeners: ["mx"],
    relay: { from: ["127.0.0.0/8"], routes: [toPort(next)] },
  });
}

interopTest("Two stations and Postfix relay a thousand mails through each other", [
  ...POSTFIX,
  "python3",
], async () => {
  const port = findFreePort();
  await using a = await startOne("a", port);
  await using b = await startOne("b", port);
  const way = (server: Server) => `smtp:[127.0.0.1]:${server.endpoint("mx").port}`;
  await using postfix = await startPostfix({
    port,
    tls: "postfix.test",
    transports: { "a.test": way(a), "b.test": way(b) },
    settings: ["smtp_tls_security_level = may"],
  });
  const started = performance.now();
  const order = (from: Server, sender: string, recipient: string, first: number) => ({
    ...{ port: from.endpoint("mx").port, sender, recipient, first, count: EACH },
  });
  const { sent } = await runPython<{ sent: Sums }>("thousand_mails.py", {
    sessions: SESSIONS,
    orders: [
      order(a, "user@a.test", "user@b.test", 0),
      order(b, "user@b.test", "user@a.test", EACH),
    ],
  });
  const accepted = performance.now();
  for (const [server, user] of [[a, "user@a.test"], [b, "user@b.test"]] as const) {
    const folder = `${server.maildir(user)}/new`;
    await until(`${EACH} mails for ${user}`, async () => await countFiles(folder) >= EACH, {
      log: postfix.log,
    });
  }
  const arrived = performance.now();
  let octets = 0;
  for (const [server, user] of [[a, "user@a.test"], [b, "user@b.test"]] as const) {
    const found: Record<string, string> = {};
    for (const mail of await readMaildir(server.maildir(user))) {
      const { trace, message } = splitTrace(mail.octets);
      const number = /^Subject: number (\d+)\./m.exec(decodeHead(message))?.[1] ?? mail.name;
      assertEquals(found[number], undefined, `${number} came twice`);
      found[number] = createHash("sha256").update(message).digest("hex");
      octets += message.length;
      // Client to station, to Postfix, to station.
      assertEquals(trace.filter((field) => field.startsWith("Received:")).length, 3);
    }
    assertEquals(found, sent[user]);
    assertEquals(Object.keys(found).length, EACH);
  }
  for (const server of [a, b]) {
    const bad = server.events.filter(({ type }) => /failed|deferred|trouble|damaged/.test(type));
    assertEquals(bad, []);
  }
  const seconds = (from: number, to: number) => ((to - from) / 1000).toFixed(1);
  console.log(
    `${2 * EACH} mails, ${(octets / 1e6).toFixed(1)} MB: taken after ` +
      `${seconds(started, accepted)} s, all delivered after ${seconds(started, arrived)} s`,
  );
});

function decodeHead(message: Uint8Array): string {
  return new TextDecoder().decode(message.subarray(0, 500));
}

async function countFiles(folder: string): Promise<number> {
  return (await Array.fromAsync(Deno.readDir(folder)).catch(() => [])).length;
}
