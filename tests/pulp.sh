#!/usr/bin/env bash
# Walks a real Pulp: `tests/pulp.sh [ARGUMENTS OF cargo nextest run]`. Installs it from the package indexes, starts it on
# loopback, fills it, runs the tests that are ignored without it, ends it. Where its packages cannot be had it says so
# and exits with 77.
set -euo pipefail
cd "$(dirname "$0")/.."

not_checked() { printf '\n== NOT CHECKED: Pulp, because %s\n' "$1"; exit 77; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

packages=()
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
command -v openssl >/dev/null || packages+=(openssl)
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3 python3-venv)
if [ ${#packages[@]} -gt 0 ]; then
  echo "installing ${packages[*]}"
  { as_root apt-get update -qq &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
  } || not_checked "apt-get cannot install ${packages[*]}"
fi

installed="${CARGO_TARGET_DIR:-$PWD/target}/pulp"
if ! cmp -s tests/pulp.txt "$installed/pulp.txt"; then
  echo "installing Pulp into $installed"
  rm -rf "$installed"
  python3 -m venv "$installed"
  pip=("$installed/bin/pip" install --quiet --disable-pip-version-check --retries 1)
  complaint=$("${pip[@]}" -r tests/pulp.txt 2>&1) || not_checked "pip cannot install it: $(tail -n 1 <<<"$complaint")"
  cp tests/pulp.txt "$installed/pulp.txt"
fi

# It lives as long as its standard input, which ends with us however we end.
coproc pulp { exec "$installed/bin/python" -B tests/program/support/pulp.py; }
server=$pulp_PID hold=${pulp[1]}
trap 'exec {hold}>&-; wait "$server" || true' EXIT
read -r -t 600 STOCKTAKE_TEST_PULP <&"${pulp[0]}" || { echo "Pulp did not start" >&2; exit 1; }
export STOCKTAKE_TEST_PULP
echo "Pulp is up after $SECONDS s"

cargo nextest run --workspace --all-features --run-ignored only -E 'test(/^pulp::/)' "$@"
