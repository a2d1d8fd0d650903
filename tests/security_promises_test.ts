/**
 * SECURITY.md names a test for each promise: those tests are there.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { readDocument, ROOT } from "./support/documents.ts";

/** A test that a promise names. */
interface Named {
  readonly promise: string;
  readonly path: string;
  /** What is in the test's name; empty for all tests of the file. */
  readonly part: string;
}

/** The rows of tables whose last column is "shown by". */
function promises(text: string): { readonly promise: string; readonly tests: readonly Named[] }[] {
  const tables = text.split(/\n(?=\| promise)/).slice(1);
  return tables.flatMap((table) => {
    const rows = table.split("\n").slice(2);
    const end = rows.findIndex((row) => !row.startsWith("|"));
    return rows.slice(0, end).map((row) => {
      const [, promise = "", shown = ""] = row.split("|").map((cell) => cell.trim());
      return { promise, tests: namedIn(promise, shown) };
    });
  });
}

function namedIn(promise: string, shown: string): Named[] {
  return [...shown.matchAll(/`(tests\/[^`]+)`((?:,? "[^"]*")*)/g)].flatMap(([, path, parts]) => {
    const named = [...parts!.matchAll(/"([^"]*)"/g)].map(([, part]) => part!);
    return (named.length === 0 ? [""] : named).map((part) => ({ promise, path: path!, part }));
  });
}

Deno.test("each promise of SECURITY.md names tests that exist", async () => {
  const found = promises((await readDocument("SECURITY.md")).text);
  assert(found.length > 30, `${found.length} promises`);
  assertEquals(found.filter(({ tests }) => tests.length === 0), []);
  const missing: string[] = [];
  for (const { path, part } of found.flatMap(({ tests }) => tests)) {
    const text = await Deno.readTextFile(ROOT + path).catch(() => "");
    const isThere = text !== "" && text.includes(part) && /[tT]est\(/.test(text);
    if (!isThere) missing.push(`${path} "${part}"`);
  }
  assertEquals(missing, []);
});

Deno.test("a promise that names no test is found", () => {
  const text = 'x\n| promise | shown by |\n| --- | --- |\n| a | `tests/a.ts` "b", "c" |\n| d | |\n';
  assertEquals(promises(`${text}\n`).map(({ tests }) => tests.map(({ part }) => part)), [
    ["b", "c"],
    [],
  ]);
});
