import { assertEquals } from "@std/assert";
import {
  formatNameServer,
  parseNameServer,
  parseResolvConf,
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
