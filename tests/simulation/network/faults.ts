/**
 * Troubles at every step of input and output, as often as the weather says: file calls that fail, power that is
 * lost in the midst of them, links that break, names that cannot be found. All is drawn from one seed.
 *
 * @module
 */

import type { FileCall, MemoryFiles } from "../../../src/runtime/memory_files.ts";
import type { MemoryRandom } from "../../../src/runtime/memory_random.ts";
import type { LinkConditions } from "../../../src/runtime/memory_wires.ts";
import { formatSocketAddress, type SocketAddress } from "../../../src/runtime/network.ts";
import type { Journal } from "./journal.ts";
import type { Weather } from "./weather.ts";

/** Times that power is lost in the midst of a file call, in one seed. */
const MOST_CRASHES = 4;

/** What makes the troubles of a seed, until they are over. */
export class Faults {
  /** Whether there are any. */
  active = true;
  #crashes = 0;
  readonly #random: MemoryRandom;
  readonly #weather: Weather;
  readonly #journal: Journal;

  constructor(random: MemoryRandom, weather: Weather, journal: Journal) {
    this.#random = random;
    this.#weather = weather;
    this.#journal = journal;
  }

  /** Whether something happens that has this chance. */
  happens(chance: number): boolean {
    return this.active && chance > 0 && this.#random.float() < chance;
  }

  /** Before each call of a machine's files. `crash` takes its power away, here and now. */
  watchFiles(who: string, files: MemoryFiles, crash: () => void): void {
    const { fileError, fileCrash } = this.#weather;
    if (fileError === 0 && fileCrash === 0) return;
    files.onCall = (call) => {
      this.#journal.note(who, `  ${call.operation}`, { path: call.path });
      if (!this.active) return;
      if (this.happens(fileCrash) && this.#crashes < MOST_CRASHES) {
        this.#crashes++;
        this.#journal.trouble("power lost in a file call", who, call);
        return crash();
      }
      if (this.happens(fileError)) this.#failFile(who, files, call);
    };
  }

  #failFile(who: string, files: MemoryFiles, call: FileCall): void {
    const { operation, path } = call;
    // A file is opened to be read, too, which a full disk does not prevent.
    const changes = ["write", "rename", "makeDirectory"].includes(operation);
    const code = changes && this.#random.below(2) === 0 ? "ENOSPC" : "EIO";
    this.#journal.trouble(`${operation} fails`, who, { path, code });
    files.fail({ operation, code });
  }

  /** How a new link is. */
  link(client: SocketAddress, server: SocketAddress): LinkConditions {
    const { delay, split, refuse, ignore, reset, silence } = this.#weather;
    const who = () => `${formatSocketAddress(client)} → ${formatSocketAddress(server)}`;
    const conditions = {
      ...(delay > 0 && { delay: this.#random.below(delay) }),
      // Small pieces, and a small window: writes have to wait for who reads.
      ...(split && {
        split: () => 1 + this.#random.below(600),
        window: 100 + this.#random.below(3000),
      }),
    };
    if (client.transport === "unix") return {};
    if (this.happens(refuse)) {
      this.#journal.trouble("connection refused", "wire", { who: who() });
      return { ...conditions, connect: "refuse" };
    }
    if (this.happens(ignore)) {
      this.#journal.trouble("connection ignored", "wire", { who: who() });
      return { ...conditions, connect: "ignore" };
    }
    // Most of them where commands and answers are, which is a few hundred octets.
    const after = this.#random.below(this.#random.below(2) === 0 ? 700 : 4000);
    const kind = this.happens(reset) ? "reset" : this.happens(silence) ? "silence" : null;
    if (kind === null) return conditions;
    this.#journal.trouble(`link ${kind}`, "wire", { who: who(), after });
    return { ...conditions, fault: { after, kind } };
  }
}
