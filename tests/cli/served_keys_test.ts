/**
 * The DKIM keys of a server that runs: read at its start, read again when they change, the same in all its threads.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { CommandError, EXIT } from "../../src/cli/exit.ts";
import { ServedKeys } from "../../src/cli/served_keys.ts";
import type { LoadedConfig } from "../../src/config/load.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import type { Files } from "../../src/runtime/files.ts";
import { Client, Folder, run } from "./program.ts";
import { ANY_PORT, Site } from "./site.ts";

/** RFC 8463 Appendix A.2, as PKCS#8 (RFC 8410 §7). */
const PEM = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
`;

/** What of a configuration says which keys sign. */
function configOf(folder: string, sign = true): LoadedConfig {
  const dkim = { sign, selector: "yizhan", directory: `${folder}/dkim` };
  return { config: { dkim }, paths: { dkim: dkim.directory } } as unknown as LoadedConfig;
}

async function write(folder: Folder, name: string, text: string): Promise<void> {
  await Deno.mkdir(`${folder.path}/dkim/example.test`, { recursive: true });
  await Deno.writeTextFile(`${folder.path}/dkim/example.test/${name}`, text);
}

Deno.test("ServedKeys has the keys of the usual names, and what the list says where there is one", async () => {
  await using folder = await Folder.make();
  const { files } = denoRuntime();
  const selectors = async (sign?: boolean) => {
    const keys = await ServedKeys.load(files, configOf(folder.path, sign));
    assertEquals(
      keys.signing.find("example.test")?.keys.map(({ selector }) => selector).sort() ?? [],
      keys.texts.map(({ selector }) => selector).sort(),
    );
    return keys.texts.map(({ selector }) => selector);
  };
  assertEquals(await selectors(), []); // There is no folder at all.
  await write(folder, "yizhan.pem", PEM);
  await write(folder, "yizhan-ed25519.pem", PEM);
  await write(folder, "other.pem", PEM);
  assertEquals(await selectors(), ["yizhan", "yizhan-ed25519"]);
  const lines = ["# yizhan dkim keys 1", "other signs 2026-01-01T00:00:00Z"];
  await write(folder, "keys", [...lines, "yizhan new 2026-01-01T00:00:00Z", ""].join("\n"));
  assertEquals(await selectors(), ["other"]);
  assertEquals(await selectors(false), []);
});

Deno.test("ServedKeys sees what changes, and keeps what is in force where it is wrong", async () => {
  await using folder = await Folder.make();
  const { files } = denoRuntime();
  const keys = await ServedKeys.load(files, configOf(folder.path));
  const inForce = () => keys.signing.find("example.test")?.keys.map(({ selector }) => selector);
  assertEquals([await keys.renew(), inForce()], [false, undefined]);
  await write(folder, "yizhan.pem", PEM);
  assertEquals([await keys.renew(), inForce()], [true, ["yizhan"]]);
  assertEquals(await keys.renew(), false);
  // What does not sign changes nothing.
  await write(folder, "other.pem", PEM);
  assertEquals([await keys.renew(), inForce()], [false, ["yizhan"]]);

  await write(folder, "keys", "# yizhan dkim keys 1\nother signs 2026-01-01T00:00:00Z\n");
  await write(folder, "other.pem", "no key any more");
  const error = await assertRejects(() => keys.renew(), CommandError);
  assertEquals(error.exitCode, EXIT.config);
  assertMatch(error.message, /other\.pem holds no private key in PEM form/);
  assertEquals(inForce(), ["yizhan"]);
  // It is told once.
  assertEquals(await keys.renew(), false);
  await write(folder, "other.pem", PEM);
  assertEquals([await keys.renew(), inForce()], [true, ["other"]]);
});

Deno.test("ServedKeys tries again when files could not be read, though they are as they were", async () => {
  await using folder = await Folder.make();
  const { files } = denoRuntime();
  let failing = 0;
  const flaky = new Proxy(files, {
    get(target, name: keyof Files) {
      if (name !== "readFile") return target[name].bind(target);
      return async (path: string, limit: number) => {
        if (failing-- > 0) {
          throw Object.assign(new Error("too many open files"), { code: "EMFILE" });
        }
        return await files.readFile(path, limit);
      };
    },
  });
  const keys = await ServedKeys.load(flaky, configOf(folder.path));
  await write(folder, "yizhan.pem", PEM);
  failing = 1;
  await assertRejects(() => keys.renew(), CommandError, "EMFILE");
  failing = 1;
  assertEquals(await keys.renew(), false);
  assertEquals(await keys.renew(), true);
  assertEquals(keys.signing.find("example.test")?.domain, "example.test");
  assertEquals(await keys.renew(), false);
});

Deno.test("yizhan serve does not start with a key that cannot be used: 78", async () => {
  await using site = await Site.make();
  await site.configure();
  const folder = `${site.path}/dkim/example.test`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/yizhan.pem`, "no key");
  const bad = await run(site.words);
  assertEquals(bad.code, 78, bad.stderr);
  assertMatch(
    bad.stderr,
    /example\.test\/yizhan\.pem holds no private key .*it should sign mail of/,
  );
  await Deno.writeTextFile(`${folder}/keys`, "# yizhan dkim keys 1\nyizhan sings\n");
  const list = await run(site.words);
  assertEquals(list.code, 78, list.stderr);
  assertMatch(list.stderr, /example\.test\/keys line 2: wanted SELECTOR/);
});

Deno.test("all threads of a server sign, and go by other keys after a reload", async () => {
  await using site = await Site.make();
  const config = { workers: 2, relay: { from: ["127.0.0.0/8"] } };
  await site.configure(config);
  const make = async (...words: string[]) => {
    assertEquals((await site.run(["dkim", ...words])).code, 0);
    assertEquals((await site.run(["dkim", "rotate", "example.test", "--finish", "--now"])).code, 0);
  };
  await make("new", "example.test", "--algorithm", "ed25519", "--selector", "first");
  const { program, ports: [port = 0] } = await site.start({
    ...config,
    listeners: [{ role: "mx", address: ANY_PORT }],
  });
  await using _ = program;
  /** Of mail over many connections: the system draws lots which thread gets one. */
  const signers = async (subject: string): Promise<Set<string>> => {
    const found = new Set<string>();
    for (let count = 0; count < 24; count++) {
      using client = await Client.connect(port);
      await client.say("EHLO test", 250);
      const text = `From: alice@example.test\r\nSubject: ${subject}\r\n\r\nHello.`;
      await client.send("alice@example.test", "alice@example.test", text);
    }
    const folder = `${site.path}/mail/example.test/alice/new`;
    let threads = 0;
    for await (const { name } of Deno.readDir(folder)) {
      const mail = await Deno.readTextFile(`${folder}/${name}`);
      if (!mail.includes(`Subject: ${subject}`)) continue;
      if (/ id \w+w1\./.test(mail)) threads++;
      found.add(/^DKIM-Signature: [^]*?\bs=(\w+);/m.exec(mail)?.[1] ?? "nobody");
    }
    assert(threads > 0 && threads < 24, `${threads} of 24 by the second`);
    return found;
  };
  assertEquals(await signers("one"), new Set(["first"]));
  await make("new", "example.test", "--algorithm", "ed25519", "--selector", "second");
  assertEquals((await site.run(["reload"])).code, 0);
  assertEquals(await signers("two"), new Set(["second"]));
});
