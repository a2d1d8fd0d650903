/**
 * The configuration that `yizhan init` writes: only what a newcomer must see, and where the rest is told.
 *
 * @module
 */

import { type InitAnswers, LISTEN_LOCAL, LISTEN_OPEN } from "./init_answers.ts";

/** The text of `yizhan.yaml`. */
export function formatStationConfig(answers: InitAnswers): string {
  const { domain, hostname, addresses, user, local, data } = answers;
  const { mx, submission, submissions } = local ? LISTEN_LOCAL : LISTEN_OPEN;
  const listenAt = ({ host, port }: { host: string; port: number }) => quote(`${host}:${port}`);
  return `# yaml-language-server: $schema=./yizhan.schema.json
#
# What Yizhan goes by. All keys and their defaults: yizhan config print --defaults
# After a change: yizhan check, then yizhan reload.
#
# Everybody on this machine may read this file, so that yizhan send finds its way. Keep passwords in files
# of their own: password: { file: PATH }

# This machine's name in DNS. It says so in greetings, and others look whether it is true.
hostname: ${quote(hostname)}

# Its addresses as DNS has them.
addresses: [${addresses.map(quote).join(", ")}]

# Mail for these ends here. Who lives there is in the file users: yizhan user add
domains: [${quote(domain)}]
${
    data === undefined
      ? ""
      : `\n# All that the server keeps: mail and queue.\ndata: ${quote(data)}\n`
  }
mail:
  # Who gets mail for postmaster, of every domain (RFC 5321 §4.5.1).
  postmaster: ${quote(user)}

listeners:
  # From other servers.
  - role: mx
    address: ${listenAt(mx)}
  # From the mail programs of your users: by STARTTLS, and with TLS from the start.
  - role: submission
    address: ${listenAt(submission)}
  - role: submissions
    address: ${listenAt(submissions)}

tls:
  certificates:
    # Signed by itself: enough for other servers, but mail programs warn. Put one of an authority in its place,
    # or name its files here if the server's user may read them. A renewed one is seen within a minute.
    #   certbot, lego  keep theirs for root: let a hook copy them here; docs/setup.md has one
    #   acme.sh        acme.sh --install-cert -d ${hostname} --fullchain-file tls/certificate.pem \\
    #                    --key-file tls/key.pem
    - certificate: tls/certificate.pem
      key: tls/key.pem
${local ? "" : WEB}`;
}

/** What takes names in DNS and two more ports. */
const WEB = `
# Or Yizhan gets certificates by itself, from Let's Encrypt, and shows on the web what others ask your domain
# for: the policy of MTA-STS, and how mail programs set up an account. Take the signs below away, and tls above
# out; then yizhan dns says which names to publish.
#
# web:
#   listeners:
#     - address: "[::]:443"
#     - address: "[::]:80"
#       tls: false
# acme:
#   # You have read the terms of service: https://letsencrypt.org/repository/
#   agreeToTerms: true
`;

/** Text that YAML must not take for anything else; JSON's form is one of its own (YAML 1.2 §7.3.1). */
function quote(text: string): string {
  return /^[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]*[a-z-][a-z0-9-]*)+$/.test(text)
    ? text
    : JSON.stringify(text);
}
