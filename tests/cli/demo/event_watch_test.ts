import { assertEquals, assertRejects } from "@std/assert";
import { EventWatch, NotHappenedError } from "../../../src/cli/demo/event_watch.ts";

const done = (recipient: string) =>
  ({ time: 0, type: "delivery.done", message: "m", recipient, destination: "d" }) as const;

Deno.test("EventWatch.wait() finds what happened before and what happens after", async () => {
  const watch = new EventWatch();
  watch.record(done("a@b"));
  const [before, after] = [
    watch.wait("delivery.done", ({ recipient }) => recipient === "a@b", "a"),
    watch.wait("delivery.done", ({ recipient }) => recipient === "c@d", "c"),
  ];
  watch.record({ time: 1, type: "notice.dropped", message: "m", reason: "r" });
  watch.record(done("c@d"));
  assertEquals([(await before).recipient, (await after).recipient], ["a@b", "c@d"]);
});

Deno.test("EventWatch.wait() says what has not happened", async () => {
  const watch = new EventWatch(1);
  const error = await assertRejects(
    () => watch.wait("delivery.done", () => true, "it arrived"),
    NotHappenedError,
  );
  assertEquals(error.message, "it did not happen: it arrived");
});
