import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Address, formatAddress, parseAddress } from "../../src/address.ts";
import { isRewrittenSender, restoreSender, rewriteSender } from "../../src/routing/srs.ts";

const NOW = Date.UTC(2026, 10, 22, 12);
const SECRET = "a secret";

function address(text: string): Address {
  return parseAddress(text, { smtputf8: true })!;
}

Deno.test("rewriteSender() makes the address that Mail::SRS makes", () => {
  // perl -e 'BEGIN { *CORE::GLOBAL::time = sub { 1795348800 } } require Mail::SRS;
  //   print Mail::SRS->new(Secret => "a secret", HashLength => 8)->forward("alice\@a.example", "b.example")'
  const made = rewriteSender(address("alice@a.example"), "b.example", SECRET, NOW);
  assertEquals(formatAddress(made!), "SRS0=RA5VCYAx=JL=a.example=alice@b.example");
});

Deno.test("rewriteSender() leaves the null sender and those of the same domain", () => {
  assertEquals(rewriteSender(null, "b.example", SECRET, NOW), null);
  const own = address("alice@B.example");
  assertEquals(rewriteSender(own, "b.example", SECRET, NOW), own);
});

Deno.test("rewriteSender() gives null when the local part gets longer than 64 octets", () => {
  // SRS0= HHHHHHHH= TT= a.example= are 27 octets
  const fits = address(`${"x".repeat(37)}@a.example`);
  assertEquals(rewriteSender(fits, "b.example", SECRET, NOW)?.local.length, 64);
  const longer = address(`${"x".repeat(38)}@a.example`);
  assertEquals(rewriteSender(longer, "b.example", SECRET, NOW), null);
  // é is two octets, quotes count too
  assertEquals(
    rewriteSender(address(`${"é".repeat(19)}@a.example`), "b.example", SECRET, NOW),
    null,
  );
  assertEquals(
    rewriteSender(address(`"${"x ".repeat(18)}"@a.example`), "b.example", SECRET, NOW),
    null,
  );
});

Deno.test("restoreSender() restores every sender that was rewritten, an address again (property)", () => {
  const atom = fc.stringMatching(/^[a-zA-Z0-9!#$%&'*+/=?^_{|}~-]{1,20}$/);
  const quoted = fc.stringMatching(/^[ -~]{1,12}$/).map((text) =>
    `"${text.replace(/["\\]/g, "\\$&")}"`
  );
  const sender = fc.tuple(
    fc.oneof(atom, quoted, fc.constant("用户")),
    fc.constantFrom("a.example", "[192.0.2.1]"),
  );
  fc.assert(fc.property(sender, ([local, domain]) => {
    const from = address(`${local}@${domain}`);
    const made = rewriteSender(from, "b.example", SECRET, NOW);
    if (made === null || /^SRS[01][-+=]/i.test(from.local)) return;
    assert(isRewrittenSender(made));
    assertEquals(parseAddress(formatAddress(made), { smtputf8: true }), made);
    assertEquals(restoreSender(made, [SECRET], NOW), from);
    assertEquals(restoreSender(made, ["another"], NOW), null);
  }));
});

Deno.test("restoreSender() gives null when an address was not made by us, whatever it holds (property)", () => {
  const part = fc.oneof(
    fc.constantFrom("SRS0=", "SRS1=", "=", "AAAA", "a.example", "\0", "@", "é"),
    fc.string(),
  );
  fc.assert(fc.property(fc.array(part), (parts) => {
    assertEquals(
      restoreSender({ local: parts.join(""), domain: "b.example" }, [SECRET], NOW),
      null,
    );
  }));
});

Deno.test("restoreSender() takes a bounce though the clock was set back over midnight", () => {
  const DAY = 24 * 3_600_000;
  const rewritten = rewriteSender(address("alice@a.example"), "b.example", SECRET, NOW)!;
  const restored = (now: number) => restoreSender(rewritten, [SECRET], now);
  assertEquals(restored(NOW - DAY), address("alice@a.example"));
  assertEquals(restored(NOW - 2 * DAY), null);
  assertEquals(restored(NOW + 21 * DAY), address("alice@a.example"));
  assertEquals(restored(NOW + 22 * DAY), null);
});
