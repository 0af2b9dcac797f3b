# Recipes for people who work on stocktake. `just` lists them; each is a line or two that can be typed by hand as well.

set positional-arguments

_list:
    @just --list

# Install what the tests need and run them all, or those that a filter names: `just test -E 'test(paging)'`
test *arguments:
    tests/run.sh "$@"

# Check formatting and run the linter on everything
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features -- -D warnings

# Everything that a change must pass
ci:
    .ci/run

# Take the inventory of a built-in registry
demo *arguments:
    cargo run --release -- demo "$@"

# Measure stocktake against its peers; all parts, or those named: `just bench catalog tags`
bench *parts:
    cargo run --release -p stocktake-bench "$@"

# Build the book of docs/ into target/book, and the documentation of the code
docs:
    command -v mdbook >/dev/null || cargo install --locked mdbook
    mdbook build
    cargo doc --workspace --no-deps
