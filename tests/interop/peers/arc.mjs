// Seals and verifies mails by ARC with mailauth, a package for Node.js. Request and answer are those of arc.py.
//
// The specifier is no literal, so that checking this repository downloads nothing.
import { Buffer } from "node:buffer";

const name = "mailauth@7.1.0";
const { authenticate, sealMessage } = (await import(`npm:${name}`)).default;

const { mails, records, seal } = await new Response(Deno.stdin.readable).json();

// deno-lint-ignore require-await
async function resolver(name, type) {
  const text = type === "TXT" ? records[name] : undefined;
  if (text === undefined) throw Object.assign(new Error("ENOTFOUND"), { code: "ENOTFOUND" });
  return [[text]];
}

async function answer(mail) {
  if (seal === undefined) {
    const { arc } = await authenticate(mail, { resolver, disableDmarc: true, disableBimi: true });
    return arc.status.result;
  }
  const own = new RegExp(
    `^Authentication-Results: ${RegExp.escape(seal.id)};([^]*?)\r\n(?![ \t])`,
    "mi",
  );
  const found = own.exec(mail.toString("latin1"))[1];
  const fields = await sealMessage(mail, {
    signingDomain: seal.domain,
    selector: seal.selector,
    privateKey: seal.key,
    authResults: `${seal.id};${found}`,
    cv: /\barc=(\w+)/.exec(found)?.[1] ?? "none",
  });
  return Buffer.from(fields).toString("base64");
}

const answers = [];
for (const mail of mails) answers.push(await answer(Buffer.from(mail, "base64")));
console.log(JSON.stringify(answers));
