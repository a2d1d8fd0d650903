/**
 * The tricks by which servers were made to relay: percent hacks, source routes, bang paths, quotes, literals,
 * forged senders, look-alikes. A stranger tries each with every kind of sender; nothing may ever leave
 * for another host, whatever is said to RCPT.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { mapDirectory, type MapDirectoryOptions } from "../src/directory/map_directory.ts";
import { memoryRuntime } from "../src/runtime/memory.ts";
import { ScriptedPeer } from "./delivery/scripted_peer.ts";
import { MemoryStation } from "./support/memory_station.ts";

const SENDERS = [
  "<>",
  "<spam@elsewhere.example>",
  "<alice@example.test>", // one of ours, who has not logged in
  "<postmaster@mx.example.test>",
  "<spam@[192.0.2.25]>",
  "<spam@[127.0.0.1]>",
  "<spam@localhost>",
];

/** What follows `RCPT TO:`. The mail is for victim@elsewhere.example; we are mx.example.test, 192.0.2.25. */
const TRICKS = [
  "<victim@elsewhere.example>",
  "<VICTIM@ELSEWHERE.EXAMPLE>",
  "<victim@elsewhere.example.>",
  "<victim@elsewhere.example.example.test>",
  "<victim%elsewhere.example>",
  "<victim%elsewhere.example@example.test>",
  "<victim%elsewhere.example@mx.example.test>",
  "<victim%elsewhere.example@[192.0.2.25]>",
  "<victim%elsewhere.example%example.test@example.test>",
  "<victim%40elsewhere.example@example.test>",
  '<"victim%elsewhere.example"@example.test>',
  '<"victim@elsewhere.example"@example.test>',
  '<"victim@elsewhere.example"@[192.0.2.25]>',
  '<"victim@elsewhere.example">',
  '<"victim\\@elsewhere.example"@example.test>',
  '<"<victim@elsewhere.example>"@example.test>',
  "<victim@elsewhere.example@example.test>",
  "<victim@elsewhere.example@[192.0.2.25]>",
  "<victim@elsewhere.example@>",
  "<@example.test:victim@elsewhere.example>",
  "<@[192.0.2.25]:victim@elsewhere.example>",
  "<@mx.example.test,@example.test:victim@elsewhere.example>",
  "<@elsewhere.example:alice@example.test>",
  "<elsewhere.example!victim>",
  "<elsewhere.example!victim@example.test>",
  "<example.test!elsewhere.example!victim@mx.example.test>",
  "<elsewhere.example!victim%example.test@example.test>",
  "<victim@[192.0.2.99]>",
  "<victim@[192.0.2.25].elsewhere.example>",
  "<victim@[IPv6:::ffff:192.0.2.99]>",
  "<victim@192.0.2.99>",
  "<victim@[192.0.2.025]>",
  "<victim@localhost>",
  "<victim>",
  "victim@elsewhere.example",
  "<victim@elsewhere.example",
  "<<victim@elsewhere.example>>",
  "<alice@example.test>,<victim@elsewhere.example>",
  "<alice@example.test> <victim@elsewhere.example>",
  "<alice@example.test,victim@elsewhere.example>",
  "<alice@example.test;victim@elsewhere.example>",
  "<alice@example.test\0victim@elsewhere.example>",
  "<alice@example.test> ORCPT=rfc822;victim@elsewhere.example",
  "<alice+victim@example.test>",
  "<alice+victim+elsewhere.example@example.test>",
  "<victim(comment)@elsewhere.example>",
  "< victim@elsewhere.example >",
  "<\tvictim@elsewhere.example>",
  '<" "@elsewhere.example>',
  "<victim@elsewhere.example>@example.test",
  "<victim@\u0435xample.test>", // a Cyrillic letter
  "<victim@\uff45xample.test>", // a wide one
  "<victim@elsewhere\u3002example>", // an ideographic full stop
  "<victim\uff20elsewhere.example@example.test>", // a wide @
  "<victim@elsewhere.example\u200b>",
  "<SRS0=AAAAAAAA=AA=elsewhere.example=victim@example.test>",
  "<SRS0=AAAA=AA=elsewhere.example=victim@mx.example.test>",
  "<SRS1=AAAA=elsewhere.example==AAAA=AA=elsewhere.example=victim@example.test>",
  "<prvs=0123abcdef=victim@elsewhere.example>",
  "<postmaster@elsewhere.example>",
  "<abuse@elsewhere.example>",
];

const DIRECTORIES: Readonly<Record<string, MapDirectoryOptions>> = {
  "mailboxes": { accounts: { "alice@example.test": {} } },
  "a catch-all": {
    accounts: { "alice@example.test": {} },
    catchAll: { "example.test": "alice@example.test" },
  },
};

for (const [what, options] of Object.entries(DIRECTORIES)) {
  for (const role of ["mx", "submission"] as const) {
    Deno.test(`open relay: ${role} with ${what} is none, whatever trick a stranger tries`, async () => {
      const runtime = memoryRuntime({ address: "192.0.2.25" });
      const elsewhere = memoryRuntime({ address: "192.0.2.99", beside: runtime });
      const next = await ScriptedPeer.start(elsewhere);
      await using station = await MemoryStation.start({
        runtime,
        directory: mapDirectory(options),
        postmaster: "alice@example.test",
        addresses: ["192.0.2.25"],
        queue: { directory: "/queue" },
        routes: [{ domains: ["*"], via: { kind: "smarthost", host: "192.0.2.99", port: 25 } }],
        listener: { role, limits: { refusedRecipients: 10_000, errors: 10_000 } },
      });
      const taken: string[] = [];
      for (const sender of SENDERS) {
        const peer = await station.greeted();
        for (const trick of TRICKS) {
          await peer.send(`MAIL FROM:${sender} SMTPUTF8\r\n`);
          const opened = await peer.reply();
          assertEquals(opened?.startsWith("250"), role === "mx", `${sender}: ${opened}`);
          await peer.send(`RCPT TO:${trick}\r\n`);
          const answer = await peer.reply();
          if (answer?.startsWith("250")) {
            taken.push(trick);
            await peer.say("DATA", 354);
            await peer.say(`Subject: ${taken.length}\r\n\r\nspam\r\n.`, 250);
          } else {
            assert(/^5\d\d 5\./.test(answer ?? ""), `${trick}: ${answer}`);
            await peer.say("RSET", 250);
          }
        }
        await peer.say("QUIT", 221);
      }
      await runtime.clock.advance(3_600_000);
      assertEquals([next.connections, next.messages.length], [0, 0]);
      assertEquals(station.of("message.queued"), []);
      // What was taken is Alice's: by her own address, as postmaster, or caught.
      assertEquals((await station.mailbox("alice")).length, taken.length);
      if (role === "submission") assertEquals(taken, []);
      else if (what === "mailboxes") {
        assertEquals([...new Set(taken)], [
          "<@elsewhere.example:alice@example.test>",
          "<alice@example.test> ORCPT=rfc822;victim@elsewhere.example",
          "<alice+victim@example.test>",
          "<alice+victim+elsewhere.example@example.test>",
        ]);
      }
    });
  }
}

Deno.test("open relay: the same station relays for a network that it trusts", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const elsewhere = memoryRuntime({ address: "192.0.2.99", beside: runtime });
  const next = await ScriptedPeer.start(elsewhere);
  await using station = await MemoryStation.start({
    runtime,
    relayFrom: ["198.51.100.7/32"],
    queue: { directory: "/queue" },
    routes: [{ domains: ["*"], via: { kind: "smarthost", host: "192.0.2.99", port: 25 } }],
  });
  const friend = await station.greeted("198.51.100.7");
  await friend.mail({ sender: "alice@example.test", to: ["victim@elsewhere.example"] });
  const stranger = await station.greeted("198.51.100.8");
  await stranger.say("MAIL FROM:<alice@example.test>", 250);
  await stranger.say("RCPT TO:<victim@elsewhere.example>", 550, "5.7.1");
  await runtime.clock.advance(10_000);
  assertEquals(next.messages.map(({ rcpt }) => rcpt), [["<victim@elsewhere.example>"]]);
});

Deno.test("open relay: loopback is a stranger too, unless it is named", async () => {
  await using station = await MemoryStation.start({ queue: { directory: "/queue" } });
  const peer = await station.greeted("127.0.0.1");
  await peer.say("MAIL FROM:<alice@example.test>", 250);
  await peer.say("RCPT TO:<victim@elsewhere.example>", 550, "5.7.1");
});
