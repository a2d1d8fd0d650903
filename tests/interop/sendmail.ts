/**
 * The program as other programs find it: a script called sendmail, which any user of the machine may run,
 * and a station that takes what it leaves.
 *
 * @module
 */

import { localUserNames } from "../../src/cli/local_users.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { DropStation } from "../intake/drop/station.ts";
import {
  assertEnded,
  makeTemporaryFolder,
  type Ran,
  run,
  type TemporaryFolder,
} from "./support.ts";

const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;

/** A user who is nobody in particular. */
export const NOBODY = 65_534;

/** A station and the sendmail that belongs to it. */
export class Sendmail implements AsyncDisposable {
  readonly station: DropStation;
  readonly #folder: TemporaryFolder;

  private constructor(station: DropStation, folder: TemporaryFolder) {
    this.station = station;
    this.#folder = folder;
  }

  /** Starts the station and installs the program. */
  static async install(): Promise<Sendmail> {
    const station = await DropStation.start();
    await station.open({ nameOf: localUserNames(denoRuntime().files) });
    const folder = await makeTemporaryFolder();
    const { path } = folder;
    await Deno.chmod(path, 0o755);
    // Of ours, what lies in a home folder is for no other user.
    await Deno.copyFile(Deno.execPath(), `${path}/deno`);
    await Deno.chmod(`${path}/deno`, 0o755);
    const bundle = ["bundle", "--quiet", "--platform", "deno", "-o", `${path}/yizhan.js`, MAIN];
    assertEnded(await run("deno", bundle));
    await Deno.chmod(`${path}/yizhan.js`, 0o644);
    const flags = `--no-prompt --quiet --no-config -A`;
    const program = `DENO_DIR=/nonexistent exec ${path}/deno run ${flags} ${path}/yizhan.js`;
    const script = `#!/bin/sh\n${program} sendmail --drop ${station.drop} "$@"\n`;
    await Deno.chmod(await folder.write("sendmail", script, 0o755), 0o755);
    return new Sendmail(station, folder);
  }

  /** The path of the script. */
  get path(): string {
    return `${this.#folder.path}/sendmail`;
  }

  /** Runs a shell script as another user; `$drop` is the folder. */
  asNobody(script: string, input = ""): Promise<Ran> {
    const { drop } = this.station;
    const who = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
    const words = ["sh", "-c", `cd / && umask 077 && ${script}`];
    const env = { drop, sendmail: this.path, HOME: "/nonexistent" };
    return run("setpriv", [...who, ...words], { input, env });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.station[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}
