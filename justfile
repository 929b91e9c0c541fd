# imagelock: `just demo`, `just test`; `just --list` shows the rest.

set shell := ["bash", "-euo", "pipefail", "-c"]

# lock and build a real image without a daemon, and run a command in it (Linux)
demo:
    uv sync --quiet --locked --no-dev --all-extras
    tests/demo.sh

# install what the tests need, and run them
test *ARGS: (_tools "test")
    uv run --locked pytest -m "not slow" {{ARGS}}

# the tests, with the slow matrix
test-all *ARGS: (_tools "all")
    uv run --locked pytest {{ARGS}}

# lint, types, import contracts, generated files
check:
    uv run --locked ruff format --check
    uv run --locked ruff check
    uv run --locked mypy
    uv run --locked lint-imports
    uv run --locked python -m imagelock.spec.schema | diff -u schemas/spec.schema.json -
    uv run --locked python -m imagelock.lock.schema | diff -u schemas/lock.schema.json -

# format, and fix what can be fixed
fmt:
    uv run --locked ruff format
    uv run --locked ruff check --fix

# us and the peers side by side, as ratios
bench *ARGS:
    uv run --locked python -m benchmarks {{ARGS}}

# check every example of the docs
docs:
    uv run --locked pytest tests/docs tests/spec/test_docs.py

_tools WHAT:
    uv sync --quiet --locked
    tests/install-debian-packages.sh {{WHAT}}
