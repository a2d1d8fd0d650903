import { assertEquals, assertThrows } from "@std/assert";
import { memoryRuntime } from "../../src/runtime/memory.ts";
import { MemoryResolver } from "../../src/runtime/memory_resolver.ts";
import { dnssecContract, resolverContract } from "../contracts/resolver_contract.ts";

for (const contract of [resolverContract, dnssecContract]) {
  contract("memory", () => {
    const resolver = new MemoryResolver();
    return Promise.resolve({ resolver, zones: resolver.zones, end: () => {} });
  });
}

Deno.test("questions counts what was asked", async () => {
  const resolver = new MemoryResolver();
  await resolver.mx("Example.test.");
  await resolver.mx("example.test");
  await resolver.a("example.test");
  assertEquals([...resolver.questions], [["mx example.test", 2], ["a example.test", 1]]);
});

Deno.test("machines of one world share their names", async () => {
  const first = memoryRuntime();
  const second = memoryRuntime({ address: "198.51.100.7", beside: first });
  first.resolver.set("mx.test", { a: ["192.0.2.1"] });
  assertEquals((await second.resolver.a("mx.test")).status, "found");
});

Deno.test("set() refuses an MX that is none", () => {
  const resolver = new MemoryResolver();
  for (const text of ["mx.test", "10", "10  mx.test", "x mx.test"]) {
    assertThrows(() => resolver.set("example.test", { mx: [text] }), TypeError);
  }
});
