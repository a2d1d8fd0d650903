import { denoRuntime } from "../../src/runtime/deno.ts";
import type { Adapter } from "../contracts/adapter.ts";
import { clockContract } from "../contracts/clock_contract.ts";
import { filesContract } from "../contracts/files_contract.ts";
import { networkContract } from "../contracts/network_contract.ts";
import { tlsContract } from "../contracts/tls_contract.ts";

const adapter: Adapter = {
  name: "deno",
  async start() {
    const folder = await Deno.makeTempDir({ prefix: "yizhan-" });
    return {
      runtime: denoRuntime(),
      folder,
      end: () => Deno.remove(folder, { recursive: true }),
    };
  },
};

clockContract(adapter);
filesContract(adapter);
networkContract(adapter);
tlsContract(adapter);
