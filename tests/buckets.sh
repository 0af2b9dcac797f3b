#!/usr/bin/env bash
# Tests buckets on the servers that npm has: Azurite (Azure), and s3rver, an S3 that must be refused. `tests/buckets.sh
# [ARGUMENTS OF cargo nextest run]`. Installs them by tests/buckets.json into target/buckets and runs the tests that are
# ignored without them. Where they cannot be had it says so and exits with 77.
set -euo pipefail
cd "$(dirname "$0")/.."

not_checked() { printf '\n== NOT CHECKED: Azure, and the S3 to refuse, because %s\n' "$1"; exit 77; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

packages=()
command -v node >/dev/null || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)
if [ ${#packages[@]} -gt 0 ]; then
  echo "installing ${packages[*]}"
  { as_root apt-get update -qq &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
  } || not_checked "apt-get cannot install ${packages[*]}"
fi

target="${CARGO_TARGET_DIR:-$PWD/target}"
installed="$target/buckets"
# What is installed there is whole once this is written beside it.
made_of=$(printf '%s\n' "$(node --version)" "$(<tests/buckets.json)")
if [ "$made_of" != "$(cat "$installed/made_of" 2>/dev/null)" ]; then
  echo "installing Azurite and s3rver into $installed"
  rm -rf "$installed"
  mkdir -p "$installed"
  cp tests/buckets.json "$installed/package.json"
  npm ping --fetch-retries 1 >/dev/null 2>&1 || not_checked "npm reaches no registry"
  (cd "$installed" && npm install --silent --no-audit --no-fund --ignore-scripts) ||
    { echo "the npm registry answers, and tests/buckets.json cannot be installed from it" >&2; exit 1; }
  printf '%s\n' "$made_of" >"$installed/made_of"
fi
export STOCKTAKE_TEST_NODE="$installed/node_modules/.bin"
export STOCKTAKE_TEST_PYTHON="${STOCKTAKE_TEST_PYTHON:-$target/readers/bin/python}"

cargo nextest run --workspace --all-features --run-ignored only -E 'test(/azure/) | test(/conditional_puts/)' "$@"
