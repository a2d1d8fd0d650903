import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { decode } from "../../../src/bytes.ts";
import type { SpfAnswer, SpfQuery } from "../../../src/mailauth/spf/check_host.ts";
import { formatReceivedSpf } from "../../../src/mailauth/spf/received_spf.ts";
import { fieldValue, parseFields } from "../../../src/message/header.ts";

/** Any character, halves of pairs among them. */
const ANY = fc.nat(0xffff).map((unit) => String.fromCharCode(unit));

const QUERY: SpfQuery = {
  ...{ ip: "::ffff:192.0.2.1", domain: "example.com", sender: "myname@example.com" },
  ...{ hello: "foo.example.com", receiver: "mybox.example.org" },
};

const valueOf = (query: SpfQuery, answer: SpfAnswer) =>
  fieldValue(formatReceivedSpf(query, answer, "mailfrom"));

Deno.test("formatReceivedSpf() says each result", () => {
  const words: [SpfAnswer, string][] = [
    [
      { result: "fail", mechanism: "-all" },
      "fail (mybox.example.org: domain of myname@example.com does not designate 192.0.2.1 as permitted sender)",
    ],
    [
      { result: "neutral" },
      "neutral (mybox.example.org: 192.0.2.1 is neither permitted nor denied by domain of myname@example.com)",
    ],
    [
      { result: "permerror", reason: "x (y)" },
      "permerror (mybox.example.org: error in processing during lookup of example.com: x ?y?)",
    ],
    [{ result: "neutral" }, "mechanism=default"],
    [{ result: "permerror", reason: "x (y)" }, 'problem="x (y)"'],
    [{ result: "none", reason: "x" }, "mechanism=default"],
  ];
  for (const [answer, text] of words) assertStringIncludes(valueOf(QUERY, answer), text);
});

Deno.test("formatReceivedSpf() quotes what is no dot-atom (RFC 7208 §9.1)", () => {
  const query = { ...QUERY, ip: "2001:db8::1", sender: 'a"b\\c@x.test', hello: "[192.0.2.1]" };
  const value = valueOf(query, { result: "softfail", mechanism: "~all" });
  assertStringIncludes(value, 'client-ip="2001:db8::1"');
  assertStringIncludes(value, 'envelope-from="a\\"b\\\\c@x.test"');
  assertStringIncludes(value, 'helo="[192.0.2.1]"');
  assertStringIncludes(value, "mechanism=~all");
});

Deno.test("formatReceivedSpf() is one field of short ASCII lines whatever was said", () => {
  const text = fc.string({ unit: ANY, maxLength: 400 });
  fc.assert(fc.property(text, text, text, (sender, hello, reason) => {
    const answer = { result: "permerror", reason } as const;
    const { raw } = formatReceivedSpf({ ...QUERY, sender, hello }, answer, "helo");
    assertEquals(parseFields(raw).map(({ name }) => name), ["Received-SPF"]);
    assert(
      decode(raw).split("\r\n").every((line) => line.length <= 998 && /^[\t -~]*$/.test(line)),
    );
  }));
});
