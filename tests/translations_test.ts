/**
 * No translation lags behind unseen: each has the sections, commands, links and names of its original.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { outlineOf, proseOf } from "./support/translation.ts";

const ROOT = new URL("..", import.meta.url);

async function findTranslations(): Promise<string[]> {
  const found: string[] = [];
  for (const folder of ["", "docs/"]) {
    for await (const { name } of Deno.readDir(new URL(`./${folder}`, ROOT))) {
      if (name.endsWith(".zh-CN.md")) found.push(folder + name);
    }
  }
  return found.toSorted();
}

const TRANSLATIONS = await findTranslations();

const read = (path: string) => Deno.readTextFile(new URL(path, ROOT));

Deno.test("The README is there in Chinese", () => {
  assert(TRANSLATIONS.includes("README.zh-CN.md"));
});

for (const path of TRANSLATIONS) {
  const original = path.replace(".zh-CN.md", ".md");
  const [file, originalFile] = [path, original].map((name) => name.split("/").at(-1)!);

  Deno.test(`${path} has what ${original} has`, async () => {
    const expected = outlineOf(await read(original));
    const translated = outlineOf(await read(path));
    for (const [index, section] of expected.entries()) {
      assertEquals(translated[index], section, `section ${index + 1}`);
    }
    assertEquals(translated.length, expected.length);
  });

  Deno.test(`${path} and ${original} lead to each other at their top`, async () => {
    const top = (text: string) => text.split("\n").slice(0, 4).join("\n");
    assertStringIncludes(top(await read(original)), `](${file})`);
    assertStringIncludes(top(await read(path)), `](${originalFile})`);
  });

  Deno.test(`${path} is set as Chinese is`, async () => {
    const prose = proseOf(await read(path));
    const plain = prose.replaceAll(/`[^`]+`/g, "`").replaceAll(/\]\([^)]+\)/g, "]");
    // A browser shows a line break as a space, and Chinese has none between its characters.
    const broken = /[\u3000-\u9fff\uff00-\uffef]\n *[\u3000-\u9fff\uff00-\uffef]/;
    assertEquals(broken.exec(plain)?.[0], undefined);
    // Nor does it use the punctuation of Latin scripts, or touch their letters.
    for (const beside of [/[,;:!?()]/, /[A-Za-z0-9`]/]) {
      const touching = new RegExp(
        `[\\u4e00-\\u9fff]${beside.source}|${beside.source}[\\u4e00-\\u9fff]`,
      );
      assertEquals(touching.exec(plain)?.[0], undefined);
    }
  });
}
