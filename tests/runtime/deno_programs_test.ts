import { runProgram } from "../../src/runtime/deno_programs.ts";
import { programsContract } from "../contracts/programs_contract.ts";

programsContract("deno", runProgram);
