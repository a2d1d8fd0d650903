import { assertEquals, assertStringIncludes } from "@std/assert";

const BENCH = new URL("../../bench/", import.meta.url);

const PROGRAMS = [...Deno.readDirSync(BENCH)].map(({ name }) => name).filter((name) =>
  /^(?!data_decoder).*\.(?:ts|sh)$/.test(name)
);

/** What is there for the others, and measures nothing by itself. */
const TOOLS = ["load.ts", "sink.ts"];

/** Runs a program of the folder with one argument, and without what it could need. */
async function run(name: string, arg: string) {
  const [program, ...args] = name.endsWith(".sh") ? ["bash"] : [
    Deno.execPath(),
    "run",
    "--quiet",
    "--no-prompt",
    "--no-check",
    "--allow-env",
    "--allow-sys",
  ];
  const { code, stdout, stderr } = await new Deno.Command(program!, {
    args: [...args, new URL(name, BENCH).pathname, arg],
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

for (const name of PROGRAMS) {
  Deno.test(`bench/${name} --help says what it takes, and another flag is an error`, async () => {
    const [help, wrong] = await Promise.all([run(name, "--help"), run(name, "--bogus")]);
    assertEquals([help.code, wrong.code], [0, 64]);
    const usual = TOOLS.includes(name) ? ["--help"] : ["--help", "--quick", "--json"];
    for (const part of [`bench/${name}`, ...usual]) {
      assertStringIncludes(help.stdout, part);
    }
    assertStringIncludes(wrong.stderr, "--bogus is not known here");
  });
}
