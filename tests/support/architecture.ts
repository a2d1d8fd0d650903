/**
 * The rules of ARCHITECTURE.md that a machine can hold: which layer may import which, who may name a
 * runtime, what `mod.ts` may reach, how long a file may be. Pure: sources in, findings out.
 *
 * @module
 */

import { findImports, type Import, isMark, isName, type Token, tokenize } from "./tokens.ts";

/** One breach, or one notice that fails nothing. */
export interface Finding {
  /** The rule's name. */
  readonly rule: string;
  /** Where, such as `src/smtp/reply.ts:12`. */
  readonly where: string;
  /** What is wrong, in words. */
  readonly what: string;
}

/** The layers, lowest first: files and folders (which end in a slash). Imports go down only. */
export const LAYERS: readonly (readonly string[])[] = [
  [
    "src/runtime/runtime.ts",
    "src/runtime/files.ts",
    "src/runtime/network.ts",
    "src/runtime/programs.ts",
    "src/runtime/resolver.ts",
    "src/runtime/system_error.ts",
    "src/runtime/tls.ts",
    "src/runtime/deadlines.ts",
    "src/runtime/localhost.ts",
    "src/runtime/tls_certificates.ts",
    "src/runtime/dns_answer.ts",
    "src/runtime/dns_cache.ts",
    "src/runtime/dns_message.ts",
    "src/runtime/dns_name.ts",
    "src/runtime/dns_reader.ts",
    "src/runtime/dns_resolver.ts",
    "src/runtime/dns_servers.ts",
    "src/runtime/dns_zones.ts",
    "src/runtime/resolv_conf.ts",
    "src/runtime/fresh_file.ts",
    "src/runtime/whole_file.ts",
    "src/runtime/within_time.ts",
    "src/buffer_pool.ts",
    "src/bytes.ts",
    "src/gate.ts",
    "src/events.ts",
    "src/events/",
    "src/net_address.ts",
    "src/socket_address.ts",
    "src/soon.ts",
  ],
  [
    "src/smtp/",
    "src/message/",
    "src/address.ts",
    "src/domain_pattern.ts",
    "src/mailauth/result.ts",
  ],
  ["src/queue/", "src/directory/", "src/observe/"],
  ["src/policy/", "src/routing/", "src/mailauth/"],
  ["src/intake/", "src/delivery/"],
  ["src/server/"],
  [
    "src/mta.ts",
    "src/mta_core.ts",
    "src/mta_generation.ts",
    "src/mta_options.ts",
    "src/mta_parts.ts",
    "src/mta_queue.ts",
    "src/mta_status.ts",
    "src/send_mail.ts",
    "src/send_source.ts",
    "src/config/",
    "src/admin/",
    "src/web/",
  ],
  ["src/cli/"],
];

/** Mail in and mail out meet only in `queue/`, so the folders of this layer do not know each other. */
const SEPARATE = 4;

/** Files that may pass {@link MAX_LINES}, each with the reason. */
export const LONG_FILES: ReadonlyMap<string, string> = new Map();

const NOTED_LINES = 400;
const MAX_LINES = 700;

/**
 * The adapters: the only files, beside the command line, that name a runtime. `node` is none by
 * itself: it is what the adapters of real runtimes share by way of `node:` modules; the stream under
 * its TLS is a part of it.
 */
const ADAPTER = /^src\/runtime\/(deno|memory|bun|node|tls_carrier)(?:[_/][^]*)?\.ts$/;

const PURE_BUILT_INS = ["node:crypto", "node:zlib"];
const MAY_USE_PACKAGES = ["src/cli/", "src/config/", "src/admin/"];
const RANDOM =
  /^(?:randomBytes|randomFill(?:Sync)?|randomInt|randomUUID(?:v7)?|pseudoRandomBytes|getRandomValues|generateKey(?:Sync|Pair|PairSync)?|prng|rng)$/;
const TIMERS = /^(?:setTimeout|setInterval|setImmediate|requestAnimationFrame)$/;
const OF_PROCESS =
  /^(?:argv|chdir|cwd|emitWarning|env|exit|exitCode|hrtime|kill|memoryUsage|nextTick|off|on|once|pid|platform|stderr|stdin|stdout|uptime|versions?)$/;
const BAD_FILE_NAMES = /(?:^|\/)(?:utils?|helpers?|common|misc|index|mod)\.ts$/;

interface Module {
  readonly path: string;
  readonly text: string;
  readonly tokens: readonly Token[];
  readonly imports: readonly Import[];
}

type Modules = ReadonlyMap<string, Module>;

/**
 * All breaches in a set of sources.
 *
 * @param sources text by path, such as `src/smtp/reply.ts`; `mod.ts` and everything under `src/`.
 */
export function checkArchitecture(sources: ReadonlyMap<string, string>): Finding[] {
  const modules = new Map<string, Module>();
  for (const [path, text] of sources) {
    const tokens = tokenize(text);
    modules.set(path, { path, text, tokens, imports: findImports(tokens) });
  }
  const findings: Finding[] = [];
  for (const module of modules.values()) {
    findings.push(
      ...checkFile(module),
      ...checkImports(module, modules),
      ...(mayNameRuntime(module.path) ? [] : checkNames(module)),
    );
  }
  return [...findings, ...checkReach(modules), ...checkCycles(modules)];
}

/** Files that are longer than a file should be, though not yet too long. */
export function noteLongFiles(sources: ReadonlyMap<string, string>): string[] {
  return [...sources]
    .map(([path, text]) => ({ path, lines: countLines(text) }))
    .filter(({ lines }) => lines > NOTED_LINES)
    .map(({ path, lines }) => `${path} has ${lines} lines: is it one subject?`);
}

function checkFile({ path, text, tokens }: Module): Finding[] {
  const findings: Finding[] = [];
  const lines = countLines(text);
  if (lines > MAX_LINES && !LONG_FILES.has(path)) {
    findings.push({ rule: "length", where: path, what: `${lines} lines, at most ${MAX_LINES}` });
  }
  if (path !== "mod.ts" && BAD_FILE_NAMES.test(path)) {
    findings.push({ rule: "file name", where: path, what: "the name says no subject" });
  }
  if (path !== "mod.ts" && layerOf(path) === undefined && adapterOf(path) === undefined) {
    findings.push({ rule: "layer", where: path, what: "belongs to no layer of the table" });
  }
  if (!/^(?:#![^\n]*\n)?\/\*\*(?:[^*]|\*(?!\/))*@module\b/.test(text)) {
    findings.push({ rule: "module comment", where: path, what: "does not open with one" });
  }
  tokens.forEach((token, index) => {
    if (!isName(token, "export") || isMark(tokens[index - 1], ".")) return;
    const next = tokens[index + 1];
    if (isName(next, "default")) {
      findings.push({
        rule: "default export",
        where: at(path, token),
        what: "name what you export",
      });
    }
    if (isMark(next, "*") && path !== "mod.ts") {
      findings.push({
        rule: "barrel",
        where: at(path, token),
        what: "import from the file itself",
      });
    }
  });
  return findings;
}

function checkImports(module: Module, modules: Modules): Finding[] {
  const findings: Finding[] = [];
  for (const one of module.imports) {
    const rule = importBreach(module.path, one.specifier, modules);
    if (rule !== null) findings.push({ rule: rule[0], where: at(module.path, one), what: rule[1] });
  }
  return findings;
}

/** What is wrong with one import: the rule and the words, or `null`. */
function importBreach(
  from: string,
  specifier: string | null,
  modules: Modules,
): readonly [string, string] | null {
  if (specifier === null) return ["import", "import() of something that is not a literal"];
  if (!isRelative(specifier)) return packageBreach(from, specifier);
  const to = resolve(from, specifier);
  if (to === "deno.json" && from.startsWith("src/cli/")) return null; // The version is there.
  if (!modules.has(to)) return ["import", `${specifier} is no file of the program`];
  if (to === "mod.ts") return ["layer", "mod.ts is for those outside"];
  return from === "mod.ts" ? null : layerBreach(from, to);
}

function packageBreach(from: string, specifier: string): readonly [string, string] | null {
  if (MAY_USE_PACKAGES.some((folder) => from.startsWith(folder))) return null;
  if (specifier.startsWith("node:")) {
    if (adapterOf(from) !== undefined || PURE_BUILT_INS.includes(specifier)) return null;
    return ["runtime", `imports ${specifier}; only adapters and cli/ may`];
  }
  return ["package", `imports ${specifier}; the core has no dependency`];
}

function layerBreach(from: string, to: string): readonly [string, string] | null {
  const [fromAdapter, toAdapter] = [adapterOf(from), adapterOf(to)];
  if (toAdapter !== undefined) {
    if (fromAdapter === toAdapter || from.startsWith("src/cli/")) return null;
    if (toAdapter === "node" && (fromAdapter === "deno" || fromAdapter === "bun")) return null;
    return ["adapter", `imports the adapter ${to}; only entry points may`];
  }
  const toLayer = layerOf(to);
  if (toLayer === undefined) return null; // Said of that file itself.
  if (fromAdapter !== undefined) {
    return toLayer === 0 ? null : ["adapter", `an adapter imports ${to}, which is not of layer 0`];
  }
  const fromLayer = layerOf(from);
  if (fromLayer === undefined) return null;
  if (toLayer > fromLayer) return ["layer", `layer ${fromLayer} imports ${to} of layer ${toLayer}`];
  if (toLayer === fromLayer && toLayer === SEPARATE && unitOf(from) !== unitOf(to)) {
    return ["layer", `${unitOf(from)} imports ${to}; they meet only in src/queue/`];
  }
  return null;
}

/** Names that reach around the `Runtime` value. */
function checkNames({ path, tokens }: Module): Finding[] {
  const findings: Finding[] = [];
  tokens.forEach((token, index) => {
    const what = nameBreach(tokens, index);
    if (what !== null) findings.push({ rule: "runtime", where: at(path, token), what });
  });
  return findings;
}

function nameBreach(tokens: readonly Token[], index: number): string | null {
  const token = tokens[index];
  if (token?.kind !== "name") return null;
  const name = token.text;
  const before = tokens[index - 1];
  const next = tokens[index + 1];
  const member = isMark(next, ".") ? tokens[index + 2]?.text ?? "" : null;
  if (name === "Deno" || name === "Bun" || name === "globalThis") return `names ${name}`;
  if (RANDOM.test(name)) return `${name}: randomness is Runtime.random`;
  if (isMark(before, ".")) return null;
  if (TIMERS.test(name)) return `${name}: time is Runtime.clock`;
  switch (name) {
    case "performance":
      return member === null ? null : "performance: time is Runtime.clock";
    case "AbortSignal":
      return member === "timeout" ? "AbortSignal.timeout: time is Runtime.clock" : null;
    case "Math":
      return member === null || member === "random" ? "Math.random: use Runtime.random" : null;
    case "process":
      return OF_PROCESS.test(member ?? "") ? `process.${member} belongs to a runtime` : null;
    case "Date":
      return readsClock(tokens, index) ? "Date reads the clock: time is Runtime.clock" : null;
    default:
      return null;
  }
}

/** Whether this `Date` is anything but a type, a property, `new Date(value)`, `Date.UTC` or `Date.parse`. */
function readsClock(tokens: readonly Token[], index: number): boolean {
  const before = tokens[index - 1];
  const next = tokens[index + 1];
  if (isName(before, "new")) return !isMark(next, "(") || isMark(tokens[index + 2], ")");
  if (isMark(next, ".")) return !/^(?:UTC|parse|prototype)$/.test(tokens[index + 2]?.text ?? "");
  if (isMark(next, "(")) return true;
  if (isName(before, "instanceof")) return false;
  if (next?.kind === "mark" && ":|&>".includes(next.text)) return false;
  return !(before?.kind === "mark" && ":|&<".includes(before.text));
}

/** What an importer by URL would load: `mod.ts` and all it reaches. */
function checkReach(modules: Modules): Finding[] {
  const findings: Finding[] = [];
  const reached = new Set<string>();
  const waiting = modules.has("mod.ts") ? ["mod.ts"] : [];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const module = modules.get(path);
    if (module === undefined || reached.has(path)) continue;
    reached.add(path);
    if (MAY_USE_PACKAGES.some((folder) => path?.startsWith(folder))) {
      findings.push({ rule: "reach", where: path, what: "mod.ts must not reach this folder" });
    }
    for (const { specifier, line } of module.imports) {
      if (specifier === null || specifier.startsWith("node:")) continue;
      if (isRelative(specifier)) waiting.push(resolve(path, specifier));
      else {
        const what = `${specifier} is neither relative nor built in, and mod.ts reaches it`;
        findings.push({ rule: "reach", where: `${path}:${line}`, what });
      }
    }
  }
  return findings;
}

/** Each cycle of imports once, imports of types too. */
function checkCycles(modules: Modules): Finding[] {
  const findings: Finding[] = [];
  const done = new Set<string>();
  const road: string[] = [];
  const visit = (path: string) => {
    const start = road.indexOf(path);
    if (start >= 0) {
      const what = [...road.slice(start), path].join(" → ");
      findings.push({ rule: "cycle", where: path, what });
      return;
    }
    const module = modules.get(path);
    if (module === undefined || done.has(path)) return;
    road.push(path);
    for (const { specifier } of module.imports) {
      if (specifier !== null && isRelative(specifier)) visit(resolve(path, specifier));
    }
    road.pop();
    done.add(path);
  };
  for (const path of modules.keys()) visit(path);
  return findings;
}

/** The folder of the table (or the file) a path belongs to. */
function unitOf(path: string): string | undefined {
  return LAYERS.flat().find((unit) => unit.endsWith("/") ? path.startsWith(unit) : path === unit);
}

function layerOf(path: string): number | undefined {
  const unit = unitOf(path);
  return unit === undefined ? undefined : LAYERS.findIndex((layer) => layer.includes(unit));
}

/** `"deno"`, `"memory"`, `"bun"`, `"node"`, or `undefined` for what is no adapter. */
function adapterOf(path: string): string | undefined {
  const name = ADAPTER.exec(path)?.[1];
  return name === "tls_carrier" ? "node" : name;
}

function mayNameRuntime(path: string): boolean {
  return adapterOf(path) !== undefined || path.startsWith("src/cli/");
}

function isRelative(specifier: string): boolean {
  return specifier.startsWith("./") || specifier.startsWith("../");
}

function resolve(from: string, specifier: string): string {
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}

function at(path: string, { line }: { readonly line: number }): string {
  return `${path}:${line}`;
}

function countLines(text: string): number {
  return text.split("\n").length - 1;
}
