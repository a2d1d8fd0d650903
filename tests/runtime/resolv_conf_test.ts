import { assertEquals } from "@std/assert";
import {
  formatNameServer,
  isLocalServer,
  parseNameServer,
  parseResolvConf,
  trustsAuthenticData,
} from "../../src/runtime/resolv_conf.ts";

Deno.test("parseResolvConf() reads name servers as resolv.conf(5) says", () => {
  const text = `# made by hand
; and another comment
domain example.org
search example.org example.net
nameserver 192.0.2.53
nameserver	2001:DB8::53   # the second
 nameserver 192.0.2.99
nameserver
nameserver dns.example.org
nameserver fe80::1%eth0
nameserver 192.0.2.54:5353
nameservers 192.0.2.55
options ndots:2
nameserver 192.0.2.56
nameserver 192.0.2.57
`;
  assertEquals(parseResolvConf(text).map(formatNameServer), [
    "192.0.2.53:53",
    "[2001:db8::53]:53",
    "192.0.2.56:53",
  ]);
  assertEquals(parseResolvConf(""), []);
  assertEquals(parseResolvConf("nameserver 192.0.2.53\r\n").map(formatNameServer), [
    "192.0.2.53:53",
  ]);
});

Deno.test("parseNameServer() reads addresses with and without a port", () => {
  const cases: [string, string | null][] = [
    ["192.0.2.53", "192.0.2.53:53"],
    ["127.0.0.1:5353", "127.0.0.1:5353"],
    ["2001:DB8::53", "[2001:db8::53]:53"],
    ["[::1]:53", "[::1]:53"],
    ["::1:53", "[::1:53]:53"], // An address, as it stands.
    ["[::1]", null],
    ["[127.0.0.1]:53", null],
    ["127.0.0.1:0", null],
    ["127.0.0.1:65536", null],
    ["127.0.0.1:", null],
    ["127.0.0.1:53x", null],
    ["dns.example.org", null],
    ["dns.example.org:53", null],
    ["", null],
  ];
  for (const [text, expected] of cases) {
    const server = parseNameServer(text);
    assertEquals(server && formatNameServer(server), expected, text);
  }
});

Deno.test("trustsAuthenticData() goes by options of resolv.conf(5)", () => {
  const cases: [string, boolean][] = [
    ["options edns0 trust-ad\nsearch lan\n", true],
    ["options\ttrust-ad", true],
    ["options trust-ad\noptions no-trust-ad", false],
    ["options no-trust-ad\noptions trust-ad", true],
    ["# options trust-ad", false],
    ["options trust-adx", false],
    ["nameserver 127.0.0.1", false],
    ["", false],
  ];
  for (const [text, trusted] of cases) assertEquals(trustsAuthenticData(text), trusted, text);
});

Deno.test("isLocalServer() is of this machine, and not of Docker's forwarder", () => {
  const isLocal = (address: string) => isLocalServer({ address, port: 53 });
  for (const address of ["127.0.0.1", "127.0.0.53", "::1"]) assertEquals(isLocal(address), true);
  for (const address of ["127.0.0.11", "127.0.0.54", "192.168.1.1", "2001:db8::53"]) {
    assertEquals(isLocal(address), false);
  }
});
