/**
 * Domains of senders that exist, do not, and pretend.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { parseNetwork } from "../../../src/net_address.ts";
import {
  findMailDomain,
  senderDomain,
  type SenderDomainOptions,
} from "../../../src/policy/dns/sender_domain.ts";
import { DEFAULT_DNS_TIMEOUT } from "../../../src/policy/dns/dns_time.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";
import { MemoryStation } from "../../support/memory_station.ts";
import { stranger } from "../abuse/sessions.ts";

function world() {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const { resolver } = runtime;
  resolver.set("good.example", { mx: ["10 mx.good.example"] });
  resolver.set("mx.good.example", { a: ["192.0.2.80"] });
  resolver.set("six.example", { aaaa: ["2001:db8::5"] });
  resolver.set("silent.example", { mx: ["0 ."] });
  resolver.set("empty.example", { txt: ["nothing else"] });
  resolver.set("loop.example", { mx: ["10 localhost.example", "20 lan.example"] });
  resolver.set("localhost.example", { a: ["127.0.0.1"], aaaa: ["::1"] });
  resolver.set("lan.example", { a: ["10.1.2.3", "192.168.0.1", "100.64.0.1"] });
  resolver.set("half.example", { mx: ["10 localhost.example", "20 mx.good.example"] });
  resolver.set("gone.example", { mx: ["10 gone.good.example"] });
  resolver.set("number.example", { mx: ["10 192.0.2.80"] });
  resolver.failures.set("mx ill.example", "servfail");
  resolver.set("illhost.example", { mx: ["10 mx.ill.example"] });
  resolver.failures.set("mx.ill.example", "servfail");
  return runtime;
}

async function stationWith(options: SenderDomainOptions = {}) {
  const runtime = world();
  const policies = [senderDomain(options, runtime)];
  return await MemoryStation.start({ runtime, policies });
}

Deno.test("attack: forged sender domains are refused, each for its reason; honest ones pass", async () => {
  await using station = await stationWith({ whenUnknown: "defer" });
  const peer = await station.greeted();
  const cases: [domain: string, code: number, enhanced: string][] = [
    ["good.example", 250, "2.1.0"],
    ["six.example", 250, "2.1.0"],
    ["half.example", 250, "2.1.0"],
    ["number.example", 250, "2.1.0"],
    ["[192.0.2.80]", 250, "2.1.0"],
    ["made-up.example", 550, "5.1.8"],
    ["silent.example", 550, "5.7.27"], // RFC 7505 §4.2
    ["empty.example", 550, "5.1.8"],
    ["loop.example", 550, "5.1.8"],
    ["[127.0.0.1]", 550, "5.1.8"],
    ["[IPv6:::1]", 550, "5.1.8"],
    ["gone.example", 450, "4.1.8"],
    ["ill.example", 451, "4.4.3"],
    ["illhost.example", 451, "4.4.3"],
  ];
  for (const [domain, code, enhanced] of cases) {
    await peer.say(`MAIL FROM:<a@${domain}>`, code, enhanced);
    if (code === 250) await peer.say("RSET", 250);
  }
  await peer.say("MAIL FROM:<>", 250);
});

Deno.test("senderDomain() accepts while DNS is ill where nothing else is said, and private hosts where they are allowed", async () => {
  const allowAddresses = [parseNetwork("10.0.0.0/8")!];
  await using station = await stationWith({ allowAddresses });
  const peer = await station.greeted();
  for (const domain of ["ill.example", "loop.example"]) {
    await peer.say(`MAIL FROM:<a@${domain}>`, 250);
    await peer.say("RSET", 250);
  }
});

Deno.test("senderDomain() does not ask about those who are no strangers", async () => {
  const runtime = world();
  const policies = [senderDomain({}, runtime)];
  await using station = await MemoryStation.start({
    ...{ runtime, policies },
    relayFrom: ["198.51.100.0/24"],
  });
  const peer = await station.greeted();
  await peer.say("MAIL FROM:<a@made-up.example>", 250);
  assertEquals(runtime.resolver.questions.size, 0);
});

Deno.test("findMailDomain() looks up few hosts, however many a stranger names", async () => {
  const { resolver } = memoryRuntime();
  const mx = Array.from({ length: 80 }, (_, index) => `10 h${index}.many.example`);
  resolver.set("many.example", { mx });
  assertEquals(await findMailDomain(resolver, "many.example"), "takes-mail");
  assertEquals(resolver.questions.size, 1 + 2 * 5);
});

Deno.test("findMailDomain() asks for letters of all alphabets as DNS has them", async () => {
  const { resolver } = memoryRuntime();
  resolver.set("xn--bcher-kva.example", { mx: ["0 ."] });
  assertEquals(await findMailDomain(resolver, "bücher.example"), "null-mx");
});

Deno.test("attack: domains with slow name servers use up few of the questions that may be under way", async () => {
  const { clock } = memoryRuntime();
  let [underWay, most] = [0, 0];
  const slow = async (_: string, signal?: AbortSignal) => {
    most = Math.max(most, ++underWay);
    await clock.sleep(60_000, signal).catch(() => {});
    underWay--;
    return { status: "failed", reason: "no answer" } as const;
  };
  const resolver = { a: slow, aaaa: slow, mx: slow };
  const policy = senderDomain({ whenUnknown: "defer" }, { clock, resolver });
  const session = stranger();
  const start = clock.now();
  const ask = (client: string, index: number) =>
    policy.sender!({ ...session, client }, { local: "a", domain: `d${index}.example` });
  const answers = Array.from(
    { length: 50 },
    (_, index) => Promise.resolve(ask("192.0.2.7", index)),
  );
  await clock.settle();
  assertEquals(most, 3);
  // Others have theirs at once, and nobody waits for longer than DNS may take.
  answers.push(Promise.resolve(ask("192.0.2.8", 50)));
  await clock.settle();
  assertEquals(most, 4);
  const verdicts = await clock.runUntil(Promise.all(answers));
  assertEquals(clock.now() - start, DEFAULT_DNS_TIMEOUT);
  assertEquals(verdicts.map((verdict) => verdict?.action), new Array(51).fill("defer"));
});
