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
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  not_checked "it wants Python 3.11, and this is $(python3 --version)"

installed="${CARGO_TARGET_DIR:-$PWD/target}/pulp"
# What is installed there works for this place and this Python alone, and is whole once this is written beside it.
made_of=$(printf '%s\n' "$installed" "$(python3 --version)" "$(<tests/pulp.txt)")
if [ "$made_of" != "$(cat "$installed/made_of" 2>/dev/null)" ]; then
  echo "installing Pulp into $installed"
  rm -rf "$installed"
  python3 -m venv "$installed"
  pip=("$installed/bin/pip" --quiet --disable-pip-version-check)
  complaint=$("${pip[@]}" --retries 1 index versions pip 2>&1) ||
    not_checked "pip reaches no package index: $(grep -v experimental <<<"$complaint" | head -n 1)"
  # There is an index, which knows pip at least.
  "${pip[@]}" install -r tests/pulp.txt ||
    { echo "the package index answers, and tests/pulp.txt cannot be installed from it" >&2; exit 1; }
  printf '%s\n' "$made_of" >"$installed/made_of"
fi

# It lives as long as its standard input, which ends with us however we end.
coproc pulp { exec "$installed/bin/python" -B tests/program/support/pulp.py; }
server=$pulp_PID hold=${pulp[1]} says=${pulp[0]}
trap 'exec {hold}>&-; wait "$server" || true' EXIT
# Meanwhile, the tests are built.
tests=(cargo nextest run --workspace --all-features)
"${tests[@]}" --no-run
read -r -t 600 STOCKTAKE_TEST_PULP <&"$says" || { echo "Pulp did not start" >&2; exit 1; }
export STOCKTAKE_TEST_PULP
echo "Pulp is up after $SECONDS s"

"${tests[@]}" --run-ignored only -E 'test(/^registries::pulp::/)' "$@"
