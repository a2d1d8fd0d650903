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
    await this.#shrink();
    using ballast = await Deno.open(this.#ballast, { write: true, create: true });
    try {
      for (;;) await ballast.write(new Uint8Array(4 * KIB));
    } catch (error) {
      assertMatch(String(error), /No space left/);
    }
  }

  /** To a little more than what is on it, which changes meanwhile: the system takes no less than that. */
  async #shrink(): Promise<void> {
    for (let spare = 64 * KIB;; spare *= 4) {
      const { text } = await run("df", ["--output=used", "--block-size=1", this.path]);
      const size = Number(text.trim().split("\n").at(-1)) + spare;
      const resized = await run("mount", ["-o", `remount,size=${size}`, this.path]);
      if (resized.code === 0) return;
      if (spare > 64 * KIB * KIB) assertEnded(resized);
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
