import { bunRuntime } from "../../src/runtime/bun.ts";
import { runNodeProgram } from "../../src/runtime/node_programs.ts";
import { nodeResolver } from "../../src/runtime/node_resolver.ts";
import type { Adapter } from "../contracts/adapter.ts";
import { clockContract } from "../contracts/clock_contract.ts";
import { filesContract } from "../contracts/files_contract.ts";
import { networkContract } from "../contracts/network_contract.ts";
import { programsContract } from "../contracts/programs_contract.ts";
import { dnssecContract, resolverContract } from "../contracts/resolver_contract.ts";
import { tlsContract } from "../contracts/tls_contract.ts";
import { DnsServer } from "../support/dns_server.ts";

/** Made of Node's modules alone, so it is held to its contracts here too; `tests/interop/` does it in Bun. */
const adapter: Adapter = {
  name: "bun's, in deno",
  async start() {
    const folder = await Deno.makeTempDir({ prefix: "yizhan-" });
    return {
      runtime: bunRuntime(),
      folder,
      end: () => Deno.remove(folder, { recursive: true }),
    };
  },
};

clockContract(adapter);
filesContract(adapter);
networkContract(adapter);
tlsContract(adapter);
programsContract(adapter.name, runNodeProgram);

dnssecContract(`${adapter.name}, validating`, async () => {
  const server = await DnsServer.start();
  const resolver = nodeResolver({ servers: [server.server], timeout: 30_000 });
  return { resolver, zones: server.zones, end: () => server[Symbol.asyncDispose]() };
});

for (const address of ["127.0.0.1", "::1"]) {
  resolverContract(`${adapter.name} by ${address}`, async (answers) => {
    const server = await DnsServer.start(undefined, address);
    const resolver = nodeResolver({ servers: [server.server], timeout: answers ? 30_000 : 200 });
    return { resolver, zones: server.zones, end: () => server[Symbol.asyncDispose]() };
  });
}
