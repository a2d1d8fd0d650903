import { assertEquals } from "@std/assert";
import { checkSpfRecord } from "../../src/admin/dns_check_spf.ts";
import { heloRecord } from "../../src/admin/dns_records.ts";
import { MemoryResolver } from "../../src/runtime/memory_resolver.ts";

/** What is found of a record: the status and the message. */
async function judge(record: string, ill: readonly string[] = []): Promise<[string, string]> {
  const resolver = new MemoryResolver();
  resolver.set("example.org", { txt: [record] });
  resolver.set("25.2.0.192._ip.example.org", { a: ["127.0.0.2"] });
  resolver.set("25.2.0.192.in-addr.arpa", { ptr: ["mail.example.org"] });
  resolver.set("mail.example.org", { a: ["192.0.2.25"] });
  for (const name of ill) resolver.failures.set(name, "servfail");
  const ours = ["192.0.2.25"];
  const { status, message } = await checkSpfRecord({ resolver }, heloRecord("example.org"), ours);
  return [status, message];
}

Deno.test("checkSpfRecord() follows macros that go by the address", async () => {
  const good: [string, string] = ["ok", "it allows 192.0.2.25; fail for others"];
  assertEquals(await judge("v=spf1 exists:%{ir}._ip.%{d} -all"), good);
  assertEquals(await judge("v=spf1 ptr -all"), good);
  assertEquals(await judge("v=spf1 exists:%{ir}._no.%{d} -all"), [
    "different",
    "it says fail of 192.0.2.25, which is ours",
  ]);
});

Deno.test("checkSpfRecord() does not know what depends on the sender", async () => {
  for (const term of ["exists:%{l}._users.%{d}", "exists:%{S}", "a:%{h}"]) {
    assertEquals(await judge(`v=spf1 ${term} -all`), [
      "unknown",
      `what it says is not known: it depends on the sender (${term})`,
    ]);
  }
  assertEquals((await judge("v=spf1 ip4:192.0.2.25 exists:%{l}.x.test -all"))[0], "unknown");
});

Deno.test("checkSpfRecord() tells a record that is wrong from a DNS that is ill", async () => {
  assertEquals(await judge("v=spf1 a:ill.test -all", ["ill.test"]), [
    "unknown",
    "what it says is not known: ill.test: servfail",
  ]);
  assertEquals(await judge("v=spf1 a:n1.test a:n2.test a:n3.test -all"), [
    "different",
    "more than 2 of its questions find nothing (n3.test)",
  ]);
  assertEquals(await judge("v=spf1 a:192.0.2.25 -all"), [
    "different",
    "example.org: a:192.0.2.25 has an address where a domain belongs: ip4 and ip6 have those",
  ]);
});
