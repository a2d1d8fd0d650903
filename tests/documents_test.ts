/**
 * What the documents say, held against what there is: links, keys, commands, events, whole configurations,
 * and the files of the service and of the container. Shell commands are run in `tests/interop/`.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { COMMANDS } from "../src/cli/commands.ts";
import { configJsonSchema } from "../src/config/json_schema.ts";
import { loadConfig } from "../src/config/load.ts";
import { testMachine } from "./config/machine.ts";
import {
  anchorsOf,
  blocksOf,
  inlineCodeOf,
  linksOf,
  readDocument,
  readDocuments,
  ROOT,
} from "./support/documents.ts";

const DOCUMENTS = await readDocuments();

/** A path relative to the folder of a document, from the root. */
function resolvePath(from: string, target: string): string {
  return new URL(target, `file:///${from}`).pathname.slice(1);
}

Deno.test("every link in the documents leads somewhere", async () => {
  const anchors = new Map(DOCUMENTS.map((document) => [document.path, anchorsOf(document)]));
  const broken: string[] = [];
  for (const document of DOCUMENTS) {
    for (const link of linksOf(document)) {
      if (/^(https?|mailto):/.test(link)) continue;
      const [file = "", anchor] = link.split("#");
      const path = file === "" ? document.path : resolvePath(document.path, file);
      const there = await Deno.stat(ROOT + path).then(() => true, () => false);
      const known = anchor === undefined || anchors.get(path)?.includes(anchor);
      if (!there || !known) broken.push(`${document.path}: ${link}`);
    }
  }
  assertEquals(broken, []);
});

Deno.test("every document of docs/ is in its index", async () => {
  const links = linksOf(await readDocument("docs/README.md"));
  const names = DOCUMENTS.map(({ path }) => path).filter((path) => path.startsWith("docs/"));
  const pages = names.map((path) => path.slice("docs/".length)).filter((name) =>
    name !== "README.md" && !name.includes(".zh-CN.")
  );
  assertEquals(pages.filter((name) => !links.includes(name)), []);
});

/** What every configuration needs, where a piece of one does not say it. */
const BASE: Readonly<Record<string, string>> = {
  hostname: "hostname: mail.example.org\n",
  listeners: 'listeners: [{ role: mx, address: "[::]:25" }]\n',
};

for (const document of DOCUMENTS) {
  const pieces = blocksOf(document).filter(({ info }) => info === "yaml");
  if (pieces.length === 0) continue;
  Deno.test(`${document.path} has configurations that can be read`, async () => {
    for (const { text } of pieces) {
      const missing = Object.keys(BASE).filter((key) => !new RegExp(`^${key}:`, "m").test(text));
      const whole = missing.map((key) => BASE[key]).join("") + text;
      const files = {
        "yizhan.yaml": whole,
        "smtp-password": "PASSWORD\n",
        "hook-secret": "0123456789abcdef\n",
      };
      const { warnings } = await loadConfig("yizhan.yaml", testMachine({ files }));
      assertEquals(warnings, [], whole);
    }
  });
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

/** Whether there is such a key; in lists and tables everything is. */
function hasKey(schema: JsonSchema, [first, ...rest]: readonly string[]): boolean {
  const { properties } = schema;
  if (first === undefined || properties === undefined) return true;
  const inner = properties[first];
  return inner !== undefined && hasKey(inner, rest);
}

Deno.test("every key that the documents name is one of the configuration", () => {
  const schema = configJsonSchema() as JsonSchema;
  const sections = Object.keys(schema.properties!);
  let named = 0;
  const unknown: string[] = [];
  for (const document of DOCUMENTS) {
    if (!document.path.startsWith("docs/") && document.path !== "README.md") continue;
    for (const code of inlineCodeOf(document)) {
      const path = /^([a-z]+(?:\.[a-zA-Z]+)+)(?::.*)?$/.exec(code)?.[1]?.split(".");
      if (path === undefined || !sections.includes(path[0]!)) continue;
      // Events and hosts have dots too.
      if (isEvent(code) || code.endsWith(".example.org")) continue;
      named++;
      if (!hasKey(schema, path)) unknown.push(`${document.path}: ${code}`);
    }
  }
  assertEquals(unknown, []);
  assert(named > 40, `${named} keys found`);
});

const EVENTS = await readDocument("docs/events.md");

function isEvent(type: string): boolean {
  return EVENTS.text.includes(`\n### ${type}\n`);
}

/** The fields of an event, as `docs/events.md` has them. */
function fieldsOf(type: string): string[] {
  const section = EVENTS.text.split(`\n### ${type}\n`)[1]?.split("\n### ")[0];
  assert(section !== undefined, `no event ${type}`);
  return Array.from(section.matchAll(/^\| `(\w+)`/gm), ([, field = ""]) => field);
}

Deno.test("the log lines of docs/life-of-a-message.md are such as there are", async () => {
  const blocks = blocksOf(await readDocument("docs/life-of-a-message.md"));
  const lines = blocks.filter(({ info }) => info === "jsonl").flatMap(({ text }) =>
    text.trim().split("\n")
  );
  assert(lines.length > 8);
  for (const line of lines) {
    const { time: _, type, ...fields } = JSON.parse(line);
    const known = fieldsOf(type);
    assertEquals(Object.keys(fields).filter((field) => !known.includes(field)), [], line);
  }
});

/** Whether a command line is one that we have: its command, and its flags. */
async function assertCommand(words: readonly string[], where: string): Promise<void> {
  const [name = "", ...rest] = words;
  if (["help", "version"].includes(name) || name.startsWith("-")) return;
  const entry = COMMANDS.find((command) => command.name === name);
  assert(entry !== undefined, `${where}: there is no yizhan ${name}`);
  const { flags, ownRules } = await entry.load();
  if (ownRules) return;
  for (const word of rest) {
    const flag = /^--([a-z-]+)/.exec(word)?.[1];
    if (flag === undefined || flag === "help") continue;
    assert(Object.hasOwn(flags, flag), `${where}: yizhan ${name} has no --${flag}`);
  }
}

Deno.test("every command that the documents name is there, with its flags", async () => {
  let named = 0;
  for (const document of DOCUMENTS) {
    if (document.path === "CHANGELOG.md") continue; // It tells of what is gone too.
    const shell = blocksOf(document).filter(({ info }) => /^sh\b/.test(info));
    const lines = shell.flatMap(({ text }) => text.replaceAll(/\\\n */g, "").split("\n"));
    for (const said of [...inlineCodeOf(document), ...lines]) {
      const line = said.replaceAll("sudo -u yizhan ", "");
      for (const [, words = ""] of line.matchAll(/(?:^|[ |])yizhan ((?:[a-z]|--)[^#|;)]*)/g)) {
        if (/^(?:sudo )?(?:useradd|chown|install|systemctl|journalctl|podman|awk)\b/.test(line)) {
          continue;
        }
        await assertCommand(words.trim().split(/\s+/), `${document.path}: ${line}`);
        named++;
      }
    }
  }
  assert(named > 60, `${named} commands found`);
});

Deno.test("the service runs commands that there are", async () => {
  const unit = await Deno.readTextFile(`${ROOT}examples/systemd/yizhan.service`);
  const lines = Array.from(unit.matchAll(/^Exec\w+=(\S+) (.*)$/gm));
  assertEquals(lines.map(([, program]) => program), Array(2).fill("/usr/local/bin/yizhan"));
  for (const [line, , words = ""] of lines) await assertCommand(words.split(" "), line);
});

Deno.test("the container is made of what there is", async () => {
  const file = (await Deno.readTextFile(`${ROOT}examples/container/Containerfile`))
    .replaceAll(/\\\n#? */g, "");
  const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const task = /^RUN npx --yes deno@(\S+) task (\S+)$/m.exec(file);
  assert(task?.[2] !== undefined && task[2] in tasks, "no task");
  assertEquals(task[1], Deno.version.deno);
  const [, from, to] = /^COPY --from=build (\S+) (\S+)$/m.exec(file)!;
  const made = `--outfile ${from!.replace("/src/", "")} `;
  assert(tasks[task[2]].command.includes(made), `${task[2]} does not make ${from}`);
  assertEquals(to, "/usr/local/bin/yizhan");
  assertEquals(/^ENTRYPOINT (.*)$/m.exec(file)?.[1], '["yizhan"]');
  await assertCommand(JSON.parse(/^CMD (.*)$/m.exec(file)![1]!), "CMD");
  const [, ...health] = JSON.parse(/^HEALTHCHECK .*CMD (.*)$/m.exec(file)![1]!);
  await assertCommand(health, "HEALTHCHECK");
  const commands = Array.from(
    file.matchAll(/^# +podman (?:run|exec) .*? yizhan (?:yizhan )?([a-z].*)$/gm),
  );
  assertEquals(commands.length, 3);
  for (const [line, words = ""] of commands) await assertCommand(words.split(" "), line);
});
