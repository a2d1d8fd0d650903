import { assert, assertEquals } from "@std/assert";
import { formatEventDocs, parseEvents, readEventSources } from "./support/event_docs.ts";

const SOURCES = await readEventSources();
const SOURCE = SOURCES.join("\n");
const EVENTS = SOURCES.flatMap(parseEvents);

Deno.test("src/events.ts has all areas of src/events/", () => {
  const files = [...Deno.readDirSync(new URL("../src/events", import.meta.url))];
  assertEquals(SOURCES.length, files.length);
});

Deno.test("src/events/ says of every event and every field what it is", () => {
  const types = [...SOURCE.matchAll(/readonly type: "([^"]+)"/g)].map(([, type]) => type);
  assert(types.length > 30);
  assertEquals(EVENTS.map(({ type }) => type), types);
  for (const { type, text, fields } of EVENTS) {
    assert(text !== "", `${type} has no comment`);
    const block = SOURCE.slice(SOURCE.indexOf(`"${type}"`)).split(/\n? *\}/)[0]!;
    assertEquals(fields.length, block.match(/readonly \w+\??:/g)?.length ?? 0, type);
    for (const field of fields) assert(field.text !== "", `${type}: ${field.name} has no comment`);
  }
});

Deno.test("docs/events.md is made of src/events/ (if not: deno task docs)", async () => {
  const formatter = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", "--ext", "md", "--line-width", "100", "-"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = formatter.stdin.getWriter();
  await writer.write(new TextEncoder().encode(formatEventDocs(EVENTS)));
  await writer.close();
  const { stdout } = await formatter.output();
  const written = await Deno.readTextFile(new URL("../docs/events.md", import.meta.url));
  assertEquals(written, new TextDecoder().decode(stdout));
});
