/**
 * What one policy of stage `message` sees of what those before it asked for, and fields put in as they are.
 *
 * @module
 */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { formatAddress } from "../../src/address.ts";
import { decode, encode } from "../../src/bytes.ts";
import { fieldValue, verbatimField } from "../../src/message/header.ts";
import type { Change, MessageView, Policy } from "../../src/policy/policy.ts";
import { MemoryStation } from "../support/memory_station.ts";

const changing = (...changes: Change[]): Policy => ({
  name: "editor",
  message: () => ({ action: "annotate", changes }),
});

Deno.test("a policy sees the message as those before it have changed it", async () => {
  const seen: unknown[] = [];
  const look = async (message: MessageView) => {
    let body = "";
    for await (const chunk of message.openBody()) body += decode(chunk);
    seen.push([
      message.fields.map(({ name }) => name),
      fieldValue(message.fields.at(-1)!),
      message.envelope.sender?.local,
      message.envelope.recipients.map(({ address }) => formatAddress(address)),
      message.bodySize,
      body,
    ]);
  };
  const policies: Policy[] = [
    {
      name: "early",
      sender: () => ({
        action: "annotate",
        changes: [{ change: "add-field", name: "X-Early", value: "1" }],
      }),
      message: look,
    },
    changing(
      { change: "replace-field", name: "Subject", occurrence: 1, value: "[checked] hi" },
      { change: "replace-body", body: encode("Other.\r\n") },
      { change: "replace-sender", sender: { local: "b", domain: "client.example" } },
      { change: "add-recipient", recipient: { local: "bob", domain: "example.test" } },
      { change: "remove-recipient", recipient: { local: "alice", domain: "example.test" } },
    ),
    { name: "late", message: look },
  ];
  await using station = await MemoryStation.start({ policies });
  const peer = await station.greeted();
  await peer.mail({ text: "Subject: hi\r\n\r\nHello.\r\n" });
  const names = ["X-Early", "Received", "Subject"];
  assertEquals(seen, [
    [names, "hi", "a", ["alice@example.test"], 8, "Hello.\r\n"],
    [names, "[checked] hi", "b", ["bob@example.test"], 8, "Other.\r\n"],
  ]);
  const [mail] = await station.mailbox("bob");
  assertEquals(mail!.match(/^X-Early:/gm)?.length, 1);
  assertStringIncludes(mail!, "\r\n\r\nOther.\r\n");
});

Deno.test("policies are shown whether there are results of checks, as policies before have left them", async () => {
  const seen: boolean[] = [];
  const look: Policy = { name: "look", message: ({ hasResults }) => void seen.push(hasResults) };
  const name = "Authentication-Results";
  const policies = [
    look,
    changing({ change: "add-field", name, value: "a.example; none" }),
    look,
    changing({ change: "replace-field", name, occurrence: 1, value: null }),
    look,
  ].map((policy, index) => ({ ...policy, name: `${index}` }));
  await using station = await MemoryStation.start({ policies });
  await (await station.greeted()).mail({});
  assertEquals(seen, [false, true, false]);
});

Deno.test("a policy puts a field in as it is, its folding and its long lines included", async () => {
  const value = `  v=1;\r\n\tb=${"x".repeat(90)} y\r\n \tz`;
  await using station = await MemoryStation.start({
    policies: [
      changing({ change: "insert-field", index: 99, name: "X-Sig", value, verbatim: true }),
    ],
  });
  const peer = await station.greeted();
  await peer.mail({});
  assertStringIncludes((await station.mailbox("alice"))[0]!, `\r\nX-Sig:${value}\r\n`);
});

Deno.test("a verbatim field that would be two, or none, is made as fields are made", async () => {
  const value = " a\r\nBcc: eve@example.test";
  await using station = await MemoryStation.start({
    policies: [changing({ change: "add-field", name: "X-Sig", value, verbatim: true })],
  });
  const peer = await station.greeted();
  await peer.mail({});
  assertMatch((await station.mailbox("alice"))[0]!, /^X-Sig: a\r\n Bcc: eve@example\.test\r\n/m);
});

Deno.test("verbatimField() makes one field or none", () => {
  const wrong = [
    "a\nb",
    "a\rb",
    "a\r\nb",
    "a\r\n \r\n b",
    "a\0",
    "a\r\n",
    "x".repeat(999),
    "\ud800",
  ];
  for (const value of wrong) assertEquals(verbatimField("X", value), null, JSON.stringify(value));
  assertEquals(verbatimField("X Y", "a"), null);
  assertEquals(decode(verbatimField("X", "")!.raw), "X:\r\n");
  assertEquals(decode(verbatimField("X", "\r\n a\t\r\n\tä")!.raw), "X:\r\n a\t\r\n\tä\r\n");
});

Deno.test("policies are shown the port and how the client logged in", async () => {
  const seen: unknown[] = [];
  const policy: Policy = {
    name: "looker",
    sender: ({ port, mechanism, identity }) => void seen.push([typeof port, mechanism, identity]),
  };
  await using station = await MemoryStation.start({
    policies: [policy],
    listener: { role: "submissions" },
  });
  const peer = await station.connect();
  await peer.secure();
  await peer.expect(220);
  await peer.say("EHLO client.example", 250);
  await peer.say(`AUTH PLAIN ${btoa("\0alice@example.test\0wonderland")}`, 235);
  await peer.say("MAIL FROM:<alice@example.test>", 250);
  assertEquals(seen, [["number", "PLAIN", "alice@example.test"]]);
});
