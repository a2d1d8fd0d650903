/**
 * Files of a version that this program does not know, met by the program itself: what is said, and that nothing
 * is touched.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { Program } from "./program.ts";
import { Site } from "./site.ts";

/** Everything in a folder: names, modes, times and octets. */
async function content(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    const { mode, mtime } = await Deno.lstat(path);
    const octets = isFile ? (await Deno.readFile(path)).toHex() : "";
    found.push(`${path} ${mode} ${mtime?.getTime()} ${octets}`);
    if (isDirectory) found.push(...await content(path));
  }
  return found.sort();
}

/** Starts the station and stops it again; gives how it ended. */
async function serveOnce(site: Site) {
  await using program = await Program.spawn(site.words);
  return await program.ended();
}

Deno.test("serve does not touch the queue of a later version, and says which file tells it", async () => {
  await using site = await Site.make();
  {
    await using station = (await site.start()).program;
    station.signal("SIGTERM");
    assertEquals((await station.ended()).code, 0);
  }
  const queue = `${site.path}/queue`;
  assertEquals(await Deno.readTextFile(`${queue}/version`), "yizhan spool 1\n");
  await Deno.writeTextFile(`${queue}/version`, "yizhan spool 2\n");
  await Deno.writeTextFile(`${queue}/transit/m1.gone`, "{}");
  await Deno.writeTextFile(`${queue}/segments/00000009.log`, "what only a later one reads\n");
  const before = await content(queue);
  const { code, stdout, stderr } = await serveOnce(site);
  assertEquals([code, stdout], [65, ""]);
  assertMatch(
    stderr,
    /^yizhan: cannot start: \S+\/queue\/version: the queue is of version 2, and this yizhan knows version 1 only; nothing was changed: start the yizhan that wrote it, or a later one\n$/,
  );
  assertEquals(await content(queue), before);
});

const LATER_USERS = "# yizhan users 2\nmailbox alice@example.test\nuser\n";

Deno.test("serve and user refuse a users file of a later version in one line", async () => {
  await using site = await Site.make();
  await site.configure();
  await Deno.writeTextFile(`${site.path}/users`, LATER_USERS);
  const problem =
    /^yizhan: (?:\S+: )*\S*users:1: found a users file of version 2; this yizhan knows version 1 only; use the one that wrote it, or a later one\n$/;
  const remove = site.run(["user", "remove", "alice@example.test"]);
  for (const ended of [serveOnce(site), site.run(["user", "list"]), remove]) {
    const { code, stderr } = await ended;
    assertEquals(code, 65, stderr);
    assertMatch(stderr, problem);
  }
  assertEquals(await Deno.readTextFile(`${site.path}/users`), LATER_USERS);
});

Deno.test("every command refuses a configuration of a later version in one line", async () => {
  await using site = await Site.make();
  await Deno.writeTextFile(`${site.path}/yizhan.yaml`, "hostname: x\nversion: 2\nfuture: yes\n");
  const commands = [["serve"], ["config", "print"], ["queue", "list"], ["status"], [
    "user",
    "list",
  ]];
  for (const words of commands) {
    const { code, stderr } = await site.run(words);
    assertEquals(code, 78, stderr);
    assertMatch(
      stderr,
      /^yizhan: \S+\/yizhan\.yaml:2:10: version: found 2; this yizhan knows version 1 only; use the yizhan that it was written for, or a later one\n$/,
    );
  }
});
