/**
 * Samples of the formats beside the spool, made by the code of today in memory, each with what must be found in
 * it.
 *
 * @module
 */

import { queueCommands } from "../../src/admin/queue_requests.ts";
import { ControlServer } from "../../src/admin/control_server.ts";
import { formatAddress } from "../../src/address.ts";
import { encode } from "../../src/bytes.ts";
import { maildirDelivery } from "../../src/delivery/maildir/maildir.ts";
import { addUser } from "../../src/directory/users_edit.ts";
import type { MtaEvent } from "../../src/events.ts";
import { formatBulletin } from "../../src/intake/drop/drop_bulletin.ts";
import { formatDropFile } from "../../src/intake/drop/drop_file.ts";
import type { LocalRecipient, MessageSource } from "../../src/queue/local_delivery.ts";
import { formatEventJson } from "../../src/observe/event_json.ts";
import { QueueControl } from "../../src/queue/operator/queue_control.ts";
import type { QueueStore } from "../../src/queue/store.ts";
import { rewriteSender } from "../../src/routing/srs.ts";
import { type MemoryRuntime, memoryRuntime } from "../../src/runtime/memory.ts";
import { collect } from "./memory_tree.ts";
import { NOW } from "./spool_sample.ts";

/** The password of the user who has one. */
const PASSWORD = "correct horse \u9a7f\u7ad9";

/** A file by its path below the folder of a version. */
export type SampleFiles = ReadonlyMap<string, Uint8Array>;

/** A users file as `yizhan user add` begins it and a person goes on. */
export async function makeUsers(): Promise<{ file: Uint8Array; expected: unknown }> {
  const { files, random } = memoryRuntime({ seed: 1, now: NOW });
  await files.makeDirectory("/etc", 0o755);
  const access = { files, random, path: "/etc/users" };
  await addUser(access, {
    address: { local: "alice", domain: "example.org" },
    password: PASSWORD,
    quota: { bytes: 1024 ** 3, messages: 10_000 },
    sendAs: [{ address: { local: "sales", domain: "example.org" } }, { domain: "example.net" }],
  });
  const written = await files.readFile(access.path);
  const byHand = `
# by hand
user      printer@example.org -
user      "John Smith"@example.org - messages=5   # with blanks
user      grüße@bücher.example -
alias     team@example.org alice@example.org bob@elsewhere.example
catch-all example.net alice@example.org
domain    example.com
`;
  return {
    file: encode(new TextDecoder().decode(written) + byHand.replace(/ {3}# with blanks/, "")),
    expected: {
      password: { user: "alice@example.org", password: PASSWORD },
      users: {
        "alice@example.org": {
          canLogIn: true,
          quota: { bytes: 1024 ** 3, messages: 10_000 },
          sendAs: ["sales@example.org", "example.net"],
        },
        "printer@example.org": { canLogIn: false, sendAs: [] },
        '"John Smith"@example.org': { canLogIn: false, quota: { messages: 5 }, sendAs: [] },
        "grüße@bücher.example": { canLogIn: false, sendAs: [] },
      },
      aliases: { "team@example.org": ["alice@example.org", "bob@elsewhere.example"] },
      catchAll: { "example.net": ["alice@example.org"] },
      domains: ["example.org", "bücher.example", "example.net", "example.com"],
    },
  };
}

/** A bounce address that came into the world with some mail, and comes back weeks later. */
export function makeSrs(secret: string): unknown {
  const sender = { local: "carol", domain: "far.example" };
  const rewritten = rewriteSender(sender, "example.org", secret, NOW)!;
  return { rewritten: formatAddress(rewritten), sender: formatAddress(sender), time: NOW };
}

/** What programs leave in the drop folder, and what the server says there. */
export function makeDrop(): { files: SampleFiles; expected: unknown } {
  const envelope = {
    sender: "alice@example.org",
    recipients: [
      {
        address: "bob@example.net",
        notify: ["SUCCESS", "FAILURE"] as const,
        originalRecipient: { type: "rfc822", address: "Bob@example.net" },
      },
      { address: "grüße@bücher.example" },
    ],
    requireTls: true,
    dsnReturn: "HDRS" as const,
    dsnEnvelopeId: "QQ+314159",
  };
  const message = "Subject: dropped\n\nHello.\n";
  const bulletin = {
    hostname: "mx.example.org",
    sizeLimit: 50 * 1024 * 1024,
    ownUid: 990,
    senders: { "www-data": ["shop.example.org", "info@example.org"], "1001": "any" as const },
    subaddressDelimiter: "+",
  };
  const files = new Map([
    ["drop/mail-00112233445566778899aabbccddeeff", formatDropFile(envelope, encode(message))],
    ["drop/station.json", formatBulletin(bulletin)],
  ]);
  return { files, expected: { envelope, message, bulletin } };
}

/** What lies in the mailbox. */
export const DELIVERY: LocalRecipient = {
  mailbox: { domain: "example.org", user: "alice", quota: { bytes: 1000, messages: 1 } },
  address: { local: "alice", domain: "example.org" },
  sender: { local: "bob", domain: "example.net" },
  messageId: "kx3f.1.1",
};

const BODY = encode("Hello.\r\nTwo lines.\r\n");

/** The message of it. */
export const DELIVERED: MessageSource = {
  head: encode("Subject: delivered\r\n"),
  bodySize: BODY.length,
  received: NOW,
  async *openBody() {
    yield await Promise.resolve(BODY);
  },
};

/** A mailbox with a message in it. */
export async function makeMaildir(): Promise<SampleFiles> {
  const { files, clock } = memoryRuntime({ now: NOW });
  const maildir = maildirDelivery({ files, clock, root: "/mail", hostname: "mx.example.org" });
  await (await maildir.prepare(DELIVERED, DELIVERY)).publish();
  return await collect(files, "/mail", "mail");
}

/** What clients ask over the control socket, by name. */
const REQUESTS: ReadonlyMap<string, Uint8Array> = requestLines({
  list: { yizhan: 1, do: "list", filter: { to: "example.net" }, limit: 10 },
  show: { yizhan: 1, do: "show", id: "held.1", message: "whole" },
  hold: { yizhan: 1, do: "hold", ids: ["held.1", "none.1"], reason: "as before" },
  unknown: { yizhan: 1, do: "nothing there is" },
  later: { yizhan: 999, do: "list" },
});

function requestLines(requests: Readonly<Record<string, unknown>>): Map<string, Uint8Array> {
  const lines = Object.entries(requests).map(([name, request]) =>
    [name, encode(`${JSON.stringify(request)}\n`)] as const
  );
  return new Map(lines);
}

/** What was asked, and the answers that a server gives with this queue. */
export async function makeControl(
  runtime: MemoryRuntime,
  store: QueueStore,
  requests: ReadonlyMap<string, Uint8Array> = REQUESTS,
): Promise<SampleFiles> {
  const { network, files, clock } = runtime;
  const worker = {
    isActive: () => false,
    attemptNow: () => Promise.resolve("started" as const),
    makeWay: () => Promise.resolve(),
    giveBack: () => {},
  };
  const control = new QueueControl({ store, clock, emit: () => {}, worker });
  const commands = queueCommands(control);
  const path = "/control.sock";
  const server = await ControlServer.start({ network, files, clock, path, commands });
  const said = new Map<string, Uint8Array>();
  for (const [name, line] of requests) {
    const connection = await network.connect({ transport: "unix", path });
    await connection.write(line);
    const parts: number[] = [];
    const buffer = new Uint8Array(65_536);
    for (let length; (length = await connection.read(buffer)) !== null;) {
      parts.push(...buffer.subarray(0, length));
    }
    connection.close();
    said.set(`control/${name}.request`, line);
    said.set(`control/${name}.answer`, Uint8Array.from(parts));
  }
  await clock.runUntil(server.stop());
  return said;
}

/** A mail's lines in the log, and what stands around it. */
const EVENTS: readonly MtaEvent[] = [
  { time: NOW, type: "queue.opened", path: "/var/lib/yizhan/queue", messages: 3, duration: 12 },
  { time: NOW, type: "listener.started", listener: "mx", address: "0.0.0.0:25" },
  { time: NOW, type: "session.opened", session: "kx3f.1", listener: "mx", client: "192.0.2.9" },
  {
    time: NOW + 5,
    type: "message.queued",
    message: "kx3f.1.1",
    sender: "alice@example.org",
    recipients: ["bob@example.net"],
    size: 1200,
  },
  {
    time: NOW + 9,
    type: "delivery.deferred",
    message: "kx3f.1.1",
    recipient: "bob@example.net",
    host: "mx.example.net [192.0.2.7]:25",
    reply: "451 4.7.1 Greylisted",
    attempts: 1,
    next: NOW + 360_000,
  },
  {
    time: NOW + 360_009,
    type: "delivery.done",
    message: "kx3f.1.1",
    recipient: "bob@example.net",
    destination: "smtp:mx.example.net [192.0.2.7]:25",
  },
];

/** The log of one mail. */
export function makeLog(): Uint8Array {
  return encode(EVENTS.map((event) => `${formatEventJson(event)}\n`).join(""));
}
