/**
 * Holds the rules of ARCHITECTURE.md over the whole program, and shows that each of them can be broken
 * and is then caught.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { checkArchitecture, LONG_FILES, noteLongFiles } from "./support/architecture.ts";
import { findImports, tokenize } from "./support/tokens.ts";

const ROOT = new URL("../", import.meta.url);

/** `mod.ts` and everything under `src/`, by path. */
async function readProgram(): Promise<Map<string, string>> {
  const sources = new Map<string, string>();
  const read = async (path: string) => {
    sources.set(path, await Deno.readTextFile(new URL(path, ROOT)));
  };
  const walk = async (folder: string): Promise<void> => {
    for await (const entry of Deno.readDir(new URL(folder, ROOT))) {
      if (entry.isDirectory) await walk(`${folder}${entry.name}/`);
      else if (/\.[cm]?[jt]sx?$/.test(entry.name)) await read(`${folder}${entry.name}`);
    }
  };
  await walk("src/");
  await read("mod.ts");
  return sources;
}

Deno.test("the program keeps its architecture", async () => {
  const sources = await readProgram();
  for (const note of noteLongFiles(sources)) console.log(note);
  const findings = checkArchitecture(sources);
  assert(sources.size > 30, "the program was not found");
  assertEquals(findings.map(({ rule, where, what }) => `${where}: ${what} (${rule})`), []);
});

Deno.test("every file allowed to be long still is", async () => {
  const sources = await readProgram();
  for (const path of LONG_FILES.keys()) {
    assert((sources.get(path) ?? "").split("\n").length > 700, `${path} is not long any more`);
  }
});

Deno.test("deno.lock names no registry host", async () => {
  const lock = await Deno.readTextFile(new URL("deno.lock", ROOT));
  assertEquals(lock.match(/\w+:\/\/[^"\s]*/g), null);
});

const HEAD = "/**\n * A made-up file.\n *\n * @module\n */\n\n";

/** What the checker finds in made-up sources, as `rule: where: what`. */
function findingsOf(sources: Record<string, string>): string[] {
  const files = Object.entries(sources).map(([path, text]) => [path, HEAD + text] as const);
  return checkArchitecture(new Map(files)).map(({ rule, where, what }) =>
    `${rule}: ${where}: ${what}`
  );
}

/** The name of a case, its sources, and what the one finding must say. */
const CAUGHT: readonly (readonly [string, Record<string, string>, RegExp])[] = [
  [
    "an import of an upper layer",
    { "src/smtp/a.ts": 'import { b } from "../queue/b.ts";', "src/queue/b.ts": "" },
    /^layer: src\/smtp\/a\.ts:7: layer 1 imports src\/queue\/b\.ts of layer 2$/,
  ],
  [
    "an import of types of an upper layer",
    { "src/bytes.ts": 'import type { B } from "./address.ts";', "src/address.ts": "" },
    /^layer: src\/bytes\.ts:7/,
  ],
  [
    "an inline import of a type of an upper layer",
    { "src/bytes.ts": 'let b: import("./address.ts").B;', "src/address.ts": "" },
    /^layer: src\/bytes\.ts:7/,
  ],
  [
    "a re-export of an upper layer",
    { "src/policy/a.ts": 'export { b } from "../mta.ts";', "src/mta.ts": "" },
    /^layer: src\/policy\/a\.ts:7/,
  ],
  [
    "a dynamic import of an upper layer",
    { "src/server/a.ts": 'await import("../mta.ts");', "src/mta.ts": "" },
    /^layer: src\/server\/a\.ts:7/,
  ],
  [
    "an import over several lines",
    { "src/smtp/a.ts": 'import {\n  b,\n  from,\n} from "../cli/b.ts";', "src/cli/b.ts": "" },
    /^layer: src\/smtp\/a\.ts:7/,
  ],
  [
    "mail in that knows mail out",
    { "src/intake/a.ts": 'import { b } from "../delivery/b.ts";', "src/delivery/b.ts": "" },
    /^layer: src\/intake\/a\.ts:7: src\/intake\/ imports .* meet only in src\/queue\/$/,
  ],
  [
    "mail out that knows mail in",
    { "src/delivery/maildir/a.ts": 'import "../../intake/b.ts";', "src/intake/b.ts": "" },
    /^layer: src\/delivery\/maildir\/a\.ts:7/,
  ],
  [
    "a service that makes its own adapter",
    { "src/mta.ts": 'import { denoRuntime } from "./runtime/deno.ts";', "src/runtime/deno.ts": "" },
    /^adapter: src\/mta\.ts:7: .* only entry points may$/,
  ],
  [
    "a service that imports a part of an adapter",
    { "src/server/a.ts": 'import "../runtime/deno_tls.ts";', "src/runtime/deno_tls.ts": "" },
    /^adapter: src\/server\/a\.ts:7/,
  ],
  [
    "an adapter that knows a protocol",
    { "src/runtime/deno.ts": 'import "../address.ts";', "src/address.ts": "" },
    /^adapter: src\/runtime\/deno\.ts:7/,
  ],
  [
    "an adapter that imports another",
    { "src/runtime/memory.ts": 'import "./deno_files.ts";', "src/runtime/deno_files.ts": "" },
    /^adapter: src\/runtime\/memory\.ts:7/,
  ],
  [
    "a virtual machine that touches the real one",
    { "src/runtime/memory.ts": 'import "./node_tls.ts";', "src/runtime/node_tls.ts": "" },
    /^adapter: src\/runtime\/memory\.ts:7/,
  ],
  [
    "a part of adapters that knows a whole one",
    { "src/runtime/node_tls.ts": 'import "./deno.ts";', "src/runtime/deno.ts": "" },
    /^adapter: src\/runtime\/node_tls\.ts:7/,
  ],
  [
    "a cycle of two",
    { "src/smtp/a.ts": 'import "./b.ts";', "src/smtp/b.ts": 'import type {} from "./a.ts";' },
    /^cycle: .*: src\/smtp\/a\.ts → src\/smtp\/b\.ts → src\/smtp\/a\.ts$/,
  ],
  [
    "a cycle of three across folders",
    {
      "src/smtp/a.ts": 'import "../message/b.ts";',
      "src/message/b.ts": 'import "../address.ts";',
      "src/address.ts": 'import "./smtp/a.ts";',
    },
    /^cycle: .* → .* → .* → /,
  ],
  ["a file that imports itself", { "src/bytes.ts": 'import "./bytes.ts";' }, /^cycle: /],
  ["a file of no layer", { "src/thing.ts": "" }, /^layer: src\/thing\.ts: belongs to no layer/],
  ["a runtime file of no kind", { "src/runtime/other.ts": "" }, /^layer: src\/runtime\/other\.ts/],
  ["an import of nothing", { "src/bytes.ts": 'import "./gone.ts";' }, /no file of the program$/],
  [
    "an import without .ts",
    { "src/bytes.ts": 'import "./events";', "src/events.ts": "" },
    /no file/,
  ],
  ["an import of mod.ts", { "src/cli/a.ts": 'import "../../mod.ts";', "mod.ts": "" }, /^layer: /],
  ["an import that is computed", { "src/bytes.ts": "await import(name);" }, /not a literal$/],
  ["an import from a sum", { "src/bytes.ts": 'await import("./a" + b);' }, /not a literal$/],
  ["an npm package", { "src/smtp/a.ts": 'import x from "npm:x@1";' }, /^package: /],
  ["a bare name", { "src/smtp/a.ts": 'import x from "@std/assert";' }, /^package: /],
  ["a URL", { "src/mta.ts": 'import x from "https://example.test/x.ts";' }, /^package: /],
  ["a jsr package in an adapter", { "src/runtime/deno.ts": 'import "jsr:@a/b";' }, /^package: /],
  ["a required package", { "src/mta.ts": 'const x = require("x");' }, /^package: /],
  ["a built-in that is not pure", { "src/smtp/a.ts": 'import fs from "node:fs";' }, /^runtime: /],
  ["Deno", { "src/smtp/a.ts": "const a = Deno.pid;" }, /^runtime: src\/smtp\/a\.ts:7: names Deno$/],
  ["Bun", { "src/smtp/a.ts": "const a = typeof Bun;" }, /names Bun$/],
  [
    "Deno through the global object",
    { "src/smtp/a.ts": 'globalThis["De" + "no"];' },
    /globalThis$/,
  ],
  ["Deno inside a template", { "src/smtp/a.ts": "const a = `x${`${Deno.pid}`}`;" }, /names Deno$/],
  ["Deno in mod.ts", { "mod.ts": "export const a = Deno.pid;" }, /^runtime: mod\.ts:7/],
  ["Date.now", { "src/smtp/a.ts": "const a = Date.now();" }, /clock/],
  ["Date.now taken out", { "src/smtp/a.ts": "const { now } = Date;" }, /clock/],
  ["new Date()", { "src/smtp/a.ts": "const a = new Date();" }, /clock/],
  ["new Date without parentheses", { "src/smtp/a.ts": "const a = new Date;" }, /clock/],
  ["Date()", { "src/smtp/a.ts": "const a = Date();" }, /clock/],
  ["Math.random", { "src/smtp/a.ts": "const a = Math.random();" }, /Runtime\.random/],
  ["Math.random taken out", { "src/smtp/a.ts": "const { random } = Math;" }, /Runtime\.random/],
  ["Math[random]", { "src/smtp/a.ts": 'Math["random"]();' }, /Runtime\.random/],
  ["setTimeout", { "src/smtp/a.ts": "setTimeout(f, 1);" }, /clock/],
  ["setInterval", { "src/smtp/a.ts": "const a = setInterval;" }, /clock/],
  ["setImmediate", { "src/smtp/a.ts": "setImmediate(f);" }, /clock/],
  ["performance.now", { "src/smtp/a.ts": "performance.now();" }, /clock/],
  ["AbortSignal.timeout", { "src/smtp/a.ts": "AbortSignal.timeout(5);" }, /clock/],
  ["process.env", { "src/smtp/a.ts": "process.env.HOME;" }, /process\.env/],
  [
    "randomness of node:crypto",
    { "src/smtp/a.ts": 'import { randomBytes } from "node:crypto";' },
    /^runtime: .*randomBytes/,
  ],
  ["randomness of the whole module", { "src/smtp/a.ts": "c.randomUUID();" }, /randomUUID/],
  ["randomness of the web", { "src/smtp/a.ts": "crypto.getRandomValues(a);" }, /getRandomValues/],
  [
    "keys made by the web",
    { "src/smtp/a.ts": "await crypto.subtle.generateKey(a, false, b);" },
    /generateKey/,
  ],
  ["a default export", { "src/smtp/a.ts": "export default 1;" }, /^default export: /],
  ["a barrel", { "src/smtp/a.ts": 'export * from "./b.ts";', "src/smtp/b.ts": "" }, /^barrel: /],
  ["a file without a subject", { "src/smtp/utils.ts": "" }, /^file name: /],
  ["a file that is too long", { "src/smtp/a.ts": "a;\n".repeat(700) }, /^length: .* 706 lines/],
];

for (const [name, sources, expected] of CAUGHT) {
  Deno.test(`checkArchitecture() catches ${name}`, () => {
    const findings = findingsOf(sources);
    assertEquals(findings.length, 1, findings.join("\n"));
    assertMatch(findings[0] ?? "", expected);
  });
}

Deno.test("checkArchitecture() catches what mod.ts must not reach, however far", () => {
  const findings = findingsOf({
    "mod.ts": 'export { createMta } from "./src/mta.ts";',
    "src/mta.ts": 'import "./config/load.ts";',
    "src/config/load.ts": 'import { parse } from "npm:yaml@2";',
  });
  assertEquals(findings, [
    "reach: src/config/load.ts: mod.ts must not reach this folder",
    "reach: src/config/load.ts:7: npm:yaml@2 is neither relative nor built in, and mod.ts reaches it",
  ]);
});

Deno.test("checkArchitecture() catches a file without a module comment", () => {
  const rules = (text: string) => checkArchitecture(new Map([["src/bytes.ts", text]]));
  assertEquals(rules("export const a = 1;\n").map(({ rule }) => rule), ["module comment"]);
  assertEquals(rules("/** A. */\n/** B. @module */\n").map(({ rule }) => rule), ["module comment"]);
  assertEquals(rules("/** A. @module */\nexport const a = 1;\n"), []);
});

Deno.test("checkArchitecture() lets pass what is allowed", () => {
  const findings = findingsOf({
    "mod.ts": 'export * from "./src/mta.ts";\nexport { a } from "./src/runtime/deno.ts";',
    "src/mta.ts": 'import type { A } from "./server/a.ts";\nimport { b } from "./bytes.ts";',
    "src/server/a.ts": 'import "../intake/a.ts"; import "../delivery/maildir/a.ts";',
    "src/intake/a.ts": 'import "../queue/a.ts"; import "./b.ts";',
    "src/intake/b.ts": 'import { createHash } from "node:crypto"; import "node:zlib";',
    "src/mailauth/a.ts": 'const b = await crypto.subtle.sign("RSASSA-PKCS1-v1_5", c, d);',
    "src/delivery/maildir/a.ts": 'import "../b.ts"; import "../../policy/a.ts";',
    "src/delivery/b.ts": "",
    "src/policy/a.ts": 'import "../routing/a.ts";',
    "src/routing/a.ts": "",
    "src/queue/a.ts": 'import "../smtp/sasl/a.ts";',
    "src/smtp/sasl/a.ts": 'import "../../message/a.ts"; import "../../events.ts";',
    "src/message/a.ts": "",
    "src/events.ts": "",
    "src/bytes.ts": "",
    "src/runtime/runtime.ts": "",
    "src/runtime/deadlines.ts": 'import type {} from "./runtime.ts";',
    "src/runtime/deno.ts":
      'import "./deno_tls.ts"; import "../bytes.ts"; Deno.pid; setTimeout(f, Date.now());',
    "src/runtime/deno_tls.ts": 'import "./node_tls.ts"; import "./deadlines.ts";',
    "src/runtime/node_tls.ts": 'import tls from "node:tls"; import "./runtime.ts";',
    "src/runtime/memory.ts": 'import "./memory/disk.ts"; import "./runtime.ts";',
    "src/runtime/memory/disk.ts": "",
    "src/cli/main.ts":
      'import "../runtime/deno.ts"; import "npm:x@1"; import "node:fs"; Deno.exit();',
  });
  assertEquals(findings, []);
});

Deno.test("checkArchitecture() does not mistake text for code", () => {
  const findings = findingsOf({
    "src/smtp/a.ts": [
      '// import "../cli/main.ts"; Deno.exit();',
      '/* import x from "npm:x"; Date.now() */',
      `const a = "Deno.exit()" + 'import "x"' + "\\"Math.random()";`,
      "const b = `setTimeout ${a} Deno \\` ${`Bun ${1}`} new Date()`;",
      "const c = /Deno[/\"'`]Date.now()/u.test(a) ? 1 / 2 : /Bun/.source;",
      "const d = (1) / 2 / 3; // Deno",
      "const e: Date = new Date(5); const f: Map<Date, Date | null> = g;",
      "const h = Date.UTC(2026, 0) + Date.parse(a); if (e instanceof Date) i();",
      "const j = { import: 1, export: 2, from: 3, Date: e }; j.import; j.export; k.Date;",
      "clock.setTimeout(f); this.performance; function process(x: { env: 1 }) {}",
      "const m = Math.max(1, 2); import.meta.url;",
      'export const from = "npm:x"; export type { A }; export { b }; const n = from; "y";',
    ].join("\n"),
  });
  assertEquals(findings, []);
});

Deno.test("noteLongFiles() names files over 400 lines", () => {
  const sources = new Map([["src/a.ts", "a\n".repeat(401)], ["src/b.ts", "a\n".repeat(400)]]);
  assertEquals(noteLongFiles(sources), ["src/a.ts has 401 lines: is it one subject?"]);
});

Deno.test("tokenize() keeps lines right across comments, templates and strings", () => {
  const tokens = tokenize("#!/bin/x\n/*\n\n*/ a `b\n${c}\n` 'd\\\ne' f");
  assertEquals(tokens.map(({ kind, text, line }) => `${line} ${kind} ${text}`), [
    "4 name a",
    "4 template b\n",
    "5 name c",
    "5 template \n",
    "6 string d\\\ne",
    "7 name f",
  ]);
});

Deno.test("findImports() sees every form of import", () => {
  const specifiers = findImports(tokenize(`
    import "a"; import b from "b"; import * as c from 'c'; import d, { e as from } from "d";
    import type { F } from "f"; import { type G } from "g" with { type: "json" };
    export * from "h"; export * as i from "i"; export { j } from "j"; export type { K } from "k";
    type L = typeof import("l"); const m = await import("m", {}); const n = require("n");
    import o = require("o");
  `)).map(({ specifier }) => specifier);
  assertEquals(specifiers, [..."abcdfghijklmno"]);
});

Deno.test("findImports() sees in the program what the compiler sees", async () => {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--no-lock", new URL("mod.ts", ROOT).href],
    stderr: "inherit",
  });
  const { stdout } = await command.output();
  interface Graph {
    modules: { specifier: string; local?: string; dependencies?: { specifier: string }[] }[];
  }
  const graph: Graph = JSON.parse(new TextDecoder().decode(stdout));
  const program = graph.modules.filter(({ specifier }) => specifier.startsWith(ROOT.href));
  assert(program.length > 30, "the compiler saw almost nothing");
  for (const { specifier, dependencies } of program) {
    const imports = findImports(tokenize(await Deno.readTextFile(new URL(specifier))));
    const ours = new Set(imports.map(({ specifier }) => specifier));
    const theirs = new Set(dependencies?.map(({ specifier }) => specifier));
    assertEquals(ours, theirs, specifier);
  }
});
