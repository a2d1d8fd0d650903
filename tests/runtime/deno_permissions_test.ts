import { assertEquals, assertMatch } from "@std/assert";
import { DnsServer } from "../support/dns_server.ts";

/** What a program prints that has the resolver of a name server at this port, with one permission only. */
async function printed(port: number, permission: string, expression: string): Promise<string> {
  const module = new URL("../../src/runtime/deno.ts", import.meta.url).href;
  const program = `import { denoRuntime } from "${module}";
    const { resolver, network, files } = denoRuntime({ nameServers: ["127.0.0.1:${port}"] });
    console.log(JSON.stringify(await ${expression}));`;
  const file = await Deno.makeTempFile({ prefix: "yizhan-", suffix: ".ts" });
  await Deno.writeTextFile(file, program);
  const args = ["run", "--no-config", "--no-lock", "--no-prompt", "--no-check", permission, file];
  const { stdout } = await new Deno.Command(Deno.execPath(), { args, stderr: "null" }).output();
  await Deno.remove(file);
  return new TextDecoder().decode(stdout).trim();
}

Deno.test("a name server is asked by TCP alone where nothing else is permitted", async () => {
  await using server = await DnsServer.start();
  const { port } = server.server;
  const answer = await printed(port, `--allow-net=127.0.0.1:${port}`, `resolver.mx("gone.test")`);
  assertEquals(answer, `{"status":"none","reason":"nxdomain"}`);
  assertEquals(server.asked.at(-1), "tcp MX gone.test");
});

Deno.test("a name server that may not be asked is a failure that says why", async () => {
  const answer = await printed(9, "--allow-net=127.0.0.2", `resolver.mx("gone.test")`);
  assertMatch(answer, /"failed".*127\.0\.0\.1:9: may not be asked \(--allow-net\)/);
});

Deno.test("connect() from an address of ours without the permission fails and no more", async () => {
  const to = `{ transport: "tcp", hostname: "127.0.0.1", port: 9 }`;
  const connect = `network.connect(${to}, { source: "127.0.0.1" }).catch(({ code }) => code)`;
  for (const permitted of ["127.0.0.2", "127.0.0.1:0", "127.0.0.1:9"]) {
    assertEquals(await printed(9, `--allow-net=${permitted}`, connect), `"EACCES"`);
  }
});

Deno.test("open() with noFollow follows no link where not everything is permitted", async () => {
  const folder = await Deno.makeTempDir({ prefix: "yizhan-" });
  await Deno.writeTextFile(`${folder}/file`, "ours alone");
  await Deno.symlink("file", `${folder}/link`);
  await Deno.symlink("/etc/passwd", `${folder}/away`);
  await Deno.symlink("none", `${folder}/nowhere`);
  const opened = (name: string) => {
    const open = `files.open("${folder}/${name}", { read: true, noFollow: true })`;
    const said = `${open}.then((file) => file.identify(), ({ code }) => ({ kind: code }))`;
    return printed(9, `--allow-read=${folder}`, `${said}.then(({ kind }) => kind)`);
  };
  assertEquals(await opened("file"), `"file"`);
  assertEquals(await opened("."), `"directory"`);
  for (const link of ["link", "away", "nowhere"]) assertEquals(await opened(link), `"ELOOP"`);
  assertEquals(await opened("missing"), `"ENOENT"`);
  await Deno.remove(folder, { recursive: true });
});
