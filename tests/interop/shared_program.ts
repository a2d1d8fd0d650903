/**
 * The program as every user of the machine may run it: what lies in a home folder is for no other user. And other
 * users.
 *
 * @module
 */

import { BUILD } from "./newcomer.ts";
import { assertEnded, type Ran, run, type RunOptions } from "./support.ts";

const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;

/** A user who is nobody in particular. */
export const NOBODY = 65_534;

let installed: Promise<string> | null = null;

/**
 * Installs the program in a folder, which all may enter, once for each file of tests; gives what begins its command
 * line, for a shell.
 */
export function installForAll(): Promise<string> {
  return installed ??= install();
}

async function install(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "yizhan-program-" });
  globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
  await Deno.chmod(folder, 0o755);
  const put = async (from: string, name: string) => {
    await Deno.copyFile(from, `${folder}/${name}`);
    await Deno.chmod(`${folder}/${name}`, 0o755);
    return `${folder}/${name}`;
  };
  const [build, ...words] = BUILD;
  if (build !== undefined) return [await put(build, "yizhan"), ...words].join(" ");
  const deno = await put(Deno.execPath(), "deno");
  const bundle = ["bundle", "--quiet", "--platform", "deno", "-o", `${folder}/yizhan.js`, MAIN];
  assertEnded(await run("deno", bundle));
  await Deno.chmod(`${folder}/yizhan.js`, 0o644);
  const flags = "--no-prompt --quiet --no-config -A";
  return `env DENO_DIR=/nonexistent ${deno} run ${flags} ${folder}/yizhan.js`;
}

/** Runs a shell script as that user, in `/`. The test must be root's. */
export function runAsNobody(script: string, options: RunOptions = {}): Promise<Ran> {
  const who = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
  const env = { HOME: "/nonexistent", ...options.env };
  return run("setpriv", [...who, "sh", "-c", `cd / && umask 077 && ${script}`], {
    ...options,
    env,
  });
}
