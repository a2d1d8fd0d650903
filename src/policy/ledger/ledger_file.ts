/**
 * The file of a kept ledger: read once at start, then lines are put at its end, and at times it is written anew
 * beside itself and takes its own place by a rename. The folder is 0700 and the file 0600: it tells who writes to
 * whom.
 *
 * What fails: reading and writing throw what the disk does. A write that failed may have left half a line, so after
 * one the file must be written anew.
 *
 * @module
 */

import { decodeStrict, encode } from "../../bytes.ts";
import type { FileHandle, Files } from "../../runtime/files.ts";
import { openFresh } from "../../runtime/fresh_file.ts";
import { errorCode } from "../../runtime/system_error.ts";
import { LEDGER_HEAD, type LedgerLine, MAX_LINE, parseLedgerLine } from "./ledger_text.ts";

/** What was read of a file. */
export interface LedgerReading {
  /** Lines that could not be read. */
  readonly damaged: number;
  /** Whether lines may be put at its end. */
  readonly whole: boolean;
}

/** Octets of a file that are read at most: more than any ledger writes. */
const MAX_READ = 1024 ** 3;

/** Octets that are written at once: others have the disk, and the thread, in between. */
const PIECE = 256 * 1024;

/** A file of lines. */
export class LedgerFile {
  readonly #files: Files;
  readonly #folder: string;
  #handle: FileHandle | null = null;
  /** Octets in it. */
  octets = 0;

  constructor(files: Files, folder: string) {
    this.#files = files;
    this.#folder = folder;
  }

  /** Where it lies. */
  get path(): string {
    return `${this.#folder}/ledger.jsonl`;
  }

  /**
   * Reads it to its end; nothing where there is none yet. What is no ledger of this version is set aside, under
   * another name.
   *
   * @param onLine gets each line that can be read. @param onForeign is told where the file was put.
   */
  async read(
    onLine: (line: LedgerLine) => void,
    onForeign: (path: string) => void,
  ): Promise<LedgerReading> {
    const nothing = { damaged: 0, whole: false };
    const handle = await this.#files.open(this.path, { read: true, noFollow: true }).catch(
      (error) => {
        if (errorCode(error) === "ENOENT") return null;
        throw error;
      },
    );
    if (handle === null) return nothing;
    const reader = new LineReader(handle);
    let damaged = 0;
    try {
      if (await reader.next() !== LEDGER_HEAD.trimEnd()) {
        const aside = `${this.path}.unread`;
        await this.#files.rename(this.path, aside);
        onForeign(aside);
        return nothing;
      }
      for (let text = await reader.next(); text !== undefined; text = await reader.next()) {
        const line = text === null ? null : parseLedgerLine(text);
        if (line === null) damaged++;
        else onLine(line);
      }
    } finally {
      handle.close();
    }
    this.octets = reader.octets;
    return { damaged, whole: damaged === 0 && reader.ended };
  }

  /** Puts lines at its end. Does not wait until they are safe: the last seconds may be lost in a power cut. */
  async append(lines: Iterable<string>): Promise<void> {
    this.#handle ??= await this.#files.open(this.path, { append: true, noFollow: true });
    await this.#write(this.#handle, lines);
  }

  /** Writes it anew; until that is done and safe the old one stays. */
  async replace(lines: Iterable<string>): Promise<void> {
    const temporary = `${this.path}.new`;
    await this.#makeFolder();
    this.close();
    const handle = await openFresh(this.#files, temporary);
    try {
      const octets = this.octets;
      this.octets = 0;
      await this.#write(handle, [LEDGER_HEAD]).then(() => this.#write(handle, lines)).catch(
        (error) => {
          this.octets = octets;
          throw error;
        },
      );
      await handle.sync();
    } finally {
      handle.close();
    }
    await this.#files.rename(temporary, this.path);
    await this.#files.syncDirectory(this.#folder);
  }

  /** Lets go of it. */
  close(): void {
    this.#handle?.close();
    this.#handle = null;
  }

  async #write(handle: FileHandle, lines: Iterable<string>): Promise<void> {
    let piece = "";
    const flush = async () => {
      const octets = encode(piece);
      piece = "";
      await handle.write(octets);
      this.octets += octets.length;
    };
    for (const line of lines) {
      piece += line;
      if (piece.length >= PIECE) await flush();
    }
    if (piece !== "") await flush();
  }

  /** Makes the folder, and what it lies in, where they are missing, and their names durable. */
  async #makeFolder(folder = this.#folder): Promise<void> {
    const above = folder.slice(0, Math.max(0, folder.lastIndexOf("/")));
    try {
      await this.#files.makeDirectory(folder, 0o700);
    } catch (error) {
      if (errorCode(error) === "EEXIST") return;
      if (errorCode(error) !== "ENOENT" || above === "") throw error;
      await this.#makeFolder(above);
      await this.#files.makeDirectory(folder, 0o700);
    }
    await this.#files.syncDirectory(above || ".");
  }
}

/** A file in lines. */
class LineReader {
  readonly #handle: FileHandle;
  readonly #chunk = new Uint8Array(64 * 1024);
  readonly #line = new Uint8Array(MAX_LINE);
  #length = 0;
  #at = 0;
  #end = 0;
  /** Octets read so far. */
  octets = 0;
  /** Whether the last line has its end. */
  ended = true;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /**
   * The next line; `null` for one that is too long or no UTF-8, `undefined` at the end. The beginning of a line at
   * the end of the file is none: a crash left it.
   */
  async next(): Promise<string | null | undefined> {
    this.#length = 0;
    for (;;) {
      if (this.#at === this.#end && !await this.#fill()) {
        this.ended = this.#length === 0;
        return undefined;
      }
      const rest = this.#chunk.subarray(this.#at, this.#end);
      const newline = rest.indexOf(0x0a);
      const part = newline === -1 ? rest : rest.subarray(0, newline);
      this.#at += newline === -1 ? rest.length : newline + 1;
      if (this.#length + part.length <= MAX_LINE) this.#line.set(part, this.#length);
      this.#length += part.length;
      if (newline === -1) continue;
      return this.#length > MAX_LINE ? null : decodeStrict(this.#line.subarray(0, this.#length));
    }
  }

  async #fill(): Promise<boolean> {
    const read = this.octets < MAX_READ ? await this.#handle.read(this.#chunk) : null;
    this.#at = 0;
    this.#end = read ?? 0;
    this.octets += this.#end;
    return read !== null;
  }
}
