#!/usr/bin/env bash
# Installs the real parts the tests run against, where this is Debian or Ubuntu and we are root.
# Elsewhere it says what is missing; the tests that need it skip with a reason, or fail in CI.
set -euo pipefail

packages=(docker-registry docker.io openssh-server skopeo mmdebstrap uidmap openssl git podman runc)
# The slow matrix compresses on processors of other kinds, builds on another day, and for others.
[ "${1:-test}" != all ] || packages+=(qemu-user qemu-user-static binfmt-support libfaketime)
missing=()
for package in "${packages[@]}"; do
  dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
    missing+=("$package")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  printf 'not installed, and not root on Debian: %s\n' "${missing[*]}" >&2
  exit 0
fi

# The tests start their own engine and registry; the packages must start none.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
# A source this machine cannot reach is no reason to stop when the packages are found all the same.
apt-get update -q || true
apt-get install -q -y --no-install-recommends "${missing[@]}"
