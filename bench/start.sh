#!/usr/bin/env bash
#
# How long a start takes, by hyperfine: what `--version` costs, and how long `serve` needs until it listens, at
# the first start of all (folders made, keys made) and at a later one; by Deno from the sources, and as the
# single binary where `deno task compile` has made it.
#
#     bash bench/start.sh [--quick] [--json]
#
# Needs hyperfine (Debian: hyperfine). Ports are chosen by the system.

set -euo pipefail
cd "$(dirname "$0")/.."
runs=20 json=no
for arg in "$@"; do
  case $arg in
    --quick) runs=3 ;;
    --json) json=yes ;;
    --help)
      printf '%s\n' 'Usage: bench/start.sh [FLAGS]' '' 'How long a start takes, by hyperfine.' '' \
        'Flags:' '  --quick  3 runs in place of 20' '  --json   Print a line of JSON for each figure' \
        '  --help   Print this help'
      exit 0
      ;;
    *)
      printf 'bench/start.sh: %s is not known here; see --help\n' "$arg" >&2
      exit 64
      ;;
  esac
done
if ! command -v hyperfine >/dev/null; then
  echo "hyperfine is not installed, so nothing was measured (Debian: apt install hyperfine)" >&2
  exit 69
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

# What hyperfine has measured, as a figure.
to_figure='
  const { results: [{ command, median, min, max, times }] } = JSON.parse(Deno.readTextFileSync("result.json"));
  const ms = (seconds) => Number((seconds * 1000).toPrecision(5));
  const [name, unit, runs] = [command, "ms", times.length];
  const figure = { median: ms(median), lowest: ms(min), highest: ms(max), runs };
  console.log(JSON.stringify({ bench: "start", name, unit, ...figure }));
'

# NAME COMMAND [FLAGS OF HYPERFINE]...
measure() {
  local name=$1 command=$2
  shift 2
  if [ "$json" = no ]; then
    hyperfine --runs "$runs" --style basic --command-name "$name" "$@" "$command"
  else
    hyperfine --runs "$runs" --style none --export-json result.json --command-name "$name" "$@" "$command" >/dev/null
    "$deno" eval "$to_figure"
  fi
}

for index in "${!programs[@]}"; do
  program=${programs[$index]} name=${names[$index]}
  measure "$name: --version" "$program --version" --warmup 2
  measure "$name: first start" "./until_listening $program" --warmup 1 --prepare 'rm -rf data'
  measure "$name: start after kill -9" "./until_listening $program" --warmup 1
done
