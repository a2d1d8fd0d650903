/**
 * What clients say they are, and what DNS says they are.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { helloChecks, helloTrouble } from "../../../src/policy/dns/hello_checks.ts";
import { reverseDns } from "../../../src/policy/dns/reverse_dns.ts";
import type { Policy } from "../../../src/policy/policy.ts";
import { type MemoryRuntime, memoryRuntime } from "../../../src/runtime/memory.ts";
import { MemoryStation } from "../../support/memory_station.ts";

const OWN = { ownNames: ["mx.example.test"], ownAddresses: ["192.0.2.25", "2001:db8::25"] };

/** What a client that says this name is answered at RCPT. */
async function answers(
  runtime: MemoryRuntime,
  policy: Policy,
  clients: readonly (readonly [name: string, code: number, enhanced: string, client?: string])[],
) {
  await using station = await MemoryStation.start({ runtime, policies: [policy] });
  for (const [name, code, enhanced, client] of clients) {
    const peer = await station.connect(client);
    await peer.expect(220);
    await peer.say(`EHLO ${name}`, 250);
    await peer.say("MAIL FROM:<a@client.example>", 250);
    await peer.say("RCPT TO:<alice@example.test>", code, enhanced);
    await peer.say("RCPT TO:<postmaster@example.test>", 250);
    peer.close();
  }
}

Deno.test("attack: who says our own name or address is refused; the rest is as it was", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  await answers(runtime, helloChecks(OWN, runtime), [
    ["mx.example.test", 550, "5.7.1"],
    ["MX.Example.TEST.", 550, "5.7.1"],
    ["192.0.2.25", 550, "5.7.1"],
    ["[192.0.2.25]", 550, "5.7.1"],
    ["[IPv6:2001:DB8:0::25]", 550, "5.7.1"],
    ["[192.0.2.26]", 250, "2.1.5"],
    ["192.0.2.26", 250, "2.1.5"],
    ["client.example", 250, "2.1.5"],
    ["PC1", 250, "2.1.5"],
    ["bad..name", 250, "2.1.5"],
  ]);
  assertEquals(runtime.resolver.questions.size, 0);
});

Deno.test("helloTrouble() finds what each check is for, and nothing else", () => {
  const all = { ...OWN, syntax: true, bareAddress: true, dotless: true };
  const troubles = {
    "192.0.2.1": "an address stands in brackets: [192.0.2.1]",
    "2001:db8::1": "an address stands in brackets: [IPv6:2001:db8::1]",
    "PC1": "PC1 is no full name of a host, such as PC1.example.org",
    "bad..name": "it is no domain, nor an address in brackets",
    "[1.2.3]": "it is no domain, nor an address in brackets",
    "%RND_HOST%": "it is no domain, nor an address in brackets",
  };
  for (const [name, trouble] of Object.entries(troubles)) {
    assertEquals(helloTrouble(name, all), trouble);
    assertEquals(helloTrouble(name, OWN), null);
  }
  // Names that many honest machines have.
  for (
    const name of ["client.example", "client.example.", "my_host.example", "[IPv6:2001:db8::1]"]
  ) {
    assertEquals(helloTrouble(name, all), null);
  }
});

Deno.test("helloChecks() wants a name that is in DNS, where it is told so", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  runtime.resolver.set("a.example", { a: ["203.0.113.1"] }); // another's address is no reason (RFC 5321 §4.1.4)
  runtime.resolver.set("six.example", { aaaa: ["2001:db8::1"] });
  runtime.resolver.set("mx.example", { mx: ["10 a.example"] });
  runtime.resolver.failures.set("a ill.example", "servfail");
  await answers(runtime, helloChecks({ resolves: true }, runtime), [
    ["a.example", 250, "2.1.5"],
    ["six.example", 250, "2.1.5"],
    ["mx.example", 250, "2.1.5"],
    ["[192.0.2.26]", 250, "2.1.5"],
    ["made-up.example", 550, "5.7.1"],
    ["ill.example", 450, "4.4.3"],
  ]);
});

/** Clients by what DNS knows of them. */
function reverseWorld() {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const { resolver } = runtime;
  resolver.set("1.113.0.203.in-addr.arpa", { ptr: ["other.example", "good.example"] });
  resolver.set("good.example", { a: ["203.0.113.1"] });
  resolver.set("other.example", { a: ["203.0.113.99"] });
  resolver.set("2.113.0.203.in-addr.arpa", { ptr: ["good.example"] }); // says whose it is not
  resolver.set("3.113.0.203.in-addr.arpa", { ptr: ["nowhere.example"] });
  resolver.failures.set("ptr 5.113.0.203.in-addr.arpa", "servfail");
  resolver.set("6.113.0.203.in-addr.arpa", { ptr: ["ill.example"] });
  resolver.failures.set("a ill.example", "servfail");
  return runtime;
}

Deno.test("reverseDns() wants a name that leads back to the client", async () => {
  const runtime = reverseWorld();
  await answers(runtime, reverseDns({ level: "require-match" }, runtime), [
    ["a.example", 250, "2.1.5", "203.0.113.1"],
    ["a.example", 550, "5.7.25", "203.0.113.2"],
    ["a.example", 550, "5.7.25", "203.0.113.3"],
    ["a.example", 550, "5.7.25", "203.0.113.4"],
    ["a.example", 450, "4.7.25", "203.0.113.5"],
    ["a.example", 450, "4.7.25", "203.0.113.6"],
  ]);
});

Deno.test("reverseDns() wants any name, or nothing, as it is told", async () => {
  const runtime = reverseWorld();
  await answers(runtime, reverseDns({ level: "require-ptr" }, runtime), [
    ["a.example", 250, "2.1.5", "203.0.113.2"],
    ["a.example", 550, "5.7.25", "203.0.113.4"],
    ["a.example", 450, "4.7.25", "203.0.113.5"],
  ]);
  const quiet = reverseWorld();
  await answers(quiet, reverseDns({}, quiet), [["a.example", 250, "2.1.5", "203.0.113.4"]]);
  assertEquals(quiet.resolver.questions.size, 0);
});

Deno.test("reverseDns() follows few names, however many a client has", async () => {
  const runtime = memoryRuntime({ address: "192.0.2.25" });
  const ptr = Array.from({ length: 90 }, (_, index) => `n${index}.example`);
  runtime.resolver.set("4.113.0.203.in-addr.arpa", { ptr });
  await answers(runtime, reverseDns({ level: "require-match" }, runtime), [
    ["a.example", 550, "5.7.25", "203.0.113.4"],
  ]);
  assertEquals(runtime.resolver.questions.size, 1 + 5);
});
