/**
 * The configuration, from text to what the program goes by: read, overridden by the environment, checked,
 * with its secrets and certificates read from their files. Whatever is wrong is told at once, with its
 * place.
 *
 * What touches the machine is given as {@link ConfigMachine}; so the same configuration can be read in a
 * test.
 *
 * @module
 */

import type { TlsCertificate } from "../runtime/runtime.ts";
import type { KeyPath, Problem } from "./problems.ts";
import type { Config, WrittenConfig } from "./schema.ts";

/** A file that was read. */
export interface ReadFile {
  /** What is in it. */
  readonly octets: Uint8Array;
  /** Its permission bits, such as 0o600; `null` where the system has none. */
  readonly mode: number | null;
}

/** What reading a configuration asks of the machine. */
export interface ConfigMachine {
  /**
   * The whole of a file.
   *
   * @throws an error with an errno `code`; `EFBIG` where it is longer than `limit` octets.
   */
  readFile(path: string, limit: number): Promise<ReadFile>;
  /** A variable of the environment; `undefined` also where it may not be read. */
  environment(name: string): string | undefined;
  /** The names of all variables, `null` where they cannot be listed. */
  environmentNames(): readonly string[] | null;
  /** Milliseconds since the epoch. */
  now(): number;
}

/** Where things are: absolute, or relative to the process. */
export interface ConfigPaths {
  readonly data: string;
  readonly mail: string;
  readonly queue: string;
  readonly drop: string;
  readonly users: string;
  readonly dkim: string;
  /** The control socket, in `queue`. */
  readonly control: string;
}

/** A configuration whose text is right. The files that it names were not looked at. */
export interface ReadConfig {
  /** As it was written, with what the environment overrides: paths and secrets as they stand there. */
  readonly written: WrittenConfig;
  /** The file; `the environment` where there is none. */
  readonly file: string;
  readonly paths: ConfigPaths;
  /** What can be used but should not be so. */
  readonly warnings: readonly Problem[];
  /** Where a key stands (or the nearest key above it that is there), for problems found later. */
  at(key: KeyPath, message: string, hint?: string): Problem;
}

/** A configuration that can be used. */
export interface LoadedConfig extends ReadConfig {
  /** Ready for use: every path in it, also of a unix socket, is resolved, and secrets are texts. */
  readonly config: Config;
  /** The certificates and keys of `config.tls.certificates`, in order, checked. */
  readonly certificates: readonly TlsCertificate[];
  /** PEM texts by path, for every path in the `authorities` of a route. */
  readonly authorities: ReadonlyMap<string, string>;
}

/**
 * Reads and checks a configuration and the files with secrets, certificates and authorities that it
 * names.
 *
 * @param file its path; `null`: there is only the environment, and paths are relative to the process.
 * @throws {ConfigError} with all problems.
 */
export declare function loadConfig(
  file: string | null,
  machine: ConfigMachine,
): Promise<LoadedConfig>;

/** Reads and checks the text of a configuration only. @throws {ConfigError} with all problems. */
export declare function readConfig(
  file: string | null,
  machine: ConfigMachine,
): Promise<ReadConfig>;

/**
 * Where things are, also where the rest of the configuration is wrong: for commands that ask a running
 * server.
 *
 * @throws {ConfigError} where the file cannot be read, or the keys of these paths are wrong.
 */
export declare function readConfigPaths(
  file: string | null,
  machine: ConfigMachine,
): Promise<ConfigPaths>;
