import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Site } from "./site.ts";

Deno.test("status, queue list and send -bp tell of mail that the server cannot take from the drop folder now", async () => {
  await using site = await Site.make();
  const { program } = await site.start({
    filters: [{ kind: "milter", name: "rspamd", address: `unix:${site.path}/rspamd.sock` }],
  });
  await using _ = program;
  const empty = await site.run(["status"]);
  assertEquals(/Drop folder/.test(empty.stdout), false, empty.stdout);
  const stdin = "To: alice@example.test\n\nHello.\n";
  const sent = await site.run(["send", "-t"], { stdin });
  assertEquals(sent.code, 0, sent.stderr);
  await program.stdoutLine(/"drop\.deferred"/);

  const aside = "drop folder: 1 mail waits to be taken (the log says why, as drop.deferred)\n";
  const status = await site.run(["status"]);
  assertStringIncludes(
    status.stdout,
    "\nDrop folder: 1 mail waits to be taken (the log says why, as drop.deferred).\n",
  );
  const { drop } = JSON.parse((await site.run(["status", "--json"])).stdout);
  assertEquals(drop, { waiting: 1, more: false });
  for (const words of [["queue", "list"], ["send", "-bp"]]) {
    const { code, stderr } = await site.run(words);
    assertEquals(code, 0);
    assertMatch(stderr, new RegExp(`${aside.replace(/[().]/g, "\\$&")}$`));
  }
  // Of what was asked for nothing is in the drop folder: nobody knows who is to have it.
  assertEquals(
    (await site.run(["queue", "list", "--to", "alice@example.test"])).stderr,
    "the queue has no such mail\n",
  );
});
