import { assert, assertEquals, assertFalse } from "@std/assert";
import fc from "fast-check";
import { parseSize, parseUsersFile, splitWords } from "../../src/directory/users_file.ts";

const VERIFIER = "SCRAM-SHA-256$100000:W22ZaJ0SNY7soEsUEjb6gQ==$" +
  "DrV7xy/qKHIOj+YKWfow7KE6edXL/2q4lAqKIspiBqY=:LG0R4sd2Si2JCO3krs1YC+dGK3pojC6G4jjnVbvxuqc=";

function parse(...lines: string[]) {
  return parseUsersFile(["# yizhan users 1", ...lines].join("\n"));
}

/** The problems of a file with these lines behind the header, as `line: text`. */
function problems(...lines: string[]): string[] {
  return parse(...lines).problems.map(({ line, text }) => `${line}: ${text}`);
}

Deno.test("parseUsersFile() reads the example of docs/users.md", async () => {
  const page = await Deno.readTextFile(new URL("../../docs/users.md", import.meta.url));
  const example = /## The file\n[^]*?```\n([^]*?)```/.exec(page)?.[1] ?? "";
  const { table, problems } = parseUsersFile(example);
  assertEquals(problems, []);
  assertEquals([...table.users.keys()], ["alice@example.org", "bob@example.org"]);
  assertEquals([...table.aliases.keys()], ["sales@example.org", "team@example.org"]);
  assertEquals([...table.catchAll.keys()], ["example.org"]);
});

Deno.test("parseUsersFile() reads every kind of line", () => {
  const { table, lines, problems } = parse(
    "",
    "  # a comment, indented",
    "domain example.net",
    `user\tAlice@Example.ORG   ${VERIFIER} quota=1G messages=10000 sendAs=sales@example.org sendAs=@example.com`,
    "user printer@example.org -",
    "alias team@example.org alice@example.org bob@elsewhere.example",
    "catch-all example.net alice@example.org",
    "secret MDEyMzQ1Njc4OWFiY2RlZg==",
  );
  assertEquals(problems, []);
  assertEquals([...table.users.keys()], ["alice@example.org", "printer@example.org"]);
  const alice = table.users.get("alice@example.org")!;
  assertEquals(alice.address, { local: "Alice", domain: "example.org" });
  assertEquals(alice.verifier?.iterations, 100_000);
  assertEquals(alice.quota, { bytes: 1024 ** 3, messages: 10_000 });
  assertEquals(alice.sendAs, [
    { address: { local: "sales", domain: "example.org" } },
    { domain: "example.com" },
  ]);
  assertEquals(table.users.get("printer@example.org")!.verifier, null);
  assertEquals(table.users.get("printer@example.org")!.quota, undefined);
  assertEquals(table.aliases.get("team@example.org"), [
    { local: "alice", domain: "example.org" },
    { local: "bob", domain: "elsewhere.example" },
  ]);
  assertEquals(table.catchAll.get("example.net")?.length, 1);
  assertEquals([...table.domains].sort(), ["example.net", "example.org"]);
  assertEquals(table.secret?.length, 16);
  assertEquals(lines.get("alice@example.org"), 5);
});

Deno.test("parseUsersFile() takes CRLF, a byte order mark, quoted local parts and U-labels", () => {
  const { table, problems } = parseUsersFile(
    '\ufeff# yizhan users 1\r\nuser "a b"@example.org -\r\nuser u@bücher.example -\r\n',
  );
  assertEquals(problems, []);
  assertEquals([...table.users.keys()], ["a b@example.org", "u@xn--bcher-kva.example"]);
  assert(table.domains.has("xn--bcher-kva.example"));
});

Deno.test("parseUsersFile() wants its first line", () => {
  const text = "user alice@example.org -\n";
  const [problem] = parseUsersFile(text).problems;
  assertEquals(problem, {
    line: 1,
    text: 'found "user alice@exampl..."; the first line must be "# yizhan users 1"',
  });
  assertEquals(parseUsersFile("").problems[0]?.line, 1);
  assertEquals(parseUsersFile("# yizhan users 2\n").problems.length, 1);
  assertEquals(parseUsersFile("# yizhan users 1").problems, []);
});

Deno.test("parseUsersFile() says of each line what was found and what is allowed", async (t) => {
  const cases: Record<string, [string, string]> = {
    "an unknown word": [
      "usr alice@example.org -",
      'found "usr"; a line begins with domain, user, alias, catch-all, secret or #',
    ],
    "an open quote": ['user "alice@example.org -', 'found a " without its partner'],
    "no address": ["user", 'found ""; allowed is an address such as alice@example.org'],
    "a bare name": [
      "user alice -",
      'found "alice"; allowed is an address such as alice@example.org',
    ],
    "no verifier": ["user alice@example.org", "found no verifier; allowed is one, or -"],
    "a quota that is none": [
      "user alice@example.org - quota=1X",
      'found "quota=1X"; allowed is a size such as quota=1G',
    ],
    "a quota of nothing": [
      "user alice@example.org - quota=0",
      'found "quota=0"; allowed is a size such as quota=1G',
    ],
    "two quotas": [
      "user alice@example.org - quota=1G quota=2G",
      "found quota= twice; once is allowed",
    ],
    "a count that is none": [
      "user alice@example.org - messages=-1",
      'found "messages=-1"; allowed is a count such as messages=10000',
    ],
    "two counts": [
      "user alice@example.org - messages=1 messages=2",
      "found messages= twice; once is allowed",
    ],
    "a right that is none": [
      "user alice@example.org - sendAs=a@b@c",
      'found "sendAs=a@b@c"; allowed is sendAs=ADDRESS or sendAs=DOMAIN',
    ],
    "an unknown option": [
      "user alice@example.org - sendas=x",
      'found "sendas=x"; allowed are quota=, messages= and sendAs=',
    ],
    "an alias without targets": [
      "alias team@example.org",
      "found no target; allowed are one or more addresses",
    ],
    "a target that is none": [
      "alias team@example.org alice",
      'found "alice"; a target must be an address',
    ],
    "a catch-all of no domain": ["catch-all a@b c@d.example", 'found "a@b"; allowed is a domain'],
    "a domain that is none": ["domain exa mple", 'found "exa mple"; allowed is one domain'],
    "a short secret": [
      "secret Zm9v",
      "found no secret; allowed is one of 16 octets or more in base64",
    ],
    "a dead target": [
      "alias team@example.org gone@example.org",
      'found target "gone@example.org", which nobody has; make a user or alias of it',
    ],
  };
  for (const [what, [line, wanted]] of Object.entries(cases)) {
    await t.step(what, () => assertEquals(problems("", line), [`3: ${wanted}`]));
  }
});

Deno.test("parseUsersFile() finds all problems at once, in order of lines", () => {
  assertEquals(
    problems(
      "alias a@example.org nobody@example.org",
      "user b@example.org - quota=x messages=y",
      "nonsense",
      "user B@example.org -",
      "alias b@EXAMPLE.org c@example.net",
      "catch-all example.org b@example.org",
      "catch-all EXAMPLE.ORG b@example.org",
    ).map((problem) => problem.slice(0, 26)),
    [
      '3: found "quota=x"; allowe',
      '3: found "messages=y"; all',
      '4: found "nonsense"; a lin',
      '5: found "b@example.org" a',
      '6: found "b@example.org" a',
      '8: found "@example.org" ag',
    ],
  );
});

Deno.test("parseUsersFile() takes targets that lead somewhere", async (t) => {
  const cases: Record<string, string[]> = {
    "a user": ["user bob@example.org -", "alias a@example.org Bob@Example.org"],
    "an alias": ["alias b@example.org x@example.net", "alias a@example.org b@example.org"],
    "elsewhere": ["alias a@example.org x@example.net"],
    "a subaddress": ["user bob@example.org -", "alias a@example.org bob+news@example.org"],
    "a subaddress by another mark": [
      "user bob.b@example.org -",
      "alias a@example.org bob.b-news@example.org",
    ],
    "postmaster": ["alias a@example.org postmaster@example.org"],
    "what a catch-all catches": [
      "user bob@example.org -",
      "catch-all example.org bob@example.org",
      "alias a@example.org whoever@example.org",
    ],
  };
  for (const [what, lines] of Object.entries(cases)) {
    await t.step(what, () => assertEquals(problems(...lines), []));
  }
});

Deno.test("parseUsersFile() never shows a verifier, a password or a secret", () => {
  const found = [
    ...problems(`user alice@example.org hunter2`),
    ...problems(`user alice@example.org ${VERIFIER.replace("100000", "4096")}`),
    ...problems(`user alice@example.org - ${VERIFIER}`),
    ...problems(`user ${VERIFIER}`),
    ...problems(`${VERIFIER}`),
    ...problems("secret MDEyMzQ1Njc4OWFiY2RlZg"),
  ];
  assertEquals(found.length, 6);
  for (const problem of found) {
    assertFalse(/hunter2|DrV7|W22Z|MDEy/.test(problem), problem);
  }
});

Deno.test("parseUsersFile() keeps what a line holds from breaking out of its message", () => {
  const [problem] = problems(`bad\u0007\u2028word${"x".repeat(1000)}`);
  assert(problem!.length < 200, problem);
  assertFalse(/[\p{Cc}\u2028]/u.test(problem!));
});

Deno.test("parseUsersFile() never throws", () => {
  const word = fc.constantFrom(
    "user",
    "alias",
    "catch-all",
    "domain",
    "secret",
    "a@b.example",
    "b.example",
    "-",
    VERIFIER,
    '"',
    "\\",
    "quota=1",
    " ",
    "\n",
    "[1.2.3.4]",
    "=",
    "@",
  );
  fc.assert(fc.property(fc.array(word, { maxLength: 40 }), (words) => {
    return Array.isArray(parse(words.join(" ")).problems);
  }));
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    return Array.isArray(parseUsersFile(text).problems);
  }));
});

Deno.test("splitWords() keeps quoted blanks together and knows where words are", () => {
  assertEquals(splitWords('user  "a \\" b"@c.d -'), [
    { text: "user", at: 0 },
    { text: '"a \\" b"@c.d', at: 6 },
    { text: "-", at: 19 },
  ]);
  assertEquals(splitWords("  # user x"), []);
  assertEquals(splitWords("\t "), []);
  assertEquals(splitWords('a "b'), null);
  assertEquals(splitWords('a "b\\"'), null);
  assertEquals(splitWords('a" b'), null);
});

Deno.test("parseSize() reads octets and units of 1024", () => {
  assertEquals(
    ["1", "500", "10K", "10k", "3M", "1G", "2T"].map(parseSize),
    [1, 500, 10_240, 10_240, 3 * 1024 ** 2, 1024 ** 3, 2 * 1024 ** 4],
  );
  for (const text of ["", "0", "-1", "1.5G", "1 G", "G", "1P", "01", "999999999999999T", "1e3"]) {
    assertEquals(parseSize(text), null, text);
  }
});
