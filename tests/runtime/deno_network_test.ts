import { assert, assertEquals } from "@std/assert";
import { denoRuntime } from "../../src/runtime/deno.ts";
import { socketAddress } from "../../src/runtime/deno_connection.ts";
import { withErrorCode } from "../../src/runtime/deno_errors.ts";
import { DenoListener } from "../../src/runtime/deno_network.ts";
import { errorCode } from "../../src/runtime/system_error.ts";
import { codeOf } from "../support/connections.ts";

const { network } = denoRuntime();

/** A listener whose first accepts throw what is given. */
function failing(...errors: Error[]): { listener: DenoListener; accepts: () => number } {
  const real = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accept = real.accept.bind(real);
  let accepts = 0;
  real.accept = () => {
    accepts++;
    const error = errors.shift();
    return error === undefined ? accept() : Promise.reject(error);
  };
  return { listener: new DenoListener(real), accepts: () => accepts };
}

Deno.test("accept() waits out troubles of the machine and reports them", async () => {
  const tooMany = Object.assign(new Error("Too many open files (os error 24)"), { code: "EMFILE" });
  const { listener } = failing(tooMany, new Deno.errors.ConnectionAborted("gone"));
  const troubles: unknown[] = [];
  const [client, server] = await Promise.all([
    network.connect(listener.address),
    listener.accept((trouble) => troubles.push(errorCode(trouble))),
  ]);
  assertEquals(troubles, ["EMFILE", "ECONNABORTED"]);
  client.close();
  server!.close();
  listener.close();
});

Deno.test("close() ends an accept() that waits out a trouble", async () => {
  const { listener, accepts } = failing(new Error("trouble"));
  const accepting = listener.accept(() => queueMicrotask(() => listener.close()));
  assertEquals(await accepting, null);
  assertEquals(accepts(), 1);
});

Deno.test("listen() takes over the path of a unix socket nobody answers", async () => {
  const folder = await Deno.makeTempDir({ prefix: "yizhan-" });
  const path = `${folder}/owner.sock`;
  // A socket that has another name when its owner closes it stays behind, as after a crash.
  const dead = Deno.listen({ transport: "unix", path: `${folder}/dead.sock` });
  await Deno.rename(`${folder}/dead.sock`, path);
  dead.close();
  assert((await Deno.lstat(path)).isSocket);

  const listener = await network.listen({ transport: "unix", path });
  const client = await network.connect({ transport: "unix", path });
  (await listener.accept())!.close();
  client.close();
  listener.close();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("listen() has the path of a unix socket at once that was closed while it accepted", async () => {
  const folder = await Deno.makeTempDir({ prefix: "yizhan-" });
  const address = { transport: "unix", path: `${folder}/lmtp.sock` } as const;
  const before = await network.listen(address);
  const accepting = before.accept();
  await Deno.lstat(address.path); // by now the accept is under way
  before.close();
  const listener = await network.listen(address);
  assertEquals(await accepting, null);
  // And it keeps the path.
  const client = await network.connect(address);
  (await listener.accept())!.close();
  client.close();
  listener.close();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("listen() leaves what is no unix socket alone", async () => {
  const folder = await Deno.makeTempDir({ prefix: "yizhan-" });
  const path = `${folder}/precious`;
  await Deno.writeTextFile(path, "content");
  assertEquals(await codeOf(network.listen({ transport: "unix", path })), "EADDRINUSE");
  assertEquals(await Deno.readTextFile(path), "content");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("connect() to a unix socket gives up when its signal is aborted", async () => {
  const folder = await Deno.makeTempDir({ prefix: "yizhan-" });
  const listener = await network.listen({ transport: "unix", path: `${folder}/s` });
  const giveUp = new AbortController();
  const connecting = network.connect(listener.address, { signal: giveUp.signal });
  giveUp.abort(new DOMException("too long", "TimeoutError"));
  assertEquals(await connecting.then(() => null, (error) => error.name), "TimeoutError");
  // What connected all the same was closed: the end, or not even accepted.
  const server = await listener.accept();
  assertEquals(await server!.read(new Uint8Array(1)), null);
  server!.close();
  listener.close();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("socketAddress() shows IPv4 peers of a dual-stack socket in dotted form", () => {
  const shown = (hostname: string) => {
    const address = socketAddress({ transport: "tcp", hostname, port: 25 });
    return address.transport === "tcp" ? address.hostname : null;
  };
  assertEquals(shown("::ffff:192.0.2.7"), "192.0.2.7");
  assertEquals(shown("::FFFF:192.0.2.7"), "192.0.2.7");
  assertEquals(shown("2001:db8::192"), "2001:db8::192");
  assertEquals(shown("::1"), "::1");
});

Deno.test("withErrorCode() gives every error of Deno its errno name", () => {
  const cases: [Error, string | undefined][] = [
    [new Deno.errors.Interrupted("operation canceled"), "ECANCELED"],
    [new Deno.errors.BadResource("Bad resource ID"), "EBADF"],
    [new Deno.errors.ConnectionReset("reset"), "ECONNRESET"],
    [new Deno.errors.BrokenPipe("pipe"), "EPIPE"],
    [new Deno.errors.NotCapable("Requires net access"), "EACCES"],
    [Object.assign(new Error("full"), { code: "ENOSPC" }), "ENOSPC"],
    [new Error("failed to lookup address information: Name or service not known"), "ENOTFOUND"],
    [
      Object.assign(new TypeError("path must be shorter than SUN_LEN"), { code: "EINVAL" }),
      "ENAMETOOLONG",
    ],
    [new TypeError("a bug"), undefined],
  ];
  for (const [error, code] of cases) assertEquals(errorCode(withErrorCode(error)), code);
});

Deno.test("sleep() does not keep the process alive", async () => {
  const module = new URL("../../src/runtime/deno.ts", import.meta.url).href;
  const program = `import { denoRuntime } from "${module}"; denoRuntime().clock.sleep(3_600_000);`;
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", "--no-lock", program],
    stdout: "null",
    stderr: "piped",
  }).output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
});
