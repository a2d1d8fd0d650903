/**
 * Trees of files in memory: read whole, and written.
 *
 * @module
 */

import type { Files } from "../../src/runtime/files.ts";

/** All files below a folder, by path; `as` stands in place of the folder, nothing for `""`. */
export async function collect(
  files: Files,
  folder: string,
  as: string,
): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  const entries = [];
  for await (const entry of files.list(folder)) entries.push(entry);
  for (const { name, kind } of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
    const path = `${folder}/${name}`;
    const below = as === "" ? name : `${as}/${name}`;
    if (kind === "directory") {
      for (const [at, octets] of await collect(files, path, below)) found.set(at, octets);
    } else if (kind === "file") found.set(below, await files.readFile(path));
  }
  return found;
}

/** Writes files below a folder, with the folders they lie in. */
export async function spread(
  files: Files,
  folder: string,
  tree: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  for (const [name, octets] of tree) {
    const path = `${folder}/${name}`;
    for (let at = 0; (at = path.indexOf("/", at + 1)) !== -1;) {
      await files.makeDirectory(path.slice(0, at), 0o700).catch(() => {}); // it is there
    }
    const file = await files.open(path, { write: true, createNew: true });
    await file.write(octets);
    await file.sync();
    file.close();
  }
}
