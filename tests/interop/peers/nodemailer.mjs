// Sends mails with nodemailer; request and answer are JSON on standard input and output.
//
// Request: { "transport": {options of createTransport}, "mails": [{options of sendMail}] }. Answer: for
// each mail { "accepted", "rejected", "response", "error": null | { "code", "responseCode", "message" } }
//
// The specifier is not a literal, so that checking this repository downloads nothing.
const version = "10.6.0";
const { createTransport } = await import(`npm:nodemailer@${version}`);

const { transport, mails } = await new Response(Deno.stdin.readable).json();
const transporter = createTransport(transport);
const answers = await Promise.all(mails.map(async (mail) => {
  try {
    const { accepted, rejected, response } = await transporter.sendMail(mail);
    return { accepted, rejected, response, error: null };
  } catch ({ code, responseCode, message }) {
    return { accepted: [], rejected: [], response: "", error: { code, responseCode, message } };
  }
}));
transporter.close();
console.log(JSON.stringify(answers));
