// Signs mails by DKIM with a package for Node.js; the argument says which: nodemailer or mailauth. Request and answer
// are those of dkim_sign_all.py; what nodemailer is not to sign by is not asked of it.
//
// The specifiers are no literals, so that checking this repository downloads nothing.
import { Buffer } from "node:buffer";

const [packageName] = Deno.args;
const versions = { nodemailer: "10.6.0", mailauth: "7.1.0" };
const load = (path = "") => import(`npm:${packageName}@${versions[packageName]}${path}`);

/** The field that nodemailer puts on top of a mail it sends into a stream. */
async function signByNodemailer({ mail, domain, selector, key, names }) {
  const { createTransport } = await load();
  const transport = createTransport({ streamTransport: true, newline: "windows", buffer: true });
  const raw = Buffer.from(mail, "base64");
  const headerFieldNames = names === null ? {} : { headerFieldNames: names.join(":") };
  const dkim = { domainName: domain, keySelector: selector, privateKey: key, ...headerFieldNames };
  const envelope = { from: "ann@example.org", to: "bob@example.net" };
  const { message } = await transport.sendMail({ envelope, raw, dkim });
  return message.subarray(0, message.length - raw.length).toString("base64");
}

async function signByMailauth(wanted) {
  const { dkimSign } = (await load("/lib/dkim/sign.js")).default;
  const { mail, domain, selector, key, ed25519, head, body, names } = wanted;
  const { signatures, errors } = await dkimSign(Buffer.from(mail, "base64"), {
    canonicalization: `${head}/${body}`,
    algorithm: ed25519 ? "ed25519-sha256" : "rsa-sha256",
    signTime: new Date(),
    ...(names === null ? {} : { headerList: names }),
    signatureData: [{ signingDomain: domain, selector, privateKey: key }],
  });
  if (errors.length > 0) throw new Error(JSON.stringify(errors));
  return Buffer.from(signatures).toString("base64");
}

const sign = packageName === "nodemailer" ? signByNodemailer : signByMailauth;
const fields = [];
for (const wanted of await new Response(Deno.stdin.readable).json()) {
  fields.push(await sign(wanted));
}
console.log(JSON.stringify(fields));
