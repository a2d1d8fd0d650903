import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { CommandError } from "../../src/cli/exit.ts";
import { formatDenoCommand, requirePermissions } from "../../src/cli/permissions.ts";
import { explainFailure } from "../../src/cli/trouble.ts";
import { SystemError } from "../../src/runtime/system_error.ts";

const NEEDS = {
  read: ["/srv/my mail", "users"],
  write: ["/srv/my mail"],
  listen: [
    { transport: "tcp", hostname: "::1", port: 25 },
    { transport: "unix", path: "/run/l.sock" },
  ],
  sys: ["statfs"],
} as const;

Deno.test("formatDenoCommand() grants what is needed, quoted for a shell", () => {
  const command = formatDenoCommand(NEEDS, ["serve", "--mail", "/srv/my mail", "--users", "users"]);
  const main = import.meta.resolve("../../src/cli/main.ts").slice("file://".length);
  assertEquals(
    command,
    "deno run '--allow-net=[::1]:25,unix:/run/l.sock' '--allow-read=/srv/my mail,users,/run/l.sock' " +
      `'--allow-write=/srv/my mail,/run/l.sock' --allow-sys=statfs ${main} ` +
      "serve --mail '/srv/my mail' --users users",
  );
});

Deno.test("requirePermissions() is silent when all is granted", () => {
  requirePermissions({ read: ["."], write: [], listen: [], sys: [] }, []);
});

Deno.test({
  name: "requirePermissions() names what is missing and the command to run",
  permissions: { read: true, write: false, net: ["127.0.0.1"] },
  fn: () => {
    const listen = [{ transport: "tcp" as const, hostname: "127.0.0.1", port: 0 }];
    const missing = (write: string[], hosts: typeof listen) =>
      assertThrows(
        () => requirePermissions({ read: [], write, listen: hosts, sys: [] }, ["dev"]),
        CommandError,
      );
    const error = missing(["data"], listen);
    assertMatch(
      error.message,
      /lacks the permission to write data; run: deno run .*--allow-write=data/,
    );
    assertEquals(error.exitCode, 77);
    requirePermissions({ read: ["x"], write: [], listen, sys: [] }, []);
    assertMatch(
      missing([], [{ transport: "tcp", hostname: "0.0.0.0", port: 25 }]).message,
      /permission to listen on 0\.0\.0\.0:25; run: deno run --allow-net=0\.0\.0\.0:25 /,
    );
  },
});

Deno.test("explainFailure() tells what Deno refuses from what the system refuses", () => {
  const explain = (cause: Error) => {
    const error = new SystemError("EACCES", cause.message, { cause });
    return explainFailure("cannot listen", error)?.message ?? "";
  };
  assertEquals(
    explain(new Deno.errors.NotCapable('Requires net access to "unix:/l.sock"')),
    'cannot listen: Deno was not given that permission: Requires net access to "unix:/l.sock"',
  );
  assertMatch(explain(new Deno.errors.PermissionDenied("denied")), /open it to the user/);
});
