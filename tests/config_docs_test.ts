import { assertEquals } from "@std/assert";
import { formatConfigDocs } from "./support/config_docs.ts";

Deno.test("docs/configuration.md is made of the schema (if not: deno task docs)", async () => {
  const formatter = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", "--ext", "md", "--line-width", "100", "-"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = formatter.stdin.getWriter();
  await writer.write(new TextEncoder().encode(formatConfigDocs()));
  await writer.close();
  const { stdout } = await formatter.output();
  const written = await Deno.readTextFile(new URL("../docs/configuration.md", import.meta.url));
  assertEquals(written, new TextDecoder().decode(stdout));
});
