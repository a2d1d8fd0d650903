/**
 * Links where the server writes, planted by whoever can write there: on the real disk, since only that has links.
 * What they lead to is not written to, not read and not removed.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { maildirDelivery } from "../../src/delivery/maildir/maildir.ts";
import { DeliveryError } from "../../src/queue/local_delivery.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { deliver, recipient } from "../delivery/maildir/support.ts";

/** A mailbox of Alice's that is there already, and a file of ours that she would like to change. */
async function prepare() {
  const folder = await Deno.makeTempDir();
  const { files, clock } = denoRuntime();
  const root = `${folder}/mail`;
  const box = `${root}/example.org/alice`;
  for (const name of ["tmp", "new", "cur"]) await Deno.mkdir(`${box}/${name}`, { recursive: true });
  const treasure = `${folder}/users`;
  await Deno.writeTextFile(treasure, "100000S\n0 0\n");
  await Deno.mkdir(`${folder}/outside`);
  const agent = maildirDelivery({ files, clock, root, hostname: "mx.example.org" });
  return {
    ...{ folder, root, box, treasure, agent },
    async assertUnharmed() {
      assertEquals(await Deno.readTextFile(treasure), "100000S\n0 0\n");
      assertEquals(await Array.fromAsync(Deno.readDir(`${folder}/outside`)), []);
    },
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

for (const name of ["", "/tmp", "/new", "/cur"]) {
  Deno.test(`attack: a mailbox's ${name || "folder"} that is a link leads no mail out`, async () => {
    await using world = await prepare();
    await Deno.remove(`${world.box}${name}`, { recursive: true });
    await Deno.symlink(`${world.folder}/outside`, `${world.box}${name}`);
    await assertRejects(() => deliver(world.agent, recipient()), DeliveryError);
    await world.assertUnharmed();
  });
}

Deno.test("attack: a domain's folder that is a link leads no mail out", async () => {
  await using world = await prepare();
  await Deno.remove(`${world.root}/example.org`, { recursive: true });
  await Deno.symlink(`${world.folder}/outside`, `${world.root}/example.org`);
  await assertRejects(() => deliver(world.agent, recipient()), DeliveryError);
  await world.assertUnharmed();
});

for (const kind of ["symbolic", "hard"] as const) {
  Deno.test(`attack: a maildirsize that is a ${kind} link is not written to what it leads to`, async () => {
    await using world = await prepare();
    const path = `${world.box}/maildirsize`;
    if (kind === "symbolic") await Deno.symlink(world.treasure, path);
    else await Deno.link(world.treasure, path);
    // At first use, and again when the mailbox is known.
    await deliver(world.agent, recipient("m1", "alice", { bytes: 100_000 }));
    await world.assertUnharmed();
    await Deno.remove(path);
    if (kind === "symbolic") await Deno.symlink(world.treasure, path);
    else await Deno.link(world.treasure, path);
    await deliver(world.agent, recipient("m2", "alice", { bytes: 100_000 }));
    await world.assertUnharmed();
    const mails = await Array.fromAsync(Deno.readDir(`${world.box}/new`));
    assertEquals(mails.length, 2);
  });
}

Deno.test("attack: links beside the mails of a mailbox are not followed, however they are called", async () => {
  await using world = await prepare();
  for (const name of ["tmp", "new", "cur"]) {
    await Deno.symlink(world.treasure, `${world.box}/${name}/1.M1P1.mx.example.org,S=1`);
    await Deno.symlink(`${world.folder}/outside`, `${world.box}/${name}/2.M1P1.mx.example.org`);
  }
  await deliver(world.agent, recipient("m1", "alice", { bytes: 100_000 }));
  await world.assertUnharmed();
  for await (const { name, isSymlink } of Deno.readDir(`${world.box}/new`)) {
    if (isSymlink) continue;
    assert((await Deno.lstat(`${world.box}/new/${name}`)).nlink === 1);
  }
});
