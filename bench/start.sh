#!/usr/bin/env bash
#
# How long a start takes, by hyperfine: what `--version` costs, and how long `serve` needs until it listens, at
# the first start of all (folders made, keys made) and at a later one; by Deno from the sources, and as the
# single binary where `deno task compile` has made it.
#
#     bash bench/start.sh [--quick]
#
# Needs hyperfine (Debian: hyperfine). Ports are chosen by the system.

set -euo pipefail
cd "$(dirname "$0")/.."
runs=20
if [ "${1:-}" = --quick ]; then runs=3; fi
if ! command -v hyperfine >/dev/null; then
  echo "hyperfine is not installed, so nothing was measured (Debian: apt install hyperfine)"
  exit 0
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
deno=${DENO:-deno}
from_source="$deno run --no-prompt --no-check -A --v8-flags=--max-semi-space-size=4 $PWD/src/cli/main.ts"
programs=("$from_source")
names=(deno)
if [ -x dist/yizhan ]; then
  programs+=("$PWD/dist/yizhan")
  names+=(binary)
fi

# Until the line of the log which says that it listens.
cat >"$folder/until_listening" <<'EOF'
#!/usr/bin/env bash
coproc server { exec "$@" serve --config yizhan.yaml --json 2>/dev/null; }
while read -r line <&"${server[0]}"; do
  [[ $line == *listener.started* ]] && kill -9 "$server_PID" && exit 0
done
exit 1
EOF
chmod +x "$folder/until_listening"

cd "$folder"
printf '# yizhan users 1\nuser alice@example.test -\n' >users
printf 'hostname: mx.example.test\nlisteners: [{role: mx, address: "127.0.0.1:0"}]\n' >yizhan.yaml

for index in "${!programs[@]}"; do
  program=${programs[$index]} name=${names[$index]}
  hyperfine --warmup 2 --runs "$runs" --style basic --command-name "$name: --version" "$program --version"
  hyperfine --warmup 1 --runs "$runs" --style basic --command-name "$name: first start" \
    --prepare 'rm -rf data' "./until_listening $program"
  hyperfine --warmup 1 --runs "$runs" --style basic --command-name "$name: start after kill -9" \
    "./until_listening $program"
done
