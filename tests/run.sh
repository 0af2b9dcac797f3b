#!/usr/bin/env bash
# Installs what the tests need on Debian and runs them all: `tests/run.sh [ARGUMENTS OF cargo nextest run]`.
# Asks for nothing else than the Rust toolchain. Prints how many tests ran.
set -euo pipefail
cd "$(dirname "$0")/.."

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

packages=()
command -v cc >/dev/null || packages+=(gcc libc6-dev)
command -v docker-registry >/dev/null || packages+=(docker-registry)
command -v openssl >/dev/null || packages+=(openssl)
command -v mount >/dev/null || packages+=(mount)
# What the runbooks and the summary tell people to type.
command -v curl >/dev/null || packages+=(curl)
command -v jq >/dev/null || packages+=(jq)
command -v zstdcat >/dev/null || packages+=(zstd)
command -v ps >/dev/null || packages+=(procps)
command -v ss >/dev/null || packages+=(iproute2)
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3 python3-venv)
# Postgres, which the tests start themselves. Its package would make and start a cluster of its own.
if ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
  packages+=(postgresql)
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    as_root mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
  fi
fi
if [ ${#packages[@]} -gt 0 ]; then
  echo "installing ${packages[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

# Independent readers of what the sinks write, and of schedules.
readers="${CARGO_TARGET_DIR:-$PWD/target}/readers"
if ! "$readers/bin/python" -c 'import croniter, deltalake, duckdb, jinja2, moto.server, polars, pyarrow, pyiceberg, sqlalchemy, tzdata, yaml' 2>/dev/null; then
  echo "installing what tests/readers.txt names into $readers"
  rm -rf "$readers"
  python3 -m venv "$readers"
  "$readers/bin/pip" install --quiet --disable-pip-version-check -r tests/readers.txt
fi
export STOCKTAKE_TEST_PYTHON="$readers/bin/python"

# A real Prometheus reads our metrics and rules. Unpacked and not installed: the package would start a service.
if command -v prometheus >/dev/null && command -v promtool >/dev/null; then
  STOCKTAKE_TEST_PROMETHEUS=$(dirname "$(command -v prometheus)")
else
  unpacked="${CARGO_TARGET_DIR:-$PWD/target}/prometheus"
  STOCKTAKE_TEST_PROMETHEUS="$unpacked/usr/bin"
  if ! "$STOCKTAKE_TEST_PROMETHEUS/promtool" --version >/dev/null 2>&1; then
    echo "unpacking prometheus into $unpacked"
    rm -rf "$unpacked" "$unpacked.part"
    mkdir -p "$unpacked.part"
    (
      cd "$unpacked.part"
      apt-get download -qq prometheus 2>/dev/null || { as_root apt-get update -qq && apt-get download -qq prometheus; }
      dpkg-deb -x prometheus_*.deb .
      rm -f prometheus_*.deb
    )
    mv "$unpacked.part" "$unpacked"
  fi
fi
export STOCKTAKE_TEST_PROMETHEUS

cargo nextest --version >/dev/null 2>&1 || cargo install --locked cargo-nextest

cargo nextest run --workspace --all-features "$@"
# Examples in documentation, which nextest does not run.
[ $# -gt 0 ] || cargo test --quiet --workspace --all-features --doc
