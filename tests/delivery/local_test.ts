import { assertEquals, assertMatch } from "@std/assert";
import { decode } from "../../src/bytes.ts";
import { localTransport } from "../../src/delivery/local.ts";
import { maildirDelivery } from "../../src/delivery/maildir/maildir.ts";
import type { MtaFact } from "../../src/events.ts";
import { DeliveryError, type LocalDelivery } from "../../src/queue/local_delivery.ts";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import { reply } from "../../src/smtp/reply.ts";
import { jobFor, sourceOf, told } from "./support.ts";

const LOCAL = { kind: "local" } as const;
const NEVER = new AbortController().signal;
const ALICE = { domain: "example.org", user: "alice" };

function maildir() {
  const { files, clock } = memoryRuntime();
  const facts: MtaFact[] = [];
  const delivery = maildirDelivery({ files, clock, root: "/mail", hostname: "mx.example.org" });
  return { files, facts, transport: localTransport({ delivery, emit: (f) => facts.push(f) }) };
}

Deno.test("localTransport() puts a message into each mailbox", async () => {
  const { files, transport } = maildir();
  const job = jobFor(LOCAL, { to: ["alice@example.org", "bob@example.org"] });
  const recipients = job.entry.recipients.map((recipient) => ({
    ...recipient,
    mailbox: { domain: "example.org", user: recipient.address.local },
  }));
  const outcomes = await transport.deliver({ ...job, entry: { ...job.entry, recipients } }, NEVER);
  assertEquals(told(outcomes), [
    "0 delivered 250 2.1.5 delivered",
    "1 delivered 250 2.1.5 delivered",
  ]);
  assertEquals(outcomes[1]!.host, "maildir:example.org/bob");
  for await (const { name } of files.list("/mail/example.org/bob/new")) {
    const text = decode(await files.readFile(`/mail/example.org/bob/new/${name}`));
    assertEquals(
      text,
      "Return-Path: <alice@example.com>\nDelivered-To: bob@example.org\nSubject: hi\n\nHello.\n",
    );
  }
});

Deno.test("localTransport() replaces the twin when a delivery is repeated", async () => {
  const { files, transport } = maildir();
  const job = jobFor(LOCAL, { recipient: { mailbox: ALICE } });
  await transport.deliver(job, NEVER);
  await transport.deliver(job, NEVER);
  const names: string[] = [];
  for await (const { name } of files.list("/mail/example.org/alice/new")) names.push(name);
  assertEquals(names.length, 1);
});

Deno.test("localTransport() leaves the body where the queue has it", async () => {
  const { transport } = maildir();
  let moved = false;
  const source = {
    ...sourceOf("Subject: hi\r\n", "Hello.\r\n"),
    moveBody: () => Promise.resolve(moved = true),
  };
  const job = jobFor(LOCAL, { recipient: { mailbox: ALICE } });
  await transport.deliver({ ...job, open: () => Promise.resolve(source) }, NEVER);
  assertEquals(moved, false);
});

Deno.test("localTransport() tells by the reply of a DeliveryError whether to try again", async () => {
  const facts: MtaFact[] = [];
  const replies = [reply(552, "5.2.2", "full"), reply(452, "4.3.1", "no disk")];
  const delivery: LocalDelivery = {
    checkRoom: () => Promise.resolve(null),
    prepare: (_, { address }) => {
      if (address.local === "zoe") return Promise.reject(new TypeError("a bug"));
      return Promise.reject(new DeliveryError(replies.shift()!, "detail for the log"));
    },
  };
  const transport = localTransport({ delivery, emit: (fact) => facts.push(fact) });
  const to = ["a@example.org", "b@example.org", "zoe@example.org"];
  const outcomes = await transport.deliver(
    jobFor(LOCAL, { to, recipient: { mailbox: ALICE } }),
    NEVER,
  );
  assertEquals(told(outcomes), [
    "0 failed 552 5.2.2 full",
    "1 deferred 452 4.3.1 no disk",
    "2 deferred 451 4.3.0 local delivery failed for now",
  ]);
  assertEquals(facts.map(({ type }) => type), ["queue.trouble", "queue.trouble", "queue.trouble"]);
});

Deno.test("localTransport() defers when the queue cannot be read, and without a mailbox", async () => {
  const { transport, facts } = maildir();
  const job = jobFor(LOCAL);
  assertMatch(told(await transport.deliver(job, NEVER))[0]!, /^0 deferred 451 4\.3\.5/);
  const open = () => Promise.reject(new Error("EIO"));
  assertMatch(
    told(await transport.deliver({ ...job, open }, NEVER))[0]!,
    /^0 deferred 451 4\.3\.0/,
  );
  assertEquals(facts.length, 1);
});

Deno.test("localTransport() takes back what is not shown when it is aborted", async () => {
  const abort = new AbortController();
  const calls: string[] = [];
  const preparing = Promise.withResolvers<void>();
  const delivery: LocalDelivery = {
    checkRoom: () => Promise.resolve(null),
    async prepare() {
      abort.abort();
      await preparing.promise;
      return {
        publish: () => Promise.resolve(void calls.push("publish")),
        discard: () => Promise.resolve(void calls.push("discard")),
      };
    },
  };
  const transport = localTransport({ delivery, emit: () => {} });
  const job = jobFor(LOCAL, { recipient: { mailbox: ALICE } });
  assertMatch(told(await transport.deliver(job, abort.signal))[0]!, /^0 deferred 451 4\.3\.2/);
  preparing.resolve();
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(calls, ["discard"]);
});

Deno.test("localTransport() makes lines of a BINARYMIME message, and keeps what it says", async () => {
  const { files, transport } = maildir();
  // RFC 3030: the part is octets, bare LF and NUL among them, no line of text.
  const head = "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n" +
    "Content-Transfer-Encoding: binary\r\n";
  const job = jobFor(LOCAL, { recipient: { mailbox: ALICE } });
  const entry = { ...job.entry, body: "BINARYMIME" as const };
  const source = sourceOf(head, "a\nb\0c\r\r\n");
  await transport.deliver({ ...job, entry, open: () => Promise.resolve(source) }, NEVER);
  for await (const { name } of files.list("/mail/example.org/alice/new")) {
    const text = decode(await files.readFile(`/mail/example.org/alice/new/${name}`));
    assertMatch(text, /^Content-Transfer-Encoding: base64$/im);
    assertEquals(atob(text.slice(text.indexOf("\n\n") + 2).trim()), "a\nb\0c\r\r\n");
  }
});
