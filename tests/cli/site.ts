/**
 * A folder with everything a station needs: users, certificates, a configuration; and the station started
 * from it as its operator starts it.
 *
 * @module
 */

import { addUser } from "../../src/directory/users_edit.ts";
import type { ConfigInput } from "../../src/config/schema.ts";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { mxCertificate, otherCertificate } from "../support/certificates.ts";
import { writeConfig } from "../support/config.ts";
import { type Ended, Folder, Program, run, type RunOptions } from "./program.ts";

/** The password of every user. */
export const PASSWORD = "correct horse";

/** A port the system chooses. */
export const ANY_PORT = "127.0.0.1:0";

type Certificates = NonNullable<ConfigInput["tls"]>["certificates"];

/** The folder; `alice@example.test` lives there. */
export class Site implements AsyncDisposable {
  readonly #folder: Folder;
  readonly path: string;

  private constructor(folder: Folder) {
    this.#folder = folder;
    this.path = folder.path;
  }

  /** Makes it. */
  static async make(): Promise<Site> {
    const site = new Site(await Folder.make());
    for (const [name, pair] of [["mx", mxCertificate], ["other", otherCertificate]] as const) {
      await Deno.writeTextFile(`${site.path}/${name}.crt`, pair.certificate);
      await Deno.writeTextFile(`${site.path}/${name}.key`, pair.key);
      await Deno.chmod(`${site.path}/${name}.key`, 0o600);
    }
    await site.addUser("alice");
    return site;
  }

  /** Adds a mailbox in `example.test`. */
  async addUser(name: string): Promise<void> {
    const { files, random } = denoRuntime();
    const address = { local: name, domain: "example.test" };
    await addUser({ files, random, path: `${this.path}/users` }, { address, password: PASSWORD });
  }

  /** `tls.certificates` of these names. */
  certificates(...names: readonly ("mx" | "other")[]): { certificates: Certificates } {
    return {
      certificates: names.map((name) => ({ certificate: `${name}.crt`, key: `${name}.key` })),
    };
  }

  /** Writes the configuration: `mx` on any port where nothing else is said. */
  async configure(config: Partial<ConfigInput> = {}): Promise<string> {
    return await writeConfig(this.path, {
      hostname: "mx.example.test",
      listeners: [{ role: "mx", address: ANY_PORT }],
      ...config,
    });
  }

  /** The command line of `serve`. */
  get words(): readonly string[] {
    return ["serve", "--config", `${this.path}/yizhan.yaml`];
  }

  /** Writes the configuration and starts a station with it; gives the ports of its TCP listeners. */
  async start(
    config: Partial<ConfigInput> = {},
    options: RunOptions = {},
  ): Promise<{ program: Program; ports: number[] }> {
    await this.configure(config);
    const program = await Program.spawn(this.words, options);
    try {
      const count = config.listeners?.length ?? 1;
      const ports: number[] = [];
      for (let index = 0; index < count; index++) {
        const line = await program.stderrLine(/^ {2}\S+ on /);
        const port = /:(\d+)$/.exec(line)?.[1];
        if (port !== undefined) ports.push(Number(port));
      }
      return { program, ports };
    } catch (error) {
      await program[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Another command of ours with the same configuration. */
  run(
    words: readonly string[],
    options: RunOptions & { readonly stdin?: string } = {},
  ): Promise<Ended> {
    return run([...words, "--config", `${this.path}/yizhan.yaml`], options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}
