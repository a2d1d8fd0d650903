/**
 * The program as other programs find it: a script called sendmail, which any user of the machine may run,
 * and a station that takes what it leaves.
 *
 * @module
 */

import { localUserNames } from "../../src/cli/local_users.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { DropStation } from "../intake/drop/station.ts";
import { installForAll, runAsNobody } from "./shared_program.ts";
import { makeTemporaryFolder, type Ran, type TemporaryFolder } from "./support.ts";

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
    await Deno.chmod(folder.path, 0o755);
    const program = await installForAll();
    const script = `#!/bin/sh\nexec ${program} sendmail --drop ${station.drop} "$@"\n`;
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
    return runAsNobody(script, { input, env: { drop, sendmail: this.path } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.station[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}
