import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { DeliveryError } from "../../../src/queue/local_delivery.ts";
import { denoRuntime } from "../../../src/runtime/deno.ts";
import { agent, deliver, names, recipient, source, stored, tree } from "./support.ts";

const runtime = denoRuntime();

/** Runs a test in a folder of its own on the real disk. */
async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("prepare() makes folders for the owner only and files that only the owner reads", () =>
  inFolder(async (folder) => {
    const root = `${folder}/mail`;
    const quota = { bytes: 100_000 };
    await deliver(agent(runtime, { root }), recipient("m1", "alice", quota));
    await (await agent(runtime, { root }).prepare(source(), recipient("m2", "alice", quota)));
    const modes: Record<string, string> = {};
    const look = (path: string, name: string) => {
      const { mode, isDirectory } = Deno.lstatSync(path);
      modes[name] = ((mode ?? 0) & 0o777).toString(8);
      if (!isDirectory) return;
      for (const entry of Deno.readDirSync(path)) {
        look(`${path}/${entry.name}`, `${name}/${entry.name.replace(/^\d+\.M.*/, "MESSAGE")}`);
      }
    };
    look(root, "mail");
    assertEquals(modes, {
      "mail": "700",
      "mail/example.org": "700",
      "mail/example.org/alice": "700",
      "mail/example.org/alice/cur": "700",
      "mail/example.org/alice/maildirsize": "600",
      "mail/example.org/alice/new": "700",
      "mail/example.org/alice/new/MESSAGE": "600",
      "mail/example.org/alice/tmp": "700",
      "mail/example.org/alice/tmp/MESSAGE": "600",
    });
  }));

Deno.test("prepare() refuses a link in place of a domain, a mailbox or one of its folders", () =>
  inFolder(async (folder) => {
    for (const place of ["example.org", "example.org/alice", "example.org/alice/tmp"]) {
      for (const target of ["elsewhere", "missing"]) {
        const root = await Deno.makeTempDir({ dir: folder });
        const path = `${root}/${place}`;
        await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
        await Deno.mkdir(`${root}-elsewhere/new`, { recursive: true });
        await Deno.symlink(`${root}-${target}`, path);
        const delivery = agent(runtime, { root });
        const error = await assertRejects(
          () => delivery.prepare(source(), recipient()),
          DeliveryError,
        );
        assertEquals([error.reply.code, error.reply.enhanced], [451, "4.2.0"]);
        assertMatch(error.message, /example\.org.* is a link, not a folder/);
        assertEquals(await tree(runtime.files, `${root}-elsewhere`), {});
      }
    }
  }));

Deno.test("prepare() follows a link in place of the root, which is the administrator's", () =>
  inFolder(async (folder) => {
    await Deno.mkdir(`${folder}/disk2`);
    await Deno.symlink(`${folder}/disk2`, `${folder}/mail`);
    await deliver(agent(runtime, { root: `${folder}/mail` }), recipient());
    assertEquals(Object.values(await tree(runtime.files, `${folder}/disk2`)), [stored()]);
  }));

Deno.test("hostile names stay within the root on a real disk", () =>
  inFolder(async (folder) => {
    const root = `${folder}/mail`;
    const delivery = agent(runtime, { root });
    const users = ["..", "../../x", "a/b", "", ".", "\0", "x".repeat(300), "\ud800", "a\nb", "=2E"];
    for (const [index, user] of users.entries()) {
      const to = { ...recipient(`m${index}`), mailbox: { domain: "..", user } };
      await deliver(delivery, to);
    }
    assertEquals(await names(runtime.files, folder), ["mail"]);
    assertEquals(await names(runtime.files, root), ["=2E=2E"]);
    assertEquals((await names(runtime.files, `${root}/=2E=2E`)).length, users.length);
  }));

Deno.test("two agents, as two processes, deliver at once into one new mailbox", () =>
  inFolder(async (folder) => {
    const root = `${folder}/a/b/mail`;
    const agents = Array.from({ length: 4 }, () => agent(runtime, { root }));
    await Promise.all(
      Array.from({ length: 100 }, (_, i) => deliver(agents[i % 4]!, recipient(`m${i}`))),
    );
    const found = Object.values(await tree(runtime.files, root));
    assertEquals(found, Array.from({ length: 100 }, () => stored()));
  }));
