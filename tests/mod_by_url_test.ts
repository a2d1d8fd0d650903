import { assertEquals, assertStringIncludes } from "@std/assert";

const ROOT = new URL("..", import.meta.url);

/** Serves the repository's sources as a web server would, and notes what was asked for. */
function serveRepository(): {
  readonly server: Deno.HttpServer<Deno.NetAddr>;
  readonly asked: string[];
} {
  const asked: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    asked.push(pathname);
    try {
      const source = await Deno.readFile(new URL(`.${pathname}`, ROOT));
      return new Response(source, { headers: { "content-type": "application/typescript" } });
    } catch {
      return new Response(null, { status: 404 });
    }
  });
  return { server, asked };
}

const program = (origin: string) => `
import { createMta } from "${origin}/mod.ts";

const mta = await createMta({
  listeners: [{ role: "catcher", address: { transport: "tcp", hostname: "127.0.0.1", port: 0 } }],
  delivery: { maildirRoot: "mail" },
  onEvent: (event) => event.type === "message.accepted" && console.log(event.subject),
});
const connection = await Deno.connect(mta.addresses[0]);
await connection.write(new TextEncoder().encode(
  "EHLO c\\r\\nMAIL FROM:<a@b.test>\\r\\nRCPT TO:<c@d.test>\\r\\nDATA\\r\\nSubject: by URL\\r\\n\\r\\nhi\\r\\n.\\r\\nQUIT\\r\\n",
));
for await (const _ of connection.readable);
await mta.stop();
`;

Deno.test("mod.ts runs when a program without a config file imports it by URL", async () => {
  const folder = await Deno.makeTempDir();
  const { server, asked } = serveRepository();
  try {
    const origin = `http://127.0.0.1:${server.addr.port}`;
    await Deno.writeTextFile(`${folder}/program.ts`, program(origin));
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-prompt",
        "--no-lock",
        "--no-npm",
        "--allow-net=127.0.0.1",
        "--allow-read=mail",
        "--allow-write=mail",
        `--allow-import=127.0.0.1:${server.addr.port}`,
        "program.ts",
      ],
      cwd: folder,
      env: { DENO_DIR: `${folder}/cache`, NO_COLOR: "1" },
    }).output();
    const text = new TextDecoder();
    assertEquals(success, true, text.decode(stderr));
    assertEquals(text.decode(stdout), "by URL\n");
    assertStringIncludes(asked.join(" "), "/src/smtp/server_session.ts");
    assertEquals(asked.filter((path) => path.endsWith(".json")), []);
  } finally {
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
});
