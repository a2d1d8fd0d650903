import { assertEquals } from "@std/assert";
import { findAddresses } from "../../src/delivery/host_addresses.ts";
import { MemoryResolver } from "../../src/runtime/memory_resolver.ts";
import type { DnsAnswer } from "../../src/runtime/resolver.ts";

/** What is found of a host with these answers, and whether DNSSEC vouches for it. */
async function find(a: DnsAnswer<string>, aaaa: DnsAnswer<string>): Promise<string> {
  const resolver = new MemoryResolver();
  resolver.a = () => Promise.resolve(a);
  resolver.aaaa = () => Promise.resolve(aaaa);
  const answer = await findAddresses(resolver, "mx.example.org", "ipv6-first", undefined);
  if (answer.status !== "found") return `${answer.status} ${answer.reason}`;
  return [...answer.records, answer.authenticated && "signed"].filter(Boolean).join(" ");
}

const found = (...records: string[]) => ({ status: "found", records } as const);
const signed = (...records: string[]) => ({ ...found(...records), authenticated: true });
const NONE = { status: "none", reason: "nodata" } as const;
const FAILED = { status: "failed", reason: "timeout" } as const;

Deno.test("findAddresses(): DNSSEC vouches for a host where it does for all of its addresses", async () => {
  const [v4, v6] = ["192.0.2.1", "2001:db8::1"];
  assertEquals(await find(signed(v4), signed(v6)), `${v6} ${v4} signed`);
  assertEquals(await find(signed(v4), found(v6)), `${v6} ${v4}`);
  assertEquals(await find(found(v4), signed(v6)), `${v6} ${v4}`);
  // No address of a family is none that could be forged.
  assertEquals(await find(signed(v4), NONE), `${v4} signed`);
  assertEquals(await find(signed(v4), FAILED), `${v4} signed`);
  assertEquals(await find(FAILED, NONE), "failed timeout");
  assertEquals(await find(NONE, { ...NONE, authenticated: true }), "none nodata");
});
