/**
 * Other users of the machine: the control socket, the mail and the secrets of a station are not for them, and the
 * commands say so.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { findFreePort } from "../support/free_port.ts";
import { Newcomer } from "./newcomer.ts";
import { until } from "./daemon.ts";
import { installForAll, runAsNobody } from "./shared_program.ts";
import { interopTest, makeTemporaryFolder, run } from "./support.ts";

/** Root, without whom there are no other users. */
const NEEDS = Deno.uid() === 0 ? ["setpriv", "python3"] : ["root", "setpriv", "python3"];

interopTest(
  "commands of another user are refused at the control socket, clearly",
  NEEDS,
  async () => {
    await using newcomer = await Newcomer.arrive();
    const yizhan = await installForAll();
    const { path } = newcomer;
    await Deno.chmod(path, 0o755);
    await newcomer.do("init", "--local", "--yes", "--domain", "example.test");
    const config = `${path}/yizhan.yaml`;
    const text = (await Deno.readTextFile(config)).replace(
      /:2\d{3}"/g,
      () => `:${findFreePort()}"`,
    );
    await Deno.writeTextFile(config, text);
    await using _server = await newcomer.serve(3);
    const socket = `${path}/data/queue/control.sock`;
    await until("the control socket", () => Deno.stat(socket).catch(() => null));
    const before = await newcomer.do("status", "--json");

    const asking = ["status", "reload", "queue list", "queue retry --all", "trace --all"];
    for (const words of asking) {
      const ran = await runAsNobody(`${yizhan} ${words} --config ${config}`);
      assertEquals(ran.code, 77, `${words}\n${ran.text}`);
      assertEquals(
        ran.text,
        `yizhan: ${socket} is only for the user the server runs as, and for root\n`,
        words,
      );
    }
    const pid = (status: string) => JSON.parse(status).pid;
    assertEquals(pid(await newcomer.do("status", "--json")), pid(before));

    // Nor by a program of their own, nor through a way round the folder.
    const connect = `import socket,sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])`;
    for (const name of ["control.sock", "owner.sock"]) {
      const ran = await runAsNobody(`python3 -c '${connect}' ${path}/data/queue/${name}`);
      assertMatch(ran.text, /PermissionError/);
    }
    await Deno.chmod(`${path}/data/queue`, 0o755);
    const opened = await runAsNobody(`python3 -c '${connect}' ${socket}`);
    await Deno.chmod(`${path}/data/queue`, 0o700);
    assertMatch(opened.text, /PermissionError/);

    // The mail and the secrets.
    for (const name of ["data/queue", "data/mail", "dkim", "tls/key.pem", "users"]) {
      const { code } = await runAsNobody(`ls ${path}/${name}/ || cat ${path}/${name}`);
      assert(code !== 0, name);
    }
    const users = await runAsNobody(`${yizhan} user list --config ${config}`);
    assertEquals(users.code, 77, users.text);
    assertMatch(users.text, /^yizhan: [^\n]*users: [^\n]*permission[^\n]*\n$/i);
  },
);

interopTest("a configuration that another user may not read is told as such", NEEDS, async () => {
  await using folder = await makeTemporaryFolder();
  await Deno.chmod(folder.path, 0o755);
  const yizhan = await installForAll();
  const config = await folder.write("yizhan.yaml", "hostname: mx.example.test\n", 0o600);
  for (const words of ["serve", "status", "queue list", "config print", "check"]) {
    const { code, text } = await runAsNobody(`${yizhan} ${words} --config ${config}`);
    assertMatch(text, /yizhan\.yaml: cannot be read: permission denied; it must be open to/, words);
    assert(code === (words === "check" ? 78 : 66), `${words}: ${code}`);
    assertEquals(text.split("\n").filter((line) => line.includes("yizhan.yaml:")).length, 1, text);
  }
  assertEquals((await run("stat", ["-c", "%a", config])).text, "600\n");
});
