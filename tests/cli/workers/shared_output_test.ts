import { assertEquals, assertRejects } from "@std/assert";
import { SharedOutput } from "../../../src/cli/workers/shared_output.ts";

const encode = (text: string) => new TextEncoder().encode(text);

Deno.test("what several write at once comes out in whole pieces, though each write takes little", async () => {
  let text = "";
  const output = new SharedOutput({
    async write(bytes) {
      await new Promise((resolve) => setTimeout(resolve));
      text += new TextDecoder().decode(bytes.subarray(0, 3));
      return Math.min(3, bytes.length);
    },
  });
  const pieces = ["first line\nand another\n", "second\n", "third of them\n"];
  const sizes = await Promise.all(pieces.map((piece) => output.write(encode(piece))));
  assertEquals(text, pieces.join(""));
  assertEquals(sizes, pieces.map(({ length }) => length));
});

Deno.test("a write that fails is the trouble of who wrote it; the next is tried", async () => {
  let tries = 0;
  const output = new SharedOutput({
    // deno-lint-ignore require-await
    async write(bytes) {
      if (++tries === 1) throw new Error("broken pipe");
      return bytes.length;
    },
  });
  const first = output.write(encode("a\n"));
  const second = output.write(encode("b\n"));
  await assertRejects(() => first, Error, "broken pipe");
  assertEquals(await second, 2);
});
