/**
 * What every {@link Files} does. That synced data survives a power cut can only be tested where power
 * can be cut: `memory_files_test.ts`.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { concat, encode } from "../../src/bytes.ts";
import type { Files, OpenOptions } from "../../src/runtime/files.ts";
import { codeOf } from "../support/connections.ts";
import { type Adapter, contractTest } from "./adapter.ts";

async function writeFile(files: Files, path: string, text: string): Promise<void> {
  const file = await files.open(path, { write: true, create: true, truncate: true });
  await file.write(encode(text));
  file.close();
}

async function names(files: Files, path: string): Promise<string[]> {
  const found = [];
  for await (const { name, kind } of files.list(path)) found.push(`${kind} ${name}`);
  return found.sort();
}

/** Registers the tests. */
export function filesContract(adapter: Adapter): void {
  const test = (name: string, body: (files: Files, folder: string) => Promise<void>) =>
    contractTest(adapter, name, ({ runtime, folder }) => body(runtime.files, folder));

  test("open() makes a file only when told to", async (files, folder) => {
    const path = `${folder}/new`;
    assertEquals(await codeOf(files.open(path, { read: true })), "ENOENT");
    assertEquals(await codeOf(files.open(path, { write: true })), "ENOENT");
    assertEquals(
      await codeOf(files.open(`${folder}/none/new`, { write: true, create: true })),
      "ENOENT",
    );
    (await files.open(path, { write: true, createNew: true })).close();
    assertEquals(await codeOf(files.open(path, { write: true, createNew: true })), "EEXIST");
    (await files.open(path, { write: true, create: true })).close();
    assertEquals((await files.stat(path))?.size, 0);
  });

  test("write() goes on at the position, append at the end", async (files, folder) => {
    const path = `${folder}/log`;
    const cases: [OpenOptions, string, string][] = [
      [{ write: true, create: true }, "one two", "one two"],
      [{ write: true }, "ONE", "ONE two"],
      [{ write: true, append: true }, " three", "ONE two three"],
      [{ write: true, truncate: true }, "new", "new"],
    ];
    for (const [options, written, expected] of cases) {
      const file = await files.open(path, options);
      for (const letter of written) await file.write(encode(letter));
      file.close();
      assertEquals(await files.readFile(path), encode(expected));
    }
  });

  test("read() goes on at the position and gives null at the end", async (files, folder) => {
    await writeFile(files, `${folder}/f`, "abcdef");
    const file = await files.open(`${folder}/f`, { read: true });
    const into = new Uint8Array(4);
    assertEquals(await file.read(into), 4);
    assertEquals(into, encode("abcd"));
    assertEquals(await file.read(into), 2);
    assertEquals(into.subarray(0, 2), encode("ef"));
    assertEquals(await file.read(into), null);
    await file.seek(1);
    assertEquals(await file.read(into), 4);
    assertEquals(into, encode("bcde"));
    file.close();
  });

  test("seek() beyond the end and write() leave zeros between", async (files, folder) => {
    const file = await files.open(`${folder}/f`, { write: true, create: true });
    await file.seek(3);
    await file.write(encode("x"));
    file.close();
    assertEquals(await files.readFile(`${folder}/f`), Uint8Array.of(0, 0, 0, 120));
  });

  test("write() and readFile() take large content", async (files, folder) => {
    const content = new Uint8Array(700_000).map((_, i) => i * 7 + (i >> 8));
    const file = await files.open(`${folder}/f`, { write: true, createNew: true });
    await file.write(content.subarray(0, 300_000));
    await file.write(content.subarray(300_000, 300_010));
    await file.write(content.subarray(300_010));
    await file.sync();
    file.close();
    assertEquals(await files.readFile(`${folder}/f`), content);
    const back = await files.open(`${folder}/f`, { read: true });
    const parts = [];
    for (;;) {
      const into = new Uint8Array(100_000);
      const length = await back.read(into);
      if (length === null) break;
      parts.push(into.subarray(0, length));
    }
    back.close();
    assertEquals(concat(parts), content);
  });

  test("readFile() fails on more than its limit", async (files, folder) => {
    await writeFile(files, `${folder}/f`, "12345");
    await writeFile(files, `${folder}/empty`, "");
    assertEquals(await files.readFile(`${folder}/f`, 5), encode("12345"));
    assertEquals(await codeOf(files.readFile(`${folder}/f`, 4)), "EFBIG");
    assertEquals(await codeOf(files.readFile(`${folder}/f`, 0)), "EFBIG");
    assertEquals(await files.readFile(`${folder}/empty`, 0), new Uint8Array(0));
    assertEquals(await codeOf(files.readFile(`${folder}/none`)), "ENOENT");
    assertEquals(await codeOf(files.readFile(folder)), "EISDIR");
  });

  test("a handle fails after close() and for what it was not opened for", async (files, folder) => {
    const file = await files.open(`${folder}/f`, { write: true, create: true });
    assertEquals(await codeOf(file.read(new Uint8Array(1))), "EBADF");
    file.close();
    file.close();
    assertEquals(await codeOf(file.write(encode("x"))), "EBADF");
    assertEquals(await codeOf(file.read(new Uint8Array(1))), "EBADF");
    assertEquals(await codeOf(file.seek(0)), "EBADF");
    assertEquals(await codeOf(file.sync()), "EBADF");
    const reader = await files.open(`${folder}/f`, { read: true });
    assertEquals(await codeOf(reader.write(encode("x"))), "EBADF");
    reader.close();
  });

  test("rename() moves a file over another", async (files, folder) => {
    await writeFile(files, `${folder}/a`, "new");
    await writeFile(files, `${folder}/b`, "old");
    await files.rename(`${folder}/a`, `${folder}/b`);
    assertEquals(await names(files, folder), ["file b"]);
    assertEquals(await files.readFile(`${folder}/b`), encode("new"));
    assertEquals(await codeOf(files.rename(`${folder}/a`, `${folder}/c`)), "ENOENT");
    assertEquals(await codeOf(files.rename(`${folder}/b`, `${folder}/none/b`)), "ENOENT");
  });

  test("rename() of folders fails where it would lose or mix things", async (files, folder) => {
    for (const name of ["full", "empty", "other"]) {
      await files.makeDirectory(`${folder}/${name}`, 0o700);
    }
    await writeFile(files, `${folder}/full/x`, "");
    await writeFile(files, `${folder}/file`, "");
    assertEquals(await codeOf(files.rename(`${folder}/file`, `${folder}/empty`)), "EISDIR");
    assertEquals(await codeOf(files.rename(`${folder}/empty`, `${folder}/file`)), "ENOTDIR");
    assertEquals(await codeOf(files.rename(`${folder}/other`, `${folder}/full`)), "ENOTEMPTY");
    assertEquals(await codeOf(files.rename(`${folder}/full`, `${folder}/full/in`)), "EINVAL");
    await files.rename(`${folder}/full`, `${folder}/empty`);
    assertEquals(await names(files, `${folder}/empty`), ["file x"]);
  });

  test("an open file outlives its name", async (files, folder) => {
    const file = await files.open(`${folder}/f`, { read: true, write: true, create: true });
    await files.remove(`${folder}/f`);
    await file.write(encode("still"));
    await file.seek(0);
    const into = new Uint8Array(5);
    assertEquals(await file.read(into), 5);
    assertEquals(into, encode("still"));
    file.close();
    assertEquals(await files.stat(`${folder}/f`), null);
  });

  test("remove() takes files and empty folders only", async (files, folder) => {
    await files.makeDirectory(`${folder}/d`, 0o700);
    await writeFile(files, `${folder}/d/f`, "x");
    assertEquals(await codeOf(files.remove(`${folder}/d`)), "ENOTEMPTY");
    await files.remove(`${folder}/d/f`);
    await files.remove(`${folder}/d`);
    assertEquals(await codeOf(files.remove(`${folder}/d`)), "ENOENT");
    assertEquals(await names(files, folder), []);
  });

  test("copyAccess() wants both files to be there", async (files, folder) => {
    await writeFile(files, `${folder}/a`, "a");
    await writeFile(files, `${folder}/b`, "b");
    await files.copyAccess(`${folder}/a`, `${folder}/b`);
    assertEquals(await files.readFile(`${folder}/b`), encode("b"));
    assertEquals(await codeOf(files.copyAccess(`${folder}/none`, `${folder}/b`)), "ENOENT");
    assertEquals(await codeOf(files.copyAccess(`${folder}/a`, `${folder}/none`)), "ENOENT");
  });

  test("makeDirectory() makes one folder", async (files, folder) => {
    await files.makeDirectory(`${folder}/a`, 0o700);
    assertEquals(await codeOf(files.makeDirectory(`${folder}/a`, 0o700)), "EEXIST");
    assertEquals(await codeOf(files.makeDirectory(`${folder}/b/c`, 0o700)), "ENOENT");
    await files.makeDirectory(`${folder}/a/b`, 0o700);
    assertEquals(await names(files, folder), ["directory a"]);
  });

  test("list() names what is in a folder", async (files, folder) => {
    await files.makeDirectory(`${folder}/new`, 0o700);
    for (const name of ["1.M2.host", "文", "a b"]) await writeFile(files, `${folder}/${name}`, "");
    assertEquals(await names(files, folder), [
      "directory new",
      "file 1.M2.host",
      "file a b",
      "file 文",
    ]);
    assertEquals(await codeOf(names(files, `${folder}/none`)), "ENOENT");
    assertEquals(await codeOf(names(files, `${folder}/a b`)), "ENOTDIR");
  });

  test("stat() tells what lies there, or null", async (files, folder) => {
    await writeFile(files, `${folder}/f`, "12345");
    const file = await files.stat(`${folder}/f`);
    assertEquals([file?.kind, file?.size], ["file", 5]);
    assert(file!.modified > Date.UTC(2020, 0, 1));
    assertEquals(await files.stat(`${folder}/f`, { follow: true }), file);
    assertEquals((await files.stat(folder))?.kind, "directory");
    assertEquals(await files.stat(`${folder}/none`), null);
    assertEquals(await files.stat(`${folder}/f/below`), null);
  });

  test("names are of at most 255 octets", async (files, folder) => {
    await writeFile(files, `${folder}/${"x".repeat(255)}`, "");
    const tooLong = `${folder}/${"é".repeat(128)}`;
    assertEquals(
      await codeOf(files.open(tooLong, { write: true, create: true })),
      "ENAMETOOLONG",
    );
    assertEquals(await codeOf(files.stat(tooLong)), "ENAMETOOLONG");
  });

  test("sync() and syncDirectory() resolve", async (files, folder) => {
    const file = await files.open(`${folder}/f`, { write: true, create: true });
    await file.write(encode("x"));
    await file.sync();
    file.close();
    await files.syncDirectory(folder);
    assertEquals(await codeOf(files.syncDirectory(`${folder}/none`)), "ENOENT");
  });

  test("space() tells octets and inodes", async (files, folder) => {
    const { bytes, inodes } = await files.space(folder);
    assert(bytes > 0 && inodes > 0);
    assertEquals(await codeOf(files.space(`${folder}/none`)), "ENOENT");
  });
}
