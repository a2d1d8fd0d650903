import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import {
  maildirName,
  MaildirTime,
  sizeInName,
  temporaryName,
} from "../../../src/delivery/maildir/maildir_name.ts";

const parts = {
  time: 1_700_000_000_042_007,
  delivery: ["id", "example.org/alice", "alice", "example.org"],
  hostname: "mx.example.org",
  size: 10,
  virtualSize: 12,
};

Deno.test("maildirName() gives the same delivery the same name", () => {
  assertEquals(maildirName(parts), maildirName({ ...parts }));
  assertMatch(maildirName(parts), /^1700000000\.M042007Q[0-9a-f]{24}\.mx\.example\.org,S=10,W=12$/);
});

Deno.test("maildirName() gives each delivery its own name", () => {
  const others = [["id2", "example.org/alice", "alice", "example.org"], [
    "idexample.org/alice",
    "alice",
  ], []];
  for (const delivery of others) {
    assertNotEquals(maildirName({ ...parts, delivery }), maildirName(parts));
  }
  assertNotEquals(
    maildirName({ ...parts, delivery: ["ab", "c"] }),
    maildirName({ ...parts, delivery: ["a", "bc"] }),
  );
});

Deno.test("maildirName() writes a slash and a colon of the host by the Maildir rule", () => {
  assertMatch(maildirName({ ...parts, hostname: "a/b:c" }), /\.a\\057b\\072c,S=10,W=12$/);
  assertMatch(maildirName({ ...parts, hostname: "a,S=1" }), /\.a\\054S\\0751,S=10,W=12$/);
  assertMatch(maildirName({ ...parts, hostname: "" }), /\.localhost,S=10,W=12$/);
});

Deno.test("maildirName() orders as the messages came", () => {
  const times = [999_999, 1_000_000, 1_000_001, 1_010_000].map((micros) =>
    1_700_000_000e6 + micros
  );
  const names = times.map((time) => maildirName({ ...parts, time }));
  assertEquals(names.toSorted(), names);
});

Deno.test("temporaryName() is the moment and the host", () => {
  assertEquals(temporaryName(1_700_000_000_001_007, "h"), "1700000000.M001007.h");
});

Deno.test("MaildirTime.next() follows the clock and never says the same twice", () => {
  let now = 1_700_000_000_000;
  const time = new MaildirTime({ now: () => now, sleep: () => Promise.resolve() });
  assertEquals([time.next(), time.next(), time.next()], [1.7e15, 1.7e15 + 1, 1.7e15 + 2]);
  now += 1;
  assertEquals(time.next(), 1.7e15 + 1000);
  now -= 500;
  assertEquals(time.next(), 1.7e15 + 1001, "a small step back is bridged");
  now -= 3_600_000;
  assertEquals(time.next(), now * 1000, "a large one is believed");
});

Deno.test("sizeInName() reads what Courier and Dovecot write", () => {
  assertEquals(sizeInName(maildirName(parts)), 10);
  assertEquals(sizeInName("1700000000.M1P2.host,S=123:2,S"), 123);
  assertEquals(sizeInName("1700000000.M1P2.host,S=123,W=130:2,RS"), 123);
  assertEquals(sizeInName("1700000000.M1P2.host,W=130,S=123:2,RS"), 123);
  assertEquals(sizeInName("1700000000.M1P2.host:2,S"), null);
  assertEquals(sizeInName("1700000000.M1P2.host,S=12x:2,"), null);
  assertEquals(sizeInName(`1.2.host,S=${"9".repeat(40)}`), null);
});
