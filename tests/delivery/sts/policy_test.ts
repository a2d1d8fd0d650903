import { assert, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import {
  formatStsPolicy,
  parseStsPolicy,
  STS_LONGEST,
  STS_POLICY_LIMIT,
  stsCovers,
  stsPolicyId,
} from "../../../src/delivery/sts/policy.ts";

/** The example of RFC 8461 §3.2. */
const EXAMPLE = [
  "version: STSv1",
  "mode: enforce",
  "mx: mail.example.com",
  "mx: *.example.net",
  "mx: backupmx.example.com",
  "max_age: 604800",
  "",
];
const READ = {
  mode: "enforce",
  mx: ["mail.example.com", "*.example.net", "backupmx.example.com"],
  maxAge: 604_800,
} as const;

function faultOf(lines: string | readonly string[]): string {
  const policy = parseStsPolicy(typeof lines === "string" ? lines : lines.join("\n"));
  assert("fault" in policy, JSON.stringify(policy));
  return policy.fault;
}

Deno.test("parseStsPolicy() reads the example of RFC 8461 §3.2, with either line end", () => {
  assertEquals(parseStsPolicy(EXAMPLE.join("\r\n")), READ);
  assertEquals(parseStsPolicy(EXAMPLE.join("\n")), READ);
  assertEquals(parseStsPolicy(EXAMPLE.join("\n").trimEnd()), READ);
  assertEquals(parseStsPolicy(new TextEncoder().encode(EXAMPLE.join("\r\n"))), READ);
});

Deno.test("parseStsPolicy() takes fields in any order, those it does not know, and the first of two", () => {
  assertEquals(
    parseStsPolicy([
      "max_age:86400",
      "mx:\tmx.example.org ",
      "future-field.1: what ever: it is ü",
      "mode: testing",
      "mode: enforce",
      "version: STSv1",
      "max_age: 1",
      "",
      "",
    ].join("\n")),
    { mode: "testing", mx: ["mx.example.org"], maxAge: 86_400 },
  );
});

Deno.test("parseStsPolicy() needs no host where there is no policy any more", () => {
  assertEquals(parseStsPolicy("version: STSv1\nmode: none\nmax_age: 86400"), {
    mode: "none",
    mx: [],
    maxAge: 86_400,
  });
});

Deno.test("parseStsPolicy() holds max_age to a year", () => {
  const policy = parseStsPolicy("version: STSv1\nmode: none\nmax_age: 9999999999");
  assertEquals(policy, { mode: "none", mx: [], maxAge: STS_LONGEST });
});

Deno.test("parseStsPolicy() finds fault with every malformation", () => {
  const without = (name: string) => EXAMPLE.filter((line) => !line.startsWith(name));
  const cases: [string | string[], string][] = [
    ["", "it has no version"],
    [without("version"), "it has no version"],
    [without("mode"), "it has no mode"],
    [without("max_age"), "it has no max_age"],
    [without("mx"), "it has no mx"],
    [["version: STSv2", ...without("version")], "its version is STSv2"],
    [["version: stsv1", ...without("version")], "its version is stsv1"],
    [["mode: Enforce", ...without("mode")], "its mode is Enforce"],
    [["Mode: enforce", ...without("mode")], "it has no mode"],
    [["max_age: -1", ...without("max_age")], "its max_age is no number of seconds"],
    [["max_age: 1e3", ...without("max_age")], "its max_age is no number of seconds"],
    [["max_age: 99999999999", ...without("max_age")], "its max_age is no number of seconds"],
    [["mx: *", ...EXAMPLE], "its mx * is no host name"],
    [["mx: a.*.example.org", ...EXAMPLE], "its mx a.*.example.org is no host name"],
    [["mx: *.*.example.org", ...EXAMPLE], "its mx *.*.example.org is no host name"],
    [["mx: .example.org", ...EXAMPLE], "its mx .example.org is no host name"],
    [
      ["mx: mx.example.org mx2.example.org", ...EXAMPLE],
      "its mx mx.example.org mx2.example.org is no host name",
    ],
    [["mx:", ...EXAMPLE], "line 1 is no field"],
    [[...EXAMPLE, "<html>"], "line 8 is no field"],
    [[...EXAMPLE, " mx: a.example.org"], "line 8 is no field"],
    [[...EXAMPLE, "mx : a.example.org"], "line 8 is no field"],
    [["a\0b: c", ...EXAMPLE], "line 1 is no field"],
    [["a: b\rc", ...EXAMPLE], "line 1 is no field"],
    [`${EXAMPLE.join("\n")}x: ${"y".repeat(STS_POLICY_LIMIT)}`, "it is larger than 64 KiB"],
  ];
  for (const [lines, fault] of cases) assertEquals(faultOf(lines), fault);
  const latin1 = Uint8Array.of(...new TextEncoder().encode(EXAMPLE.join("\n")), 0xfc);
  assertEquals(parseStsPolicy(latin1), { fault: "it is no UTF-8" });
});

Deno.test("parseStsPolicy() never throws, and reads again what formatStsPolicy() wrote", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (octets) => {
    parseStsPolicy(octets);
  }));
  fc.assert(fc.property(fc.string(), fc.nat(20), (text, at) => {
    const whole = EXAMPLE.join("\n");
    parseStsPolicy(whole.slice(0, at) + text + whole.slice(at));
  }));
  const policies = fc.record({
    mode: fc.constantFrom("enforce" as const, "testing" as const),
    mx: fc.array(fc.constantFrom("mx.example.org", "*.example.net", "xn--bcher-kva.example"), {
      minLength: 1,
      maxLength: 5,
    }),
    maxAge: fc.nat(STS_LONGEST),
  });
  fc.assert(fc.property(policies, (policy) => {
    assertEquals(parseStsPolicy(formatStsPolicy(policy)), policy);
  }));
});

Deno.test("formatStsPolicy() writes what RFC 8461 §3.2 shows", () => {
  assertEquals(formatStsPolicy(READ), EXAMPLE.join("\r\n"));
});

Deno.test("stsPolicyId() is fit for the record, and another one for another policy", () => {
  const [one, other] = [READ, { ...READ, maxAge: 1 }].map((p) => stsPolicyId(formatStsPolicy(p)));
  assert(/^[A-Za-z0-9]{1,32}$/.test(one!));
  assertNotEquals(one, other);
  assertEquals(one, stsPolicyId(formatStsPolicy(READ)));
});

Deno.test("stsCovers() knows hosts by name and by one label (RFC 8461 §4.1), whatever the case", () => {
  const covers = (host: string) => stsCovers(READ, host);
  assertEquals(covers("mail.example.com"), true);
  assertEquals(covers("MAIL.Example.COM"), true);
  assertEquals(covers("mail.example.com."), true);
  assertEquals(covers("mx9.example.net"), true);
  assertEquals(covers("example.net"), false);
  assertEquals(covers("a.mx9.example.net"), false);
  assertEquals(covers(".example.net"), false);
  assertEquals(covers("mail.example.org"), false);
  assertEquals(covers("*.example.net"), true); // no host has that name
  assertEquals(stsCovers({ ...READ, mx: ["*.Bücher.example"] }, "mx.xn--bcher-kva.example"), true);
});
