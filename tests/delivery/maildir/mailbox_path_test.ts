import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { mailboxKey } from "../../../src/address.ts";
import {
  encodeFolderName,
  mailboxPath,
  normalizeName,
} from "../../../src/delivery/maildir/mailbox_path.ts";

/** Names as strangers send them: unusual characters, dots, slashes, halves of surrogate pairs. */
const nasty = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme" }),
  fc.string({
    unit: fc.constantFrom(".", "/", "=", "-", "a", "A", "\0", "\\", "2", "E", "é", "e\u0301"),
  }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 12 })
    .map((units) => String.fromCharCode(...units)),
  fc.string({ unit: "binary", minLength: 60, maxLength: 300 }),
);

/** What a path means to the operating system, worked out segment by segment. */
function resolve(path: string): string[] {
  const at: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") at.pop();
    else if (segment !== "" && segment !== ".") at.push(segment);
  }
  return at;
}

Deno.test("mailboxPath() keeps ordinary names readable", () => {
  const cases: [user: string, folder: string][] = [
    ["alice", "alice"],
    ["Alice", "alice"],
    ["alice.b+tag_1-x", "alice.b+tag_1-x"],
    ["用户", "用户"],
    ["josé", "josé"],
    ["[127.0.0.1]", "[127.0.0.1]"],
    ["[IPv6:2001:db8::1]", "[ipv6=3A2001=3Adb8=3A=3A1]"],
    ["postmaster@other", "postmaster@other"],
  ];
  for (const [user, folder] of cases) {
    assertEquals(mailboxPath({ domain: "example.org", user }), `example.org/${folder}`);
  }
});

Deno.test("mailboxPath() disarms names that mean something to a file system", () => {
  const cases: [user: string, folder: string][] = [
    ["", "="],
    [".", "=2E"],
    ["..", "=2E=2E"],
    ["...", "=2E.=2E"],
    [".hidden", "=2Ehidden"],
    ["end.", "end=2E"],
    ["-rf", "=2Drf"],
    ["../../etc/passwd", "=2E.=2F..=2Fetc=2Fpasswd"],
    ["a/b", "a=2Fb"],
    ["a\\b", "a=5Cb"],
    ["a\0b", "a=00b"],
    ["a\r\nb", "a=0D=0Ab"],
    ["a b", "a=20b"],
    ["a=2Fb", "a=3D2fb"],
    ["a\u202eb", "a=E2=80=AEb"],
    ["\ud800", "=ED=A0=80"],
  ];
  for (const [user, folder] of cases) {
    assertEquals(mailboxPath({ domain: "x", user }), `x/${folder}`);
  }
});

Deno.test("normalizeName() agrees with what the rest of the house takes for one mailbox", () => {
  fc.assert(fc.property(nasty, (local) => {
    assertEquals(`${normalizeName(local)}@`, mailboxKey({ local, domain: "" }));
  }));
});

Deno.test("mailboxPath() gives one folder to a domain in U-labels and in A-labels", () => {
  const user = "alice";
  assertEquals(mailboxPath({ domain: "Bücher.example", user }), "xn--bcher-kva.example/alice");
  assertEquals(
    mailboxPath({ domain: "xn--bcher-kva.EXAMPLE", user }),
    "xn--bcher-kva.example/alice",
  );
});

Deno.test("mailboxPath() gives one folder to all spellings of a name", () => {
  for (
    const [a, b] of [["ALICE", "alice"], ["jose\u0301", "jos\u00e9"], [
      "JOSE\u0301",
      "jos\u00e9",
    ]] as const
  ) {
    assertEquals(encodeFolderName(a), encodeFolderName(b));
  }
});

Deno.test("encodeFolderName() cuts long names apart at their hash", () => {
  const long = "a".repeat(300);
  const other = `${"a".repeat(299)}b`;
  assertMatch(encodeFolderName(long), /^a{189}==[0-9a-f]{64}$/);
  assertNotEquals(encodeFolderName(long), encodeFolderName(other));
  assertEquals(encodeFolderName("a".repeat(255)), "a".repeat(255));
  // Never half an escape: the cut falls between characters.
  assertMatch(encodeFolderName("/".repeat(200)), /^(=2F)+==[0-9a-f]{64}$/);
  assert(new TextEncoder().encode(encodeFolderName("字".repeat(200))).length <= 255);
});

Deno.test("mailboxPath() gives the same the second time, and when many came in between", () => {
  const mailboxes = Array.from(
    { length: 3000 },
    (_, i) => ({ domain: `d${i % 7}`, user: `u${i}` }),
  );
  const paths = mailboxes.map(mailboxPath);
  assertEquals(new Set(paths).size, mailboxes.length);
  for (const [i, mailbox] of mailboxes.entries()) assertEquals(mailboxPath(mailbox), paths[i]);
});

Deno.test("mailboxPath() does not take one mailbox for another whose names join to the same", () => {
  for (const mark of [" ", "/", "1 ", "", "\0", "2 a"]) {
    const one = mailboxPath({ domain: `a${mark}b`, user: "c" });
    const other = mailboxPath({ domain: "a", user: `b${mark}c` });
    assertNotEquals(one, other);
    assertEquals(other, `a/${encodeFolderName(`b${mark}c`)}`);
  }
});

Deno.test("mailboxPath() stays within the root whatever the names hold", () => {
  fc.assert(fc.property(nasty, nasty, (domain, user) => {
    const path = mailboxPath({ domain, user });
    const at = resolve(`/root/${path}`);
    assertEquals(at.length, 3);
    assertEquals(at[0], "root");
    for (const component of at) {
      assert(new TextEncoder().encode(component).length <= 255);
      // deno-lint-ignore no-control-regex
      assert(!/[\x00-\x20\x7f\\/]/.test(component));
    }
  }));
});

Deno.test("encodeFolderName() is one-to-one on normalised names", () => {
  fc.assert(
    fc.property(nasty, nasty, (a, b) => {
      const same = normalizeName(a) === normalizeName(b);
      assertEquals(encodeFolderName(a) === encodeFolderName(b), same);
      assertEquals(normalizeName(normalizeName(a)), normalizeName(a));
    }),
    { numRuns: 1000 },
  );
});

/** Undoes the encoding, which is only possible when no two names share a folder. */
function decodeFolderName(folder: string): string {
  if (folder === "=") return "";
  const octets: number[] = [];
  for (const piece of folder.match(/=[0-9A-F]{2}|[^]/gu) ?? []) {
    if (/^=[0-9A-F]{2}$/.test(piece)) octets.push(parseInt(piece.slice(1), 16));
    else octets.push(...new TextEncoder().encode(piece));
  }
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(octets));
}

Deno.test("encodeFolderName() can be undone", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 20 }), (name) => {
    assertEquals(decodeFolderName(encodeFolderName(name)), normalizeName(name));
  }));
});

Deno.test("encodeFolderName() keeps names apart on a disk that ignores case and composition", () => {
  const disk = (name: string) =>
    name.normalize("NFKC").toUpperCase().toLowerCase().normalize("NFD");
  const letters = fc.constantFrom(
    "s",
    "ſ",
    "ß",
    "σ",
    "ς",
    "k",
    "K",
    "ﬁ",
    "f",
    "i",
    "ı",
    "İ",
    "µ",
    "μ",
  );
  const name = fc.string({ unit: letters, maxLength: 3 });
  fc.assert(
    fc.property(name, name, (a, b) => {
      const same = normalizeName(a) === normalizeName(b);
      assertEquals(disk(encodeFolderName(a)) === disk(encodeFolderName(b)), same);
    }),
    { numRuns: 1000 },
  );
});
