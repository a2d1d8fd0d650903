import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { decode } from "../../src/bytes.ts";
import {
  formatAuthenticationResults,
  type MethodResult,
  parseAuthenticationResults,
} from "../../src/message/authentication_results.ts";
import { fieldValue, makeField, parseFields } from "../../src/message/header.ts";

/** A field's results in one line each: method, result, reason, properties. */
function brief(value: string): string[] | null {
  const parsed = parseAuthenticationResults(value);
  return parsed && parsed.results.map(({ method, result, reason, properties }) =>
    [
      `${method}=${result}`,
      ...(reason === undefined ? [] : [`(${reason})`]),
      ...properties.map(({ type, name, value }) => `${type}.${name}=${value}`),
    ].join(" ")
  );
}

const RFC_8601_APPENDIX_B: readonly [string, string, readonly string[]][] = [
  ["B.2", "example.org 1; none", []],
  ["B.3", "example.com;\r\n          spf=pass smtp.mailfrom=example.net", [
    "spf=pass smtp.mailfrom=example.net",
  ]],
  [
    "B.4",
    "example.com;\r\n          auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n          spf=pass smtp.mailfrom=example.net",
    ["auth=pass smtp.auth=sender@example.net", "spf=pass smtp.mailfrom=example.net"],
  ],
  ["B.4, the second field", "example.com; iprev=pass\r\n          policy.iprev=192.0.2.200", [
    "iprev=pass policy.iprev=192.0.2.200",
  ]],
  ["B.5", "example.com;\r\n          dkim=pass (good signature) header.d=example.com", [
    "dkim=pass header.d=example.com",
  ]],
  [
    "B.5, the second field",
    "example.com;\r\n          auth=pass (cram-md5) smtp.auth=sender@example.com;\r\n          spf=fail smtp.mailfrom=example.com",
    ["auth=pass smtp.auth=sender@example.com", "spf=fail smtp.mailfrom=example.com"],
  ],
  [
    "B.6",
    'example.com;\r\n      dkim=pass reason="good signature"\r\n        header.i=@mail-router.example.net;\r\n      dkim=fail reason="bad signature"\r\n        header.i=@newyork.example.com',
    [
      "dkim=pass (good signature) header.i=@mail-router.example.net",
      "dkim=fail (bad signature) header.i=@newyork.example.com",
    ],
  ],
  [
    "B.7",
    "foo.example.net (foobar) 1 (baz);\r\n    dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n      policy (A dot can go here) . (like that) expired\r\n      (this surprised me) = (as I wasn't expecting it) 1362471462",
    ["dkim=fail policy.expired=1362471462"],
  ],
];

for (const [name, value, expected] of RFC_8601_APPENDIX_B) {
  Deno.test(`parseAuthenticationResults() reads RFC 8601, Appendix ${name}`, () => {
    assertEquals(brief(value), expected);
    const [field] = parseFields(new TextEncoder().encode(`Authentication-Results: ${value}\r\n`));
    assertEquals(brief(fieldValue(field!)), expected);
  });
}

Deno.test("parseAuthenticationResults() tells the authserv-id, versions and comments", () => {
  assertEquals(
    parseAuthenticationResults(
      "foo.example.net (foobar) 1 (baz); dkim (a) / 2 (b) = (c) fail (d (e) \\) f) (g)",
    ),
    {
      authservId: "foo.example.net",
      version: 1,
      results: [{
        method: "dkim",
        version: 2,
        result: "fail",
        properties: [],
        comment: "d (e) ) f",
      }],
    },
  );
  assertEquals(
    parseAuthenticationResults('"mx \\"one\\".example"; none')?.authservId,
    'mx "one".example',
  );
  assertEquals(parseAuthenticationResults("(x (y)) Mx.Example;none")?.authservId, "Mx.Example");
});

/** What stations are known to write beside the grammar. */
const SEEN: readonly [string, string, readonly string[]][] = [
  ["values without quotes", "mx.google.com; dkim=pass header.i=@d.example header.b=gfT/i2HB", [
    "dkim=pass header.i=@d.example header.b=gfT/i2HB",
  ]],
  [
    "properties without a type",
    "mx.microsoft.com 1; dmarc=pass action=none header.from=a.example; arc=none",
    ["dmarc=pass header.from=a.example", "arc=none"],
  ],
  ["a semicolon at the end", "mx.example; spf=pass smtp.mailfrom=b.example;", [
    "spf=pass smtp.mailfrom=b.example",
  ]],
  ["an empty value", "mx.example; spf=none smtp.mailfrom=; dkim=none", [
    "spf=none smtp.mailfrom=",
    "dkim=none",
  ]],
  ["an IPv6 address", "mx.example; arc=pass smtp.remote-ip=2001:db8::1", [
    "arc=pass smtp.remote-ip=2001:db8::1",
  ]],
  ["a quoted local part", 'mx.example; spf=pass smtp.mailfrom="a b"@c.example', [
    'spf=pass smtp.mailfrom="a b"@c.example',
  ]],
  ["words in capitals", "mx.example; SPF=Pass SMTP.MailFrom=Bob@C.example", [
    "spf=pass smtp.mailfrom=Bob@C.example",
  ]],
  ["addresses beyond ASCII", "mx.example; dkim=pass header.i=二ノ宮@黒川.日本", [
    "dkim=pass header.i=二ノ宮@黒川.日本",
  ]],
];

for (const [what, value, expected] of SEEN) {
  Deno.test(`parseAuthenticationResults() forgives ${what}`, () => {
    assertEquals(brief(value), expected);
  });
}

const MALFORMED: readonly string[] = [
  "",
  " ",
  "example.org",
  "example.org;",
  "; none",
  "example.org none",
  "example.org 1 2; none",
  "example.org x; none",
  "example.org; none; none",
  "example.org; spf",
  "example.org; spf=",
  "example.org; spf/=pass",
  "example.org; spf=pass smtp",
  "example.org; spf=pass smtp.=x",
  "example.org; spf=pass smtp.mailfrom",
  'example.org; spf=pass reason="open',
  'example.org; spf=pass smtp.mailfrom=a"b',
  "example.org; spf=pass (open",
  "example.org; spf=pass )",
  "(open example.org; none",
  '"open; none',
  "example.org; spf=pass ;; dkim=pass",
  "example.org\0; none",
  "example.org; spf=pass smtp.mailfrom=a\x07b",
  `example.org${"; spf=pass".repeat(101)}`,
  `example.org; spf=pass${" a.b=c".repeat(101)}`,
  `example.org; spf=pass (${"x".repeat(70_000)})`,
];

Deno.test("parseAuthenticationResults() gives null for what is malformed or endless", () => {
  for (const value of MALFORMED) assertEquals(parseAuthenticationResults(value), null, value);
});

Deno.test("parseAuthenticationResults() gives null soon for parentheses and quotes without end", () => {
  for (const piece of ["(", "\\", '"', '"a"@"', "a.b=(", "(\\"]) {
    const many = piece.repeat(60_000 / piece.length);
    assertEquals(parseAuthenticationResults(many), null);
    assertEquals(parseAuthenticationResults(`x; a=b ${many}`), null);
  }
});

Deno.test("formatAuthenticationResults() writes the examples of RFC 8601, Appendix B", () => {
  const field = (id: string, results: MethodResult[]) =>
    decode(makeField("Authentication-Results", formatAuthenticationResults(id, results)).raw);
  assertEquals(field("example.org", []), "Authentication-Results: example.org; none\r\n");
  assertEquals(
    field("example.com", [
      {
        method: "auth",
        result: "pass",
        comment: "cram-md5",
        properties: [{ type: "smtp", name: "auth", value: "sender@example.net" }],
      },
      {
        method: "spf",
        result: "pass",
        properties: [{ type: "smtp", name: "mailfrom", value: "example.net" }],
      },
    ]),
    "Authentication-Results: example.com;\r\n" +
      "\tauth=pass (cram-md5) smtp.auth=sender@example.net;\r\n" +
      "\tspf=pass smtp.mailfrom=example.net\r\n",
  );
  assertEquals(
    field("example.com", [{
      method: "dkim",
      result: "fail",
      reason: "bad signature",
      properties: [{ type: "header", name: "i", value: "@newyork.example.com" }],
    }]),
    "Authentication-Results: example.com;\r\n" +
      '\tdkim=fail reason="bad signature" header.i=@newyork.example.com\r\n',
  );
});

Deno.test("formatAuthenticationResults() quotes what is no token and no address", () => {
  const value = (text: string) =>
    formatAuthenticationResults("mx", [{
      method: "x",
      result: "pass",
      properties: [{ type: "policy", name: "p", value: text }],
    }]).split("policy.p=")[1];
  assertEquals(value("a@b.example"), "a@b.example");
  assertEquals(value("@b.example"), "@b.example");
  assertEquals(value("a/b"), '"a/b"');
  assertEquals(value("2001:db8::1"), '"2001:db8::1"');
  assertEquals(value('say "a\\b"'), '"say \\"a\\\\b\\""');
  assertEquals(value(""), '""');
  assertEquals(value("a; b=c"), '"a; b=c"');
  assertEquals(value("a; dkim=pass"), '"a; dkim\\=pass"');
  assertEquals(value("a\r\nBcc: b"), '"a??Bcc: b"');
  assertEquals(value("a(b)"), '"a(b)"');
});

Deno.test("formatAuthenticationResults() keeps a comment from ending early", () => {
  const results = formatAuthenticationResults("mx", [{
    method: "spf",
    result: "fail",
    comment: "a) b=c (\\",
    properties: [],
  }]);
  assertEquals(results, "mx;\n\tspf=fail (a? b=c ??)");
});

Deno.test("formatAuthenticationResults() makes fields that are read again as they were, whatever is in them", () => {
  const text = fc.string({ unit: "binary", maxLength: 40 });
  const clean = (text: string) =>
    // deno-lint-ignore no-control-regex
    text.toWellFormed().replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, "?");
  const word = fc.stringMatching(/^[a-z][a-z-]{0,10}$/);
  const result = fc.record({
    method: word,
    result: fc.constantFrom("pass" as const, "fail" as const, "none" as const),
    properties: fc.array(
      fc.record({
        type: fc.constantFrom("smtp" as const, "header" as const),
        name: word,
        value: text,
      }),
      { maxLength: 4 },
    ),
    reason: fc.option(text, { nil: undefined }),
    comment: fc.option(text, { nil: undefined }),
  });
  fc.assert(fc.property(text, fc.array(result, { maxLength: 5 }), (id, results) => {
    const value = formatAuthenticationResults(id, results as MethodResult[]);
    const parsed = parseAuthenticationResults(value.replace(/[\x85\u2028\u2029]/g, "?"));
    assertEquals(parsed?.authservId, clean(id));
    assertEquals(
      parsed?.results.map(({ method, result, reason, properties }) => ({
        ...{ method, result, reason, properties },
      })),
      results.map(({ method, result, reason, properties }) => ({
        method,
        result,
        reason: reason === undefined ? undefined : clean(reason),
        properties: properties.map((property) => ({ ...property, value: clean(property.value) })),
      })),
    );
    // Folding never breaks it either.
    const field = makeField("Authentication-Results", value);
    assertEquals(
      parseAuthenticationResults(fieldValue(field))?.results.length,
      results.length,
    );
  }));
});

Deno.test("formatAuthenticationResults() cuts what strangers make long", () => {
  const long = "x".repeat(100_000);
  const text = formatAuthenticationResults("mx.example.org", [{
    method: "dkim",
    result: "fail",
    comment: long,
    reason: long,
    properties: [{ type: "header", name: "d", value: long }],
  }]);
  const found = parseAuthenticationResults(text)?.results[0];
  assertEquals([found?.comment, found?.reason, found?.properties[0]?.value], [
    "x".repeat(500),
    "x".repeat(500),
    "x".repeat(500),
  ]);
});

Deno.test("formatAuthenticationResults() writes no result that a stranger made up", () => {
  const names = ["dmarc=pass@evil.example", '"x; DMARC = pass; y"@evil.example', "dkim=PASS."];
  for (const name of names) {
    const text = formatAuthenticationResults("mx.example.org", [{
      method: "spf",
      result: "none",
      comment: name,
      reason: name,
      properties: [{ type: "smtp", name: "mailfrom", value: name }],
    }]);
    assertEquals(/(?:dmarc|dkim)\s*=\s*pass/i.test(text), false, text);
    assertEquals(parseAuthenticationResults(text)?.results[0]?.properties[0]?.value, name);
  }
  // What is not meant so stays as it was (VERP).
  const verp = "bounce+ann=author.example@list.example";
  assertEquals(
    formatAuthenticationResults("mx.example.org", [{
      method: "spf",
      result: "pass",
      properties: [{ type: "smtp", name: "mailfrom", value: verp }],
    }]),
    `mx.example.org;\n\tspf=pass smtp.mailfrom=${verp}`,
  );
});
