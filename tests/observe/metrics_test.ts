import { assert, assertEquals } from "@std/assert";
import type { MtaEvent, MtaFact } from "../../src/events.ts";
import { cipherFamily, Metrics } from "../../src/observe/metrics.ts";
import { formatMetrics } from "../../src/observe/open_metrics.ts";
import type { Policy } from "../../src/policy/policy.ts";
import { reply } from "../../src/smtp/reply.ts";
import { MemoryStation } from "../support/memory_station.ts";

const MAIL = { session: "s", message: "s.1", sender: "<>", recipients: ["bob@b.test"] };

/** The numbers that are not 0, by name and labels, after these events. */
function countsOf(...facts: MtaFact[]): Record<string, number> {
  const metrics = new Metrics();
  for (const fact of facts) metrics.record({ time: 0, ...fact } as MtaEvent);
  return readCounts(metrics);
}

function readCounts(metrics: Metrics): Record<string, number> {
  const lines = formatMetrics(metrics.families(), "text").split("\n");
  const pairs = lines.filter((line) => line !== "" && !line.startsWith("#")).map((line) => {
    const at = line.lastIndexOf(" ");
    return [line.slice(0, at).replace(/^yizhan_/, ""), Number(line.slice(at + 1))] as const;
  });
  return Object.fromEntries(
    pairs.filter(([name, value]) => value !== 0 && !name.includes("_bucket")),
  );
}

Deno.test("Metrics counts what becomes of a mail on a real station", async () => {
  const metrics = new Metrics();
  await using station = await MemoryStation.start({ onEvent: metrics.record });
  const peer = await station.greeted();
  await peer.startTls();
  await peer.say("EHLO client.example", 250);
  await peer.mail({ to: ["alice@example.test", "bob@example.test"] });
  await peer.say("MAIL FROM:<a@client.example>", 250);
  await peer.say("RCPT TO:<nobody@example.test>", 550);
  const during = readCounts(metrics);
  assertEquals(during['sessions_open{listener="mx"}'], 1);
  assertEquals(during['messages_total{outcome="accepted"}'], 1);
  assertEquals(during['deliveries_total{outcome="delivered"}'], 2);
  assertEquals(during['delivered_total{way="maildir",tls="none"}'], 2);
  assertEquals(during['commands_refused_total{stage="recipient",code="5xx"}'], 1);
  assertEquals(during["message_size_bytes_count"], 1);
  assert(Object.keys(during).some((name) => name.startsWith("tls_handshakes_total{")));
  await peer.say("QUIT", 221);
  assertEquals(await peer.reply(), null);
  await station.runtime.clock.advance(3000); // it hears the client out
  const after = readCounts(metrics);
  assertEquals(after['sessions_open{listener="mx"}'], undefined);
  assertEquals(after['sessions_closed_total{reason="quit"}'], 1);
});

Deno.test("Metrics counts what each policy refuses, commands and messages", async () => {
  const metrics = new Metrics();
  const policy: Policy = {
    name: "filter",
    sender: (_, sender) =>
      sender === null ? { action: "defer", reply: reply(451, "4.7.1", "later") } : undefined,
    message: () => ({ action: "reject", reply: reply(554, "5.7.1", "spam") }),
  };
  await using station = await MemoryStation.start({
    onEvent: metrics.record,
    policies: [policy],
  });
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<>", 451);
  await peer.mail({}, 554);
  await peer.say("MAIL FROM:<a@client.example>", 250);
  await peer.say("RCPT TO:<nobody@example.test>", 550);
  const counts = readCounts(metrics);
  assertEquals(counts['policy_refusals_total{policy="filter",code="4xx"}'], 1);
  assertEquals(counts['policy_refusals_total{policy="filter",code="5xx"}'], 1);
  const ours = Object.keys(counts).filter((name) => name.startsWith("policy_refusals_total"));
  assertEquals(ours.length, 2);
});

Deno.test("Metrics counts what checks of strangers' mail came to", () => {
  const checked = (spf: string, disposition: string): MtaFact => ({
    ...{ type: "message.authenticated", session: "s", message: "m", client: "c", from: ["a.test"] },
    ...{ spf, spfDomain: "a.test", dkim: "none", signatures: [], arc: "none", dmarc: "fail" },
    ...{ policy: "reject", disposition },
  });
  assertEquals(countsOf(checked("fail", "reject"), checked("pass", "junk")), {
    'authentication_total{method="spf",result="fail"}': 1,
    'authentication_total{method="spf",result="pass"}': 1,
    'authentication_total{method="dkim",result="none"}': 2,
    'authentication_total{method="arc",result="none"}': 2,
    'authentication_total{method="dmarc",result="fail"}': 2,
    'authentication_total{method="action",result="reject"}': 1,
    'authentication_total{method="action",result="junk"}': 1,
  });
});

Deno.test("Metrics takes times in seconds", () => {
  const counts = countsOf(
    { type: "message.done", message: "m", delivered: 1, failed: 0, duration: 1500 },
    {
      ...{ type: "delivery.deferred", message: "m", recipient: "r", reply: "451 no" },
      ...{ attempts: 1, next: 0, took: 250 },
    },
  );
  assertEquals(counts, {
    'deliveries_total{outcome="deferred"}': 1,
    'attempt_duration_seconds_sum{outcome="deferred"}': 0.25,
    'attempt_duration_seconds_count{outcome="deferred"}': 1,
    "queue_duration_seconds_sum": 1.5,
    "queue_duration_seconds_count": 1,
  });
});

Deno.test("Metrics knows by which way mail went, and over what TLS", () => {
  const to = (destination: string, tls?: string): MtaFact => ({
    ...{ type: "delivery.done", message: "m", recipient: "r", destination },
    ...(tls !== undefined && { tls }),
  });
  const counts = countsOf(
    to("smtp:mx.b.test [192.0.2.1]:25", "TLSv1.3"),
    to("smtp:mx.b.test [192.0.2.1]:25"),
    to("pipe:/bin/true"),
    to("lmtp:unix:/run/lmtp"),
    to("local"),
    to("carrier pigeon"),
  );
  const ways = Object.entries(counts).filter(([name]) => name.startsWith("delivered_total"));
  assertEquals(Object.fromEntries(ways), {
    'delivered_total{way="smtp",tls="TLSv1.3"}': 1,
    'delivered_total{way="smtp",tls="none"}': 1,
    'delivered_total{way="pipe",tls="none"}': 1,
    'delivered_total{way="lmtp",tls="none"}': 1,
    'delivered_total{way="other",tls="none"}': 2,
  });
});

Deno.test("Metrics grows no longer whatever strangers choose", () => {
  const metrics = new Metrics();
  const feed = (from: number, to: number) => {
    for (let index = from; index < to; index++) {
      const text = `x${index}"\n`;
      const client = text;
      const facts: MtaFact[] = [
        { type: "session.opened", session: text, listener: "mx", client },
        { type: "tls.started", session: text, protocol: "TLSv1.3", cipher: text },
        {
          ...{ type: "auth.failed", session: text, client, identity: text } as const,
          ...{ mechanism: text, reason: text },
        },
        { type: "command.refused", session: text, client, stage: "recipient", reply: text },
        { type: "message.refused", ...MAIL, sender: text, client, size: index, reply: text },
        { type: "delivery.done", message: text, recipient: text, destination: text, tls: text },
        { type: "session.refused", listener: text, client, reason: text },
        { type: "session.fault", session: text, client, kind: text, detail: text },
        { type: "client.banned", client, reason: text, duration: 1 },
      ];
      for (const fact of facts) metrics.record({ time: 0, ...fact } as MtaEvent);
    }
    return formatMetrics(metrics.families(), "text").split("\n").length;
  };
  const some = feed(0, 200);
  assertEquals(feed(200, 2000), some);
  const { samples } = metrics.families().find(({ name }) => name === "yizhan_sessions_refused")!;
  const last = samples.find(({ labels }) => labels.listener === "other");
  assertEquals(last, { labels: { listener: "other", reason: "other" }, value: 2000 - 64 });
});

Deno.test("cipherFamily() tells how a suite encrypts", () => {
  // Names from the IANA registry of TLS cipher suites.
  const families = new Map([
    ["TLS_AES_256_GCM_SHA384", "AES_256_GCM"],
    ["TLS_CHACHA20_POLY1305_SHA256", "CHACHA20_POLY1305"],
    ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "AES_128_GCM"],
    ["TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "AES_128_CBC"],
    ["TLS_RSA_WITH_NULL_SHA", "other"],
  ]);
  for (const [suite, family] of families) assertEquals(cipherFamily(suite), family);
});
