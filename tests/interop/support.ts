/**
 * What the tests beside other mail programs share: registering them, running a program with a time
 * limit, temporary folders, mail to send and byte-for-byte comparison.
 *
 * These tests run only with `TEST_INTEROP=1` (`deno task test:interop`). Then a program that is not
 * installed makes its tests fail: a test that silently does not run proves nothing.
 *
 * @module
 */

import { AssertionError } from "@std/assert";

const ENABLED = Deno.env.get("TEST_INTEROP") === "1";

/** Where Debian keeps each program. */
const PACKAGES: Record<string, string> = {
  dovecot: "dovecot-imapd",
  script: "bsdutils",
  exim4: "exim4-daemon-light",
  smtpd: "opensmtpd",
  "smtp-sink": "postfix",
  "smtp-source": "postfix",
  xmllint: "libxml2-utils",
  clamd: "clamav-daemon",
  knotd: "knot",
  keymgr: "knot",
  "posttls-finger": "postfix",
  "opendkim-testmsg": "opendkim-tools",
  dkimsign: "python3-dkim",
  "pebble-challtestsrv": "pebble",
  promtool: "prometheus",
  "systemd-analyze": "systemd",
  testssl: "testssl.sh",
};

/** What Debian does not install beside Postfix: these may lie unpacked in the folder `TEST_PEERS`. */
const UNPACKED = ["exim4", "smtpd"];

/**
 * Registers a test that needs `tools`; its name says so when it does not run. `"root"` among them is
 * named where the test needs to be root and is not.
 */
export function interopTest(
  name: string,
  tools: readonly string[],
  body: () => Promise<void>,
): void {
  if (!ENABLED || tools.includes("root")) {
    const reason = `not run: needs TEST_INTEROP=1 and ${tools.join(", ")}`;
    Deno.test({ name: `${name} (${reason})`, ignore: true, fn: body });
    return;
  }
  Deno.test(name, async () => {
    for (const tool of tools) findTool(tool);
    await body();
  });
}

/**
 * The path of a program. `/usr/sbin` is searched too, as a user's PATH may lack it, and the folder
 * `TEST_PEERS`, where `.ci/run` unpacks packages that cannot be installed side by side.
 *
 * @throws {Error} naming the package to install.
 */
export function findTool(tool: string): string {
  if (tool === "deno") return Deno.execPath();
  if (tool.startsWith("/")) return tool;
  const peers = Deno.env.get("TEST_PEERS") ?? "";
  const folders = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/usr/local/sbin"];
  if (peers !== "") folders.push(`${peers}/usr/sbin`, `${peers}/usr/bin`);
  for (const folder of folders) {
    const path = `${folder}/${tool}`;
    if (folder !== "" && isFile(path)) return path;
  }
  const name = PACKAGES[tool] ?? tool;
  if (UNPACKED.includes(tool)) {
    const how = `apt-get download ${name} && dpkg --extract ${name}_*.deb FOLDER`;
    throw new Error(`${tool} is not there: ${how}, and set TEST_PEERS=FOLDER`);
  }
  throw new Error(`${tool} is not installed: apt-get install ${name}`);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** How a program is run. */
export interface RunOptions {
  /** What it reads on standard input; nothing by default. */
  readonly input?: string | Uint8Array;
  /** Whether its standard input stays open until it ends by itself. */
  readonly holdInput?: boolean;
  /** More variables of the environment. */
  readonly env?: Record<string, string>;
  /** Milliseconds after which it is killed and the test fails. Default one minute. */
  readonly limit?: number;
}

/** What a program that has ended left. */
export interface Ran {
  readonly code: number;
  readonly stdout: Uint8Array;
  /** Standard output, then standard error, as text: for messages and for what is said on either. */
  readonly text: string;
}

/**
 * Runs a program to its end. A non-zero exit code is the caller's to judge.
 *
 * @throws {Error} with all it wrote when it does not end within the limit.
 */
export async function run(
  tool: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ran> {
  const child = new Deno.Command(findTool(tool), {
    args: [...args],
    env: { LC_ALL: "C.UTF-8", ...options.env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, options.limit ?? 60_000);
  const ended = options.holdInput ? child.status : undefined;
  const [, output] = await Promise.all([feed(child, options.input ?? "", ended), child.output()]);
  clearTimeout(timer);
  const decoder = new TextDecoder();
  const text = decoder.decode(output.stdout) + decoder.decode(output.stderr);
  if (late) throw new Error(`${tool} did not end in time; it wrote:\n${text}`);
  return { code: output.code, stdout: output.stdout, text };
}

/** A program that ends without reading all of its input is no failure of ours. */
async function feed(
  child: Deno.ChildProcess,
  input: string | Uint8Array,
  ended?: Promise<unknown>,
): Promise<void> {
  const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
  const writer = child.stdin.getWriter();
  try {
    await writer.write(new Uint8Array(bytes));
    await ended;
    await writer.close();
  } catch {
    await writer.abort().catch(() => {});
  }
}

/** Fails with all the program wrote unless it ended with `code`. */
export function assertEnded(ran: Ran, code = 0): void {
  if (ran.code === code) return;
  throw new AssertionError(`exit code ${ran.code} instead of ${code}:\n${ran.text}`);
}

/** Runs one of the Python programs in `peers/` on a value and gives what it answers, both as JSON. */
export async function runPython<T>(name: string, request: unknown): Promise<T> {
  const program = new URL(`./peers/${name}`, import.meta.url).pathname;
  const ran = await run("python3", [program], { input: JSON.stringify(request) });
  assertEnded(ran);
  return JSON.parse(new TextDecoder().decode(ran.stdout));
}

/** A temporary folder that goes away with its scope. */
export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
  /** Writes a file in it and gives its path. */
  write(name: string, content: string | Uint8Array, mode?: number): Promise<string>;
}

/** Makes a temporary folder. */
export async function makeTemporaryFolder(): Promise<TemporaryFolder> {
  const path = await Deno.makeTempDir({ prefix: "yizhan-interop-" });
  return {
    path,
    async write(name, content, mode = 0o600) {
      const file = `${path}/${name}`;
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      await Deno.writeFile(file, bytes, { mode });
      return file;
    },
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/** Text as octets, one octet a character (so `"\xe4"` is one octet that is not UTF-8). */
export function octets(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Text in base64, for what goes to and comes from the programs in `peers/`. */
export function encodeBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(text);
}

/** The octets of a text in base64. */
export function decodeBase64(text: string): Uint8Array {
  return octets(atob(text));
}

/** Fails, telling where they part, unless both are the same octets. */
export function assertSameOctets(actual: Uint8Array, expected: Uint8Array, what: string): void {
  const length = Math.max(actual.length, expected.length);
  for (let at = 0; at < length; at++) {
    if (actual[at] === expected[at]) continue;
    throw new AssertionError(
      `${what}: ${actual.length} octets instead of ${expected.length}; they part at ${at}:\n` +
        `  is        ${show(actual, at)}\n  should be ${show(expected, at)}`,
    );
  }
}

function show(bytes: Uint8Array, at: number): string {
  const near = bytes.subarray(Math.max(0, at - 40), at + 40);
  return JSON.stringify(String.fromCharCode(...near));
}
