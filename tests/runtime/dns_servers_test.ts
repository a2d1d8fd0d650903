import { assertEquals } from "@std/assert";
import { type DnssecTrust, DnsServers } from "../../src/runtime/dns_servers.ts";

/** Whether AD is believed of the servers of a resolv.conf. */
async function trusts(resolvConf: string, dnssec?: DnssecTrust): Promise<boolean> {
  const clock = { now: () => 0 };
  const servers = new DnsServers(clock, () => Promise.resolve(resolvConf), undefined, dnssec);
  const known = await servers.inOrder();
  return typeof known !== "string" && known.trusted;
}

Deno.test("DnsServers believe AD of servers on this machine, and where resolv.conf says trust-ad", async () => {
  assertEquals(await trusts("nameserver 127.0.0.1\n"), true);
  assertEquals(await trusts("nameserver 127.0.0.53\noptions edns0 trust-ad\n"), true);
  assertEquals(await trusts("nameserver 192.0.2.53\noptions trust-ad\n"), true);
  assertEquals(await trusts("nameserver 192.0.2.53\n"), false);
  assertEquals(await trusts("nameserver 127.0.0.1\nnameserver 192.0.2.53\n"), false);
  assertEquals(await trusts("nameserver 127.0.0.1\n", "off"), false);
  assertEquals(await trusts("nameserver 192.0.2.53\n", "on"), true);
});

Deno.test("DnsServers believe no AD that is only handed on, though the options of Docker's host are there", async () => {
  // As Docker writes it into a container on a host with systemd-resolved.
  const docker = "nameserver 127.0.0.11\nsearch lan\noptions edns0 trust-ad ndots:0\n";
  assertEquals(await trusts(docker), false);
  assertEquals(await trusts(docker, "on"), true);
  assertEquals(await trusts("nameserver 127.0.0.54\n"), false);
  assertEquals(await trusts(`nameserver 127.0.0.1\n${docker}`), false);
});
