#!/usr/bin/env bash
# The demo of the README: lock, build and run an image, with nothing but this program.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -r locks/hello.toml locks/hello "$folder/"

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; "$@"; }
imagelock() { .venv/bin/imagelock "$@"; }

say imagelock lock "$folder/hello.toml"
say imagelock build "$folder/hello.toml" --platform "linux/$(dpkg --print-architecture 2>/dev/null || echo amd64)" \
  --output "oci:$folder/image"
say imagelock run "oci:$folder/image" -- python -c 'import numpy; print("numpy", numpy.__version__)'
