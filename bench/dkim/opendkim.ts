/**
 * OpenDKIM beside: its test mode signs or verifies the mails of files one after the other, in one process, without
 * milter protocol or network. The time of its start, with one mail, is taken off.
 *
 * @module
 */

import { DOMAIN, SELECTORS } from "./contenders.ts";

/** OpenDKIM, with mails in a folder. */
export interface OpenDkim {
  readonly name: string;
  /** Mails a second. */
  rate(work: "sign" | "verify"): Promise<number>;
}

/**
 * Writes what it needs to a folder; `null` where it is not installed.
 *
 * @param signed the same mails with a signature.
 */
export async function openDkim(
  folder: string,
  key: string,
  records: Readonly<Record<string, string>>,
  mails: readonly Uint8Array[],
  signed: readonly Uint8Array[],
): Promise<OpenDkim | null> {
  const version = await run(folder, ["-V"]).catch(() => null);
  if (version === null) return null;
  const lines = Object.entries(records).map(([name, text]) => `${name} ${text}\n`);
  await Deno.writeTextFile(`${folder}/keys`, lines.join(""));
  await Deno.writeTextFile(`${folder}/key.pem`, key, { mode: 0o600 });
  // Whoever the author is.
  await Deno.writeTextFile(`${folder}/signers`, "* all\n");
  const signer = `all ${DOMAIN}:${SELECTORS.rsa}:${folder}/key.pem\n`;
  await Deno.writeTextFile(`${folder}/key-table`, signer);
  const common = "Syslog no\nRequireSafeKeys no\nTemporaryDirectory " + folder + "\n";
  const settings = {
    sign: `Mode s\nKeyTable file:${folder}/key-table\nSigningTable refile:${folder}/signers\n` +
      "Canonicalization relaxed/relaxed\nInternalHosts 0.0.0.0/0\n",
    verify: `Mode v\nTestPublicKeys ${folder}/keys\n`,
  };
  for (const [work, own] of Object.entries({ sign: mails, verify: signed })) {
    await Deno.writeTextFile(
      `${folder}/${work}.conf`,
      common + settings[work as "sign" | "verify"],
    );
    for (const [index, mail] of own.entries()) {
      await Deno.writeFile(`${folder}/${work[0]}${index}`, mail);
    }
  }
  const time = async (work: "sign" | "verify", count: number) => {
    const files = Array.from({ length: count }, (_, index) => `${work[0]}${index}`).join(",");
    const start = performance.now();
    const text = await run(folder, ["-x", `${work}.conf`, "-t", files]);
    const elapsed = performance.now() - start;
    const done = text.match(
      work === "sign" ? /^DKIM-Signature/gm : /verification \(.*succeeded$/gm,
    );
    if (done?.length !== count) {
      throw new Error(`opendkim did ${done?.length ?? 0} of ${count}: ${text}`);
    }
    return elapsed;
  };
  return {
    name: `OpenDKIM ${/v([\d.]+)/.exec(version)?.[1]}, RSA-2048, one process`,
    async rate(work) {
      const start = await time(work, 1);
      return (mails.length - 1) * 1000 / (await time(work, mails.length) - start);
    },
  };
}

async function run(cwd: string, args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command("opendkim", { args, cwd }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  if (code !== 0) throw new Error(`opendkim ${args[0]} ended with ${code}: ${text}`);
  return text;
}
