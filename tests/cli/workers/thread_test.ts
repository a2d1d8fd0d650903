import { assertEquals, assertMatch } from "@std/assert";
import { isThread, rememberEntry, startThread } from "../../../src/cli/workers/thread.ts";

Deno.test("startThread() runs the entry file, which knows that it is a thread, and tells how it ends", async () => {
  assertEquals(isThread(), false);
  rememberEntry(new URL("./some_entry.ts", import.meta.url).href);
  const heard: unknown[] = [];
  const ended = Promise.withResolvers<string>();
  const joined = Promise.withResolvers<void>();
  const thread = startThread("some thread", {
    onMessage: (message) => {
      heard.push(message);
      if (message === "joined") joined.resolve();
      else thread.send("throw");
    },
    onEnd: ended.resolve,
  });
  await joined.promise;
  thread.send({ cloned: new Map([["a", 1]]) });
  assertMatch(await ended.promise, /the thread has had enough$/);
  assertEquals(heard, ["joined", { back: { cloned: new Map([["a", 1]]) } }]);
});
