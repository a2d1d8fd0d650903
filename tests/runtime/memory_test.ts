import { memoryRuntime } from "../../src/runtime/memory.ts";
import type { Adapter } from "../contracts/adapter.ts";
import { clockContract } from "../contracts/clock_contract.ts";
import { filesContract } from "../contracts/files_contract.ts";
import { networkContract } from "../contracts/network_contract.ts";
import { tlsContract } from "../contracts/tls_contract.ts";

const adapter: Adapter = {
  name: "memory",
  async start() {
    const runtime = memoryRuntime();
    await runtime.files.makeDirectory("/work", 0o700);
    return { runtime, folder: "/work", end: () => {} };
  },
};

clockContract(adapter);
filesContract(adapter);
networkContract(adapter);
tlsContract(adapter);
