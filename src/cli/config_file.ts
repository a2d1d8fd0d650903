/**
 * The configuration of a command: which file it is, and how it ends where that is wrong.
 *
 * A file is looked for as `--config FILE`, `$YIZHAN_CONFIG`, `yizhan.yaml` here, and
 * `/etc/yizhan/yizhan.yaml`. Where there is none, the environment alone may say all, as in a container.
 *
 * @module
 */

import { type FileHandle, open, stat } from "node:fs/promises";
import process from "node:process";
import { hasEnvironment } from "../config/environment.ts";
import {
  loadConfig,
  type LoadedConfig,
  type ReadConfig,
  readConfig,
  readConfigPaths,
} from "../config/load.ts";
import type { ConfigMachine, ReadFile } from "../config/machine.ts";
import type { ConfigPaths } from "../config/paths.ts";
import { ConfigError, formatProblem } from "../config/problems.ts";
import { errorCode, SystemError } from "../runtime/system_error.ts";
import type { CommandLine, Flag } from "./command.ts";
import { CommandError, EXIT } from "./exit.ts";
import { isGranted } from "./permissions.ts";
import { warn } from "./terminal.ts";

/** The flag of all commands that go by a configuration. */
export const CONFIG_FLAG = {
  config: {
    value: "FILE",
    help: "The configuration; else yizhan.yaml here or in /etc/yizhan",
  },
} satisfies Record<string, Flag>;

/** Where a file is looked for when nothing names one. */
export const USUAL_FILES = ["yizhan.yaml", "/etc/yizhan/yizhan.yaml"];

/** Where to read configurations: this machine. */
export const CONFIG_MACHINE: ConfigMachine = {
  readFile: readWhole,
  environment: (name) => isGranted({ name: "env", variable: name }) ? process.env[name] : undefined,
  environmentNames: () => isGranted({ name: "env" }) ? Object.keys(process.env) : null,
  now: () => Date.now(),
};

/**
 * The file that a command goes by; `null`: the environment says all.
 *
 * @throws {CommandError} where there is none.
 */
export async function findConfigFile(line: CommandLine): Promise<string | null> {
  const named = line.value("config") ?? CONFIG_MACHINE.environment("YIZHAN_CONFIG");
  if (named !== undefined && named !== "") return named;
  for (const file of USUAL_FILES) {
    if (!await isThere(file)) continue;
    await demandOwn(file);
    return file;
  }
  if (hasEnvironment(CONFIG_MACHINE.environment)) return null;
  const unseen = USUAL_FILES.filter((path) => !isGranted({ name: "read", path }));
  if (unseen.length > 0) {
    throw new CommandError(
      EXIT.noInput,
      `Deno was not allowed to look for the configuration; give it --allow-read=${unseen}, ` +
        "or name the file with --config FILE",
    );
  }
  throw new CommandError(
    EXIT.noInput,
    `there is no configuration: neither ${USUAL_FILES.join(" nor ")} exists; ` +
      "make one with yizhan init, or name it with --config FILE",
  );
}

/**
 * The configuration of a command, ready for use; warnings go to standard error.
 *
 * @throws {CommandError} with all that is wrong, a line each.
 */
export async function loadConfigFor(line: CommandLine): Promise<LoadedConfig> {
  const loaded = await loadConfigSilently(line);
  for (const warning of loaded.warnings) warn(formatProblem(warning));
  return loaded;
}

/** The same, for who tells the warnings otherwise. */
export async function loadConfigSilently(line: CommandLine): Promise<LoadedConfig> {
  return await orCommandError(async () => loadConfig(await findConfigFile(line), CONFIG_MACHINE));
}

/** Its text only: for commands that others than the server's user run, who may not read its secrets. */
export async function readConfigFor(line: CommandLine): Promise<ReadConfig> {
  return await orCommandError(async () => readConfig(await findConfigFile(line), CONFIG_MACHINE));
}

/** Where things are, also where the rest of the configuration is wrong. */
export async function findConfigPaths(line: CommandLine): Promise<ConfigPaths> {
  return await orCommandError(async () =>
    readConfigPaths(await findConfigFile(line), CONFIG_MACHINE)
  );
}

async function orCommandError<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof ConfigError) throw configCommandError(error);
    throw error;
  }
}

/** As a command ends with it: each problem a line. */
export function configCommandError(error: ConfigError): CommandError {
  // The file itself, and not something in it.
  const unreadable = error.problems.every(({ line, message }) =>
    line === 0 && message.startsWith("cannot be read")
  );
  return new CommandError(unreadable ? EXIT.noInput : EXIT.config, error.message, { cause: error });
}

/**
 * A file in the working directory may be anybody's, as in /tmp, and says what programs to run: it is believed
 * when it belongs to who runs this, or to root.
 *
 * @throws {CommandError} where it is another's.
 */
async function demandOwn(file: string): Promise<void> {
  if (file.startsWith("/") || !isGranted({ name: "sys", kind: "uid" })) return;
  const uid = process.getuid?.();
  if (uid === undefined) return;
  const { uid: owner } = await stat(file);
  if (owner === uid || owner === 0) return;
  throw new CommandError(
    EXIT.noPermission,
    `${file} here belongs to another user (${owner}); if it is meant, say --config ${file}`,
  );
}

async function isThere(path: string): Promise<boolean> {
  if (!isGranted({ name: "read", path })) return false;
  try {
    await stat(path);
    return true;
  } catch (error) {
    const code = errorCode(error);
    // One that is there and may not be read is told of when it is read.
    return code !== "ENOENT" && code !== "ENOTDIR";
  }
}

async function readWhole(path: string, limit: number): Promise<ReadFile> {
  if (!isGranted({ name: "read", path })) {
    throw new SystemError("NotCapable", `Deno was not allowed to; give it --allow-read=${path}`);
  }
  const file = await open(path, "r");
  try {
    const { mode } = await file.stat();
    return { octets: await readUpTo(file, path, limit), mode: isPosix() ? mode & 0o777 : null };
  } finally {
    await file.close();
  }
}

/** A device has no size, and a file may grow: only what was read counts. */
async function readUpTo(file: FileHandle, path: string, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { bytesRead, buffer } = await file.read(new Uint8Array(65_536), 0, 65_536, null);
    if (bytesRead === 0) break;
    parts.push(buffer.subarray(0, bytesRead));
    length += bytesRead;
    if (length > limit) throw new SystemError("EFBIG", `${path} is longer than ${limit} octets`);
  }
  const octets = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    octets.set(part, at);
    at += part.length;
  }
  return octets;
}

function isPosix(): boolean {
  return process.platform !== "win32";
}
