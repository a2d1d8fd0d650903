/**
 * A station on this machine's disk with a drop folder, for tests: everything it tells is kept.
 *
 * @module
 */

import { DropBox } from "../../../src/intake/drop/drop_box.ts";
import { formatDropFile } from "../../../src/intake/drop/drop_file.ts";
import type { DropBoxOptions } from "../../../src/intake/drop/drop_options.ts";
import { mapDirectory } from "../../../src/directory/map_directory.ts";
import { encode } from "../../../src/bytes.ts";
import type { MtaEvent, MtaFact } from "../../../src/events.ts";
import { type Mta, startMta } from "../../../src/mta.ts";
import { denoRuntime } from "../../../src/runtime/deno.ts";

/** Our own user. */
export const UID = Deno.uid()!;

/** A name that no two calls have. */
export function mailName(): string {
  return `mail-${crypto.getRandomValues(new Uint8Array(16)).toHex()}`;
}

/** A station and its drop box. Nothing is looked at but at the start and when the test says so. */
export class DropStation implements AsyncDisposable {
  readonly facts: MtaFact[] = [];
  readonly path: string;
  mta!: Mta;
  #box: DropBox | null = null;
  readonly #waiters = new Set<() => void>();

  private constructor(path: string) {
    this.path = path;
  }

  static async start(): Promise<DropStation> {
    const station = new DropStation(await Deno.makeTempDir({ prefix: "yizhan-drop-" }));
    const { path } = station;
    await Deno.chmod(path, 0o711);
    for (const name of ["mail", "queue"]) await Deno.mkdir(`${path}/${name}`);
    station.mta = await startMta({
      runtime: denoRuntime(),
      hostname: "host.test",
      directory: mapDirectory({
        accounts: {
          "alice@host.test": {},
          "bob@host.test": {},
          "nobody@host.test": {},
          "root@host.test": {},
          "full@host.test": { quota: { bytes: 1 } },
        },
      }),
      delivery: { maildirRoot: `${path}/mail` },
      listeners: [{
        role: "lmtp",
        address: { transport: "unix", path: `${path}/lmtp.sock` },
      }],
      queue: { directory: `${path}/queue`, paused: true },
      postmaster: "root@host.test",
      onEvent: station.emit,
    });
    return station;
  }

  get drop(): string {
    return `${this.path}/drop`;
  }

  /** The whole folder is looked at once at the start. */
  async open(changes: Partial<DropBoxOptions> = {}): Promise<DropBox> {
    this.#box = await DropBox.start({
      runtime: denoRuntime(),
      directory: this.drop,
      refused: `${this.path}/refused`,
      nudge: `${this.path}/nudge.sock`,
      hostname: "host.test",
      senders: {},
      ownUid: UID,
      interval: 3_600_000,
      sizeLimit: 1_000_000,
      submit: (...submission) => this.mta.submit(...submission),
      nameOf: (uid) => Promise.resolve(uid === UID ? "alice" : "nobody"),
      emit: this.emit,
      ...changes,
    });
    return this.#box;
  }

  async close(): Promise<void> {
    await this.#box?.stop();
    this.#box = null;
  }

  /** Leaves a file as a program does; `bob@host.test` is its recipient where nobody says otherwise. */
  async leave(
    message: string,
    envelope: unknown = { sender: "alice@host.test", recipients: ["bob@host.test"] },
    name: string = mailName(),
  ): Promise<string> {
    // deno-lint-ignore no-explicit-any
    const octets = formatDropFile(envelope as any, encode(message));
    return await this.leaveOctets(octets, name);
  }

  async leaveOctets(octets: Uint8Array, name: string = mailName()): Promise<string> {
    await Deno.writeFile(`${this.drop}/tmp-${name}`, octets, { mode: 0o644 });
    await Deno.rename(`${this.drop}/tmp-${name}`, `${this.drop}/${name}`);
    return name;
  }

  emit: (fact: MtaFact | MtaEvent) => void = (fact) => {
    this.facts.push(fact);
    for (const wake of [...this.#waiters]) wake();
  };

  /** The first event of a type about a file, waited for. */
  async event<T extends MtaFact["type"]>(
    type: T,
    file?: string,
  ): Promise<Extract<MtaFact, { type: T }>> {
    for (;;) {
      const found = this.facts.find((fact) =>
        fact.type === type && (file === undefined || (fact as { file?: string }).file === file)
      );
      if (found !== undefined) return found as Extract<MtaFact, { type: T }>;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiters.add(resolve);
      await promise;
      this.#waiters.delete(resolve);
    }
  }

  /** What lies in the folder, sorted. */
  async names(): Promise<string[]> {
    const names: string[] = [];
    for await (const { name } of Deno.readDir(this.drop)) names.push(name);
    return names.sort();
  }

  /** The mails in a mailbox, as text. */
  async mails(user: string): Promise<string[]> {
    const texts: string[] = [];
    try {
      for await (const { name } of Deno.readDir(`${this.path}/mail/host.test/${user}/new`)) {
        texts.push(await Deno.readTextFile(`${this.path}/mail/host.test/${user}/new/${name}`));
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    return texts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    await this.mta.stop({ grace: 0 });
    await Deno.remove(this.path, { recursive: true });
  }
}
