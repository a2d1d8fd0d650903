/**
 * A configuration as a person writes it, with keys of every kind, and what it says: written down here by hand.
 *
 * @module
 */

/** The file. */
export const CONFIG = `# A station
version: 1
hostname: mx.example.org
addresses: [192.0.2.1, "2001:db8::1"]
domains: [example.com, bücher.example]
users: etc/users
data: /var/lib/yizhan
mail:
  postmaster: alice@example.org
  subaddressDelimiter: "-"
  memory: 64M
listeners:
  - { role: mx, address: "0.0.0.0:25", banner: No spam please, greetingDelay: 2s }
  - role: submissions
    name: users
    address: "[::]:465"
    extensions: { chunking: false, auth: [SCRAM-SHA-256] }
  - role: lmtp
    address: unix:/run/yizhan/lmtp.sock
tls:
  certificates:
    - { certificate: /etc/ssl/mx.crt, key: /etc/ssl/mx.key }
limits:
  messageSize: 50M
relay:
  from: [192.0.2.0/24]
  nameServers: [127.0.0.1, "[::1]:53"]
  routes:
    - domains: [.example.net]
      accept: true
      via: { kind: mx, port: 2525, family: ipv4-only }
    - domains: [example.edu]
      via: { kind: hold, then: { kind: lmtp, address: "127.0.0.1:24" } }
    - domains: [lists.example.org]
      via: { kind: pipe, program: /usr/bin/lists, arguments: ["{recipient}"] }
    - domains: ["*"]
      via:
        kind: smarthost
        host: smtp.example.net
        credentials: { user: alice, password: { file: secrets/smarthost } }
queue:
  paused: true
  retry: { first: 6m, factor: 1.5, longest: 4h, lifetime: 5d, delayNotice: null }
  retryDomains: { .example.net: { lifetime: 1d12h } }
  srsSecret: a secret of sixteen letters
drop:
  interval: 5s
  senders:
    www-data: [shop.example.org]
    "1001": any
dkim: { directory: keys, selector: s2026 }
log: { format: json }
monitor: { address: "127.0.0.1:9125" }
stop: { grace: 30s }
`;

const tcp = (hostname: string, port: number) => ({ transport: "tcp", hostname, port });

/** What it says: durations in milliseconds, sizes in octets. */
export const SAYS = {
  hostname: "mx.example.org",
  addresses: ["192.0.2.1", "2001:db8::1"],
  domains: ["example.com", "bücher.example"],
  users: "etc/users",
  data: "/var/lib/yizhan",
  mail: {
    directory: "mail",
    postmaster: "alice@example.org",
    subaddressDelimiter: "-",
    memory: 67_108_864,
  },
  listeners: [
    {
      role: "mx",
      address: tcp("0.0.0.0", 25),
      banner: "No spam please",
      greetingDelay: 2000,
    },
    {
      role: "submissions",
      name: "users",
      address: tcp("::", 465),
      extensions: { chunking: false, auth: ["SCRAM-SHA-256"] },
    },
    { role: "lmtp", address: { transport: "unix", path: "/run/yizhan/lmtp.sock" } },
  ],
  tls: { certificates: [{ certificate: "/etc/ssl/mx.crt", key: "/etc/ssl/mx.key" }] },
  limits: { messageSize: 52_428_800 },
  relay: {
    enabled: true,
    from: ["192.0.2.0/24"],
    nameServers: ["127.0.0.1", "[::1]:53"],
    routes: [
      {
        domains: [".example.net"],
        accept: true,
        via: { kind: "mx", port: 2525, family: "ipv4-only" },
      },
      {
        domains: ["example.edu"],
        via: { kind: "hold", then: { kind: "lmtp", address: tcp("127.0.0.1", 24) } },
      },
      {
        domains: ["lists.example.org"],
        via: { kind: "pipe", program: "/usr/bin/lists", arguments: ["{recipient}"] },
      },
      {
        domains: ["*"],
        via: {
          kind: "smarthost",
          host: "smtp.example.net",
          credentials: { user: "alice", password: { file: "secrets/smarthost" } },
        },
      },
    ],
  },
  queue: {
    paused: true,
    retry: {
      first: 360_000,
      factor: 1.5,
      longest: 14_400_000,
      lifetime: 432_000_000,
      delayNotice: null,
    },
    retryDomains: { ".example.net": { lifetime: 129_600_000 } },
    srsSecret: "a secret of sixteen letters",
  },
  drop: {
    interval: 5000,
    senders: { "www-data": ["shop.example.org"], "1001": "any" },
  },
  dkim: { directory: "keys", selector: "s2026" },
  log: { format: "json" },
  monitor: { address: tcp("127.0.0.1", 9125) },
  stop: { grace: 30_000 },
};
