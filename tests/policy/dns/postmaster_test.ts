import { assertEquals } from "@std/assert";
import { hearsComplaints } from "../../../src/policy/dns/postmaster.ts";
import { dnsLists } from "../../../src/policy/dns/dns_lists.ts";
import { memoryRuntime } from "../../../src/runtime/memory.ts";

Deno.test("hearsComplaints() knows the addresses of RFC 5321 §4.5.1 and RFC 2142 §4, in any case", () => {
  const heard = [
    "postmaster",
    "PostMaster",
    "abuse",
    "ABUSE",
    "abuser",
    "alice",
    "",
    "x".repeat(99),
  ]
    .filter((local) => hearsComplaints({ local, domain: "example.test" }));
  assertEquals(heard, ["postmaster", "PostMaster", "abuse", "ABUSE"]);
});

Deno.test("attack: whoever is listed still gets to abuse@, to complain, and to nobody else", async () => {
  const runtime = memoryRuntime();
  for (const entry of ["2.0.0.127", "7.2.0.192"]) {
    runtime.resolver.set(`${entry}.bl.test`, { a: ["127.0.0.2"] });
  }
  const policy = dnsLists({ lists: [{ zone: "bl.test" }] }, { ...runtime, emit: () => {} });
  const session = {
    ...{ id: "1", role: "mx", client: "192.0.2.7", hello: "a.test", tls: null },
    ...{ identity: null, trusted: false },
  };
  const envelope = { sender: null, recipients: [] } as never;
  const ask = async (local: string) => {
    const verdict = await policy.recipient?.(session, { local, domain: "example.test" }, envelope);
    return verdict?.action;
  };
  assertEquals([await ask("abuse"), await ask("alice")], [undefined, "reject"]);
});
