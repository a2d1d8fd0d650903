/**
 * A real disk of its own (a tmpfs), which can be filled. Mounting one takes root.
 *
 * @module
 */

import { assertMatch } from "@std/assert";
import { assertEnded, run } from "./support.ts";

const KIB = 1024;

/** Mounting takes CAP_SYS_ADMIN, which root may lack in a container. */
export function mayMount(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(Deno.readTextFileSync("/proc/self/status"))
    ?.[1];
  return (BigInt(`0x${effective ?? 0}`) >> 21n & 1n) === 1n;
}

/** A disk of its own. */
export class SmallDisk implements AsyncDisposable {
  private constructor(readonly path: string, readonly size: string) {}

  /** @param size with room, as `mount` takes it: 256 MiB of it are the reserve under which no mail is begun. */
  static async mount(path: string, size = "300m"): Promise<SmallDisk> {
    await Deno.mkdir(path, { mode: 0o700 });
    const options = `size=${size},mode=0700`;
    assertEnded(await run("mount", ["-t", "tmpfs", "-o", options, "yizhan-test", path]));
    return new SmallDisk(path, size);
  }

  /** Leaves room for nothing. */
  async fill(): Promise<void> {
    // Never less than what is on it, which changes meanwhile: so a little more, and that is filled.
    const ran = await run("df", ["--output=used", "--block-size=1", this.path]);
    const used = Number(ran.text.trim().split("\n").at(-1));
    await this.#resize(`${used + 64 * KIB}`);
    using ballast = await Deno.open(this.#ballast, { write: true, create: true });
    try {
      for (;;) await ballast.write(new Uint8Array(4 * KIB));
    } catch (error) {
      assertMatch(String(error), /No space left/);
    }
  }

  /** Gives the room back. */
  async clear(): Promise<void> {
    await Deno.remove(this.#ballast);
    await this.#resize(this.size);
  }

  get #ballast(): string {
    return `${this.path}/ballast`;
  }

  async #resize(size: string): Promise<void> {
    assertEnded(await run("mount", ["-o", `remount,size=${size}`, this.path]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    assertEnded(await run("umount", [this.path]));
  }
}
