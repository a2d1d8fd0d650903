/**
 * Links where the server writes, planted by whoever can write there: on the real disk, since only that has links.
 * What they lead to is not written to, not read and not removed.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { maildirDelivery } from "../../src/delivery/maildir/maildir.ts";
import { keepSrsSecret } from "../../src/routing/srs_secret.ts";
import { StsPolicyStore } from "../../src/delivery/sts/policy_store.ts";
import { LedgerFile } from "../../src/policy/ledger/ledger_file.ts";
import { openSpool } from "../../src/queue/spool/open_spool.ts";
import { DeliveryError } from "../../src/queue/local_delivery.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { run } from "../cli/program.ts";
import { Site } from "../cli/site.ts";
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

/** What somebody may put where a file of ours belongs. */
const PLANTS = {
  "a symbolic link": (world: Treasure, path: string) => Deno.symlink(world.treasure, path),
  "a link to nothing": (world: Treasure, path: string) =>
    Deno.symlink(`${world.folder}/outside/made`, path),
  "a hard link": (world: Treasure, path: string) => Deno.link(world.treasure, path),
  "a FIFO": async (_: Treasure, path: string) => {
    const { success } = await new Deno.Command("mkfifo", { args: [path] }).output();
    assert(success);
  },
};

interface Treasure {
  readonly folder: string;
  readonly treasure: string;
}

for (const [what, plant] of Object.entries(PLANTS)) {
  Deno.test(`attack: ${what} in place of maildirsize holds up no mail and changes nothing`, async () => {
    await using world = await prepare();
    await plant(world, `${world.box}/maildirsize`);
    await deliver(world.agent, recipient("m1", "alice", { bytes: 100_000 }));
    await world.assertUnharmed();
    assertEquals((await Array.fromAsync(Deno.readDir(`${world.box}/new`))).length, 1);
  });

  Deno.test(`attack: ${what} in place of what signs return paths is not believed, nor written to`, async () => {
    await using world = await prepare();
    const { files, random } = denoRuntime();
    const path = `${world.folder}/srs.key`;
    await plant(world, `${path}.new`);
    const made = await keepSrsSecret(files, random, path);
    assertEquals((await Deno.readTextFile(path)).trim(), made);
    assertEquals((await Deno.lstat(path)).mode! & 0o777, 0o600);
    await world.assertUnharmed();
    await Deno.remove(path);
    await plant(world, path);
    const kept = await keepSrsSecret(files, random, path).catch((error) => error.code);
    // A FIFO cannot be read from a place in it.
    assert(["ELOOP", "ESPIPE"].includes(kept) || /^[0-9a-f]{48}$/.test(kept), kept);
    await world.assertUnharmed();
  });

  Deno.test(`attack: ${what} in place of the ledger is not written to`, async () => {
    await using world = await prepare();
    const { files } = denoRuntime();
    const ledger = new LedgerFile(files, world.folder);
    const { path } = ledger;
    await plant(world, `${path}.new`);
    await ledger.replace(["x\n"]);
    assert((await Deno.readTextFile(path)).endsWith("x\n"));
    await world.assertUnharmed();
    ledger.close();
  });

  Deno.test(`attack: ${what} in place of a policy of MTA-STS is neither believed nor written to`, async () => {
    await using world = await prepare();
    const { files, random } = denoRuntime();
    const store = new StsPolicyStore(files, random, world.folder);
    await plant(world, `${world.folder}/example.org.json`);
    assertEquals(await store.read("example.org").catch(() => null), null);
    const policy = { mode: "none", mx: [], maxAge: 1 } as const;
    const kept = { id: "1", fetched: 0, used: 0, policy };
    await store.write("example.org", kept);
    assertEquals(await store.read("example.org"), kept);
    await world.assertUnharmed();
  });

  Deno.test(`attack: ${what} in the queue is set aside or passed over, and the queue opens`, async () => {
    await using world = await prepare();
    const { files, network, clock, random } = denoRuntime();
    const directory = `${world.folder}/queue`;
    const emit = ({ type }: { readonly type: string }) => void told.push(type);
    const told: string[] = [];
    const open = () => openSpool({ files, network, clock, random, directory, emit });
    await (await open()).close();
    const bucket = `${directory}/deferred/20010101T0000`;
    const id = "planted1";
    const places = [
      `${directory}/version.new`,
      `${bucket}/${id}.json`,
      `${directory}/segments/00000001.log`,
      `${directory}/transit/${id}.new`,
    ];
    for (const path of places) {
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      await plant(world, path);
    }
    const store = await open();
    assertEquals(await store.claim(clock.now(), 10), []);
    await store.close();
    await world.assertUnharmed();
    const kept = await Deno.lstat(`${bucket}/${id}.json`).then(() => true, () => false);
    assertEquals([kept, told.includes("queue.damaged")], [false, true]);
  });
}

for (const key of ["data", "mail", "queue"] as const) {
  Deno.test(`attack: a server does not use a folder for ${key} in which everybody may write`, async () => {
    await using site = await Site.make();
    const path = `${site.path}/shared`;
    await Deno.mkdir(path);
    await Deno.chmod(path, 0o1777);
    await site.configure(key === "data" ? { data: path } : { [key]: { directory: path } });
    const { code, stderr } = await run(site.words);
    assertEquals(code, 78, stderr);
    assertMatch(stderr, /shared may be written in by everybody: see what is in it, then chmod 7/);
    assertEquals(await Array.fromAsync(Deno.readDir(path)), []);
  });
}
