import { resolverContract } from "../contracts/resolver_contract.ts";
import { denoResolver } from "../../src/runtime/deno_resolver.ts";
import { DnsServer } from "../support/dns_server.ts";

resolverContract("deno", async () => {
  const server = await DnsServer.start();
  const resolver = denoResolver({ servers: [server.server], timeout: 300 });
  return { resolver, zones: server.zones, end: () => server[Symbol.asyncDispose]() };
});
