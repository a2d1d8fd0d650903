import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { formatRate, parseRate, rate } from "../../src/config/fields.ts";
import { z } from "../../src/config/packages.ts";

Deno.test("parseRate() reads how many in how long", () => {
  assertEquals(parseRate("60/1m"), { count: 60, per: 60_000 });
  assertEquals(parseRate("60/m"), { count: 60, per: 60_000 });
  assertEquals(parseRate("1000/1d"), { count: 1000, per: 86_400_000 });
  assertEquals(parseRate("20/1h30m"), { count: 20, per: 5_400_000 });
  assertEquals(parseRate("1/s"), { count: 1, per: 1000 });
});

Deno.test("parseRate() is null for what is no rate", () => {
  for (
    const text of [
      ...["", "60", "60/", "/1m", "0/1m", "-1/m", "1.5/m", "60/0s", "60/500ms", "60/ms", "60/1"],
      ...[
        "60/1w",
        "60 / 1m",
        "60/m1",
        "60/mm",
        "060/m",
        "1e3/m",
        "1/366d",
        "9999999999/m",
        "1/m\n",
      ],
    ]
  ) {
    assertEquals(parseRate(text), null, JSON.stringify(text));
  }
});

Deno.test("property: a rate is read back from its text, and its pattern fits what it reads", () => {
  const pattern = new RegExp(z.toJSONSchema(rate, { io: "input" }).pattern!);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 999_999_999 }),
      fc.integer({ min: 1000, max: 365 * 86_400_000 }),
      (count, per) => {
        const text = formatRate({ count, per });
        assertEquals(parseRate(text), { count, per });
        assert(pattern.test(text));
      },
    ),
  );
});

Deno.test("rate says what it wants, and is written back as text", () => {
  assertEquals(z.encode(rate, rate.parse("60/m")), "60/1m");
  assertEquals(
    rate.safeParse("often").error?.issues[0]?.message,
    "wanted how many in how long, such as 60/1m or 1000/1d (1s to 365d)",
  );
  const { title, examples } = z.toJSONSchema(rate, { io: "input" });
  assertEquals([title, examples], ["rate", ["60/1m", "20/10m", "1000/1d"]]);
});
