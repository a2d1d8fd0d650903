/**
 * The modes of all files and folders that a station makes, whatever the umask: what docs/security.md says.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { Client, Folder, Program, run, sourceTest } from "../cli/program.ts";
import { readDocument } from "../support/documents.ts";

const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;

/** A row: what is in the first column with words in capitals for names, and the mode. */
interface Row {
  readonly path: string;
  readonly pattern: RegExp;
  readonly mode: string;
}

async function readRows(): Promise<Row[]> {
  const { text } = await readDocument("docs/security.md");
  const [, table] = text.split(/^\| what is made .*\n.*\n/m);
  assert(table !== undefined);
  return table.split("\n\n")[0]!.trim().split("\n").flatMap((line) => {
    const [, paths = "", mode = ""] = line.split("|");
    return Array.from(paths.matchAll(/`([^`]+)`/g), ([, path = ""]) => {
      const escaped = path.replaceAll(".", "\\.").replaceAll(/[A-Z]{2,}/g, "[^/]+");
      return { path, pattern: new RegExp(`^${escaped}$`), mode: mode.trim() };
    });
  });
}

/** Everything below a folder, by path, with its mode. */
async function* modesBelow(folder: string, path = ""): AsyncGenerator<[string, string]> {
  for await (const { name, isDirectory } of Deno.readDir(`${folder}/${path}`)) {
    const below = path === "" ? name : `${path}/${name}`;
    const found = await Deno.lstat(`${folder}/${below}`).catch(() => null);
    if (found === null) continue; // it has gone its way
    yield [below, (found.mode! & 0o7777).toString(8).padStart(4, "0")];
    if (isDirectory) yield* modesBelow(folder, below);
  }
}

sourceTest(
  "everything a station makes has the mode that docs/security.md says, whatever the umask",
  async () => {
    await using folder = await Folder.make();
    const place = `${folder.path}/station`;
    // The widest umask: what is not said outright is for everybody.
    const script = `${folder.path}/wide.ts`;
    await Deno.writeTextFile(
      script,
      `Deno.umask(0);
const { main } = await import(${JSON.stringify(`file://${MAIN}`)});
Deno.exit(await main(Deno.args));
`,
    );
    const wide = { script, flags: ["-A", "--unstable-net"] };
    const config = ["--config", `${place}/yizhan.yaml`];
    const made = await run(
      ["init", place, "--domain", "example.test", "--local", "--password-stdin"],
      { ...wide, stdin: "correct horse\n" },
    );
    assertEquals(made.code, 0, made.stderr);
    const quota = ["user", "add", "q@example.test", "--quota", "1M", "--password-stdin", ...config];
    const added = await run(quota, { ...wide, stdin: "correct horse\n" });
    assertEquals(added.code, 0, added.stderr);
    const env = {
      YIZHAN_LISTENERS: '[{ role: mx, address: "127.0.0.1:0" }]',
      // Nobody answers there: mail for others waits.
      YIZHAN_RELAY:
        '{ from: [127.0.0.0/8], routes: [{ domains: ["*"], via: { kind: smarthost, host: 127.0.0.1, port: 1 } }] }',
    };
    await using program = await Program.spawn(["serve", ...config], { ...wide, env });
    const line = await program.stderrLine(/ mx on /);
    const seen = new Map<string, string>();
    const look = async () => {
      for await (const [path, mode] of modesBelow(place)) seen.set(path, mode);
    };
    using client = await Client.connect(Number(/:(\d+)$/.exec(line)![1]));
    await client.say("EHLO client.example", 250);
    const text = "Subject: hi\r\n\r\nHello.";
    await client.send("a@elsewhere.test", "postmaster@example.test", text);
    await client.send("a@elsewhere.test", "q@example.test", text);
    await client.send("a@elsewhere.test", "b@elsewhere.test", text);
    await look();
    await program.stdoutLine(/delivery\.deferred/);
    const banned = await run(["bans", "add", "192.0.2.1", ...config], wide);
    assertEquals(banned.code, 0, banned.stderr);
    await look();
    program.signal("SIGTERM");
    const ended = await program.ended();
    assertEquals(ended.code, 0, ended.stderr);
    // Now it stays where it was left.
    const left = await run(["send", ...config, "postmaster@example.test"], {
      ...wide,
      stdin: "Subject: left\n\nHello.\n",
    });
    assertEquals(left.code, 0, left.stderr);
    await look();
    const rows = await readRows();
    const wrong: string[] = [];
    const unused = new Set(rows.map(({ path }) => path));
    for (const [path, mode] of seen) {
      const row = rows.find(({ pattern }) => pattern.test(path));
      if (row !== undefined) unused.delete(row.path);
      const expected = row?.mode ?? (path.endsWith(".new") ? "0600" : "nothing");
      if (![mode, "any"].includes(expected)) {
        wrong.push(`${path}: ${mode}, in the table: ${expected}`);
      }
    }
    assertEquals(wrong, []);
    assertEquals([...unused], []);
  },
);
