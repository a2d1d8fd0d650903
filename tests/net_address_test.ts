import { assertEquals } from "@std/assert";
import {
  canonicalIp,
  classifyIp,
  clientKey,
  formatIp,
  formatNetwork,
  isLoopback,
  networkContains,
  parseIp,
  parseNetwork,
} from "../src/net_address.ts";

function canonical(text: string): string | null {
  const address = parseIp(text);
  return address === null ? null : formatIp(address);
}

Deno.test("parseIp() reads the forms of RFC 4291 §2.2 and formatIp() writes those of RFC 5952", () => {
  const cases: [string, string][] = [
    ["192.0.2.1", "192.0.2.1"],
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    // RFC 4291 §2.2
    ["ABCD:EF01:2345:6789:ABCD:EF01:2345:6789", "abcd:ef01:2345:6789:abcd:ef01:2345:6789"],
    ["2001:DB8:0:0:8:800:200C:417A", "2001:db8::8:800:200c:417a"],
    ["FF01:0:0:0:0:0:0:101", "ff01::101"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["0:0:0:0:0:FFFF:129.144.52.38", "::ffff:129.144.52.38"],
    ["::FFFF:129.144.52.38", "::ffff:129.144.52.38"],
    ["::ffff:8190:3426", "::ffff:129.144.52.38"],
    // RFC 5952 §4
    ["2001:0db8::0001", "2001:db8::1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["0000:0000:0000:0000:0000:ffff:192.168.100.228", "::ffff:192.168.100.228"],
    ["fe80::", "fe80::"],
    ["1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"],
  ];
  for (const [text, expected] of cases) assertEquals(canonical(text), expected, text);
});

Deno.test("parseIp() refuses what is no address", () => {
  const cases = [
    "",
    "1.2.3",
    "1..3.4",
    ".1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "1.2.3.04",
    "0x7f.0.0.1",
    "1.2.3.-4",
    " 1.2.3.4",
    "1.2.3.4\n",
    "localhost",
    "unix",
    ":",
    ":::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "::1::",
    "12345::",
    "g::",
    ":1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:",
    "1.2.3.4::",
    "::1.2.3.4:1",
    "::1.2.3",
    "fe80::1%eth0",
    "[::1]",
    "1:".repeat(100_000),
  ];
  for (const text of cases) assertEquals(parseIp(text), null, text.slice(0, 40));
});

Deno.test("parseNetwork() reads networks and refuses bits past the prefix", () => {
  const cases: [string, string | null][] = [
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["192.0.2.128/25", "192.0.2.128/25"],
    ["192.0.2.1", "192.0.2.1/32"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["2001:DB8::/32", "2001:db8::/32"],
    ["::1", "::1/128"],
    ["::/0", "::/0"],
    ["::ffff:10.0.0.0/104", "10.0.0.0/8"],
    ["10.1.2.3/8", null],
    ["192.0.2.129/25", null],
    ["2001:db8::1/32", null],
    ["10.0.0.0/33", null],
    ["::/129", null],
    ["10.0.0.0/", null],
    ["10.0.0.0/08", null],
    ["10.0.0.0/8/8", null],
    ["10.0.0.0/-1", null],
    ["example.org/8", null],
    ["/8", null],
  ];
  for (const [text, expected] of cases) {
    const network = parseNetwork(text);
    assertEquals(network === null ? null : formatNetwork(network), expected, text);
  }
});

Deno.test("networkContains() compares the prefix, IPv4 also where it is mapped into IPv6", () => {
  const cases: [string, string, boolean][] = [
    ["10.0.0.0/8", "10.255.0.1", true],
    ["10.0.0.0/8", "11.0.0.1", false],
    ["10.0.0.0/8", "::ffff:10.0.0.1", true],
    ["192.0.2.128/25", "192.0.2.127", false],
    ["192.0.2.128/25", "192.0.2.128", true],
    ["192.0.2.1", "192.0.2.1", true],
    ["192.0.2.1", "192.0.2.2", false],
    ["0.0.0.0/0", "203.0.113.9", true],
    ["0.0.0.0/0", "2001:db8::1", false],
    ["::/0", "192.0.2.1", false],
    ["2001:db8::/33", "2001:db8:7fff::1", true],
    ["2001:db8::/33", "2001:db8:8000::1", false],
    ["fe80::/10", "fe80::1%eth0", true],
    ["0.0.0.0/0", "unix", false],
    ["0.0.0.0/0", "1.2.3.4%eth0", false],
  ];
  for (const [network, ip, expected] of cases) {
    assertEquals(networkContains(parseNetwork(network)!, ip), expected, `${ip} in ${network}`);
  }
});

Deno.test("isLoopback() knows this machine", () => {
  for (const ip of ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"]) {
    assertEquals(isLoopback(ip), true, ip);
  }
  for (const ip of ["128.0.0.1", "0.0.0.0", "::", "::2", "2001:db8::1", "unix", "localhost", ""]) {
    assertEquals(isLoopback(ip), false, ip);
  }
});

Deno.test("clientKey() groups IPv6 by /64 and leaves IPv4 alone", () => {
  assertEquals(clientKey("192.0.2.1"), "192.0.2.1");
  assertEquals(clientKey("::ffff:192.0.2.1"), "192.0.2.1");
  assertEquals(clientKey("2001:db8:0:1:ffff::1"), clientKey("2001:db8:0:1::2"));
  assertEquals(clientKey("2001:db8:0:1::1"), "2001:db8:0:1::/64");
  assertEquals(clientKey("fe80::1%eth0"), "fe80::/64");
  assertEquals(clientKey("unix"), "unix");
});

Deno.test("canonicalIp() shows an address without the socket's dress", () => {
  assertEquals(canonicalIp("::FFFF:192.0.2.1"), "192.0.2.1");
  assertEquals(canonicalIp("2001:DB8:0::1%3"), "2001:db8::1");
  assertEquals(canonicalIp("unix"), "unix");
});

Deno.test("classifyIp() knows what is no other machine's address", () => {
  const cases: [string, string[]][] = [
    ["loopback", ["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"]],
    ["unspecified", ["0.0.0.0", "0.255.255.255", "::", "::ffff:0.0.0.0"]],
    ["link-local", ["169.254.0.1", "fe80::1", "febf::1", "fe80::1%eth0", "::ffff:169.254.169.254"]],
    ["multicast", ["224.0.0.1", "239.255.255.255", "ff02::1", "::ffff:224.0.0.1"]],
    ["reserved", ["240.0.0.1", "255.255.255.255", "::127.0.0.1", "::2"]],
    ["unicast", [
      "1.0.0.0",
      "126.0.0.1",
      "128.0.0.1",
      "10.0.0.1",
      "169.253.0.1",
      "223.255.255.255",
    ]],
    ["unicast", ["2001:db8::1", "fd00::1", "fec0::1", "::1:0:0:0", "::ffff:192.0.2.1"]],
  ];
  for (const [expected, ips] of cases) {
    for (const ip of ips) assertEquals(classifyIp(ip), expected, ip);
  }
  for (const text of ["", "unix", "localhost", "127.1", "[::1]"]) {
    assertEquals(classifyIp(text), null);
  }
});

Deno.test("canonicalIp() and clientKey() give the same however many others came between", () => {
  const sure = () => {
    assertEquals(canonicalIp("::ffff:192.0.2.1"), "192.0.2.1");
    assertEquals(clientKey("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    assertEquals(clientKey("no address"), "no address");
  };
  sure();
  for (let i = 0; i < 3000; i++) {
    const address = `10.0.${i >> 8}.${i & 255}`;
    assertEquals(canonicalIp(`::ffff:${address}`), address);
  }
  sure();
});
