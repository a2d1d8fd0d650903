/**
 * The inputs that are kept in `tests/corpus/`, a file each in a folder for each target: examples of the RFCs,
 * known attacks, and every input that once found a fault.
 *
 * @module
 */

/** The folder of all of them. */
export const CORPUS = new URL("../../corpus/", import.meta.url);

/** One kept input. */
export interface Kept {
  readonly name: string;
  readonly input: Uint8Array;
}

/** The kept inputs of a target, by name; none where it has no folder. */
export async function readCorpus(target: string, folder: URL = CORPUS): Promise<Kept[]> {
  const place = new URL(`${target}/`, folder);
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(place)) if (entry.isFile) names.push(entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  const read = async (name: string) => ({
    name,
    input: await Deno.readFile(new URL(encodeURIComponent(name), place)),
  });
  return await Promise.all(names.sort().map(read));
}
