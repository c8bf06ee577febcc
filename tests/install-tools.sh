#!/usr/bin/env bash
# Installs what tests need from the machine: make; node, npm and Chromium for the browser tests;
# nginx for the one that serves behind it.
#
# Does nothing where all of it is there, and installs only as root on Debian or Ubuntu. Elsewhere
# it says what is missing, and the tests concerned are skipped with that reason; with CI=true they
# fail instead.
set -euo pipefail

declare -A package_of=(
    [make]=make [node]=nodejs [npm]=npm [chromium]=chromium [nginx]=nginx-light
)
PATH=$PATH:/usr/sbin # where Debian puts nginx, for administrators only
missing=()
for program in "${!package_of[@]}"; do
    command -v "$program" >/dev/null || missing+=("${package_of[$program]}")
done
# Debian splits ensurepip from Python; without it there is no virtual environment.
if ! command -v uv >/dev/null && ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    missing+=(python3-venv)
fi

if [ "${#missing[@]}" -eq 0 ]; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "Not installed here: ${missing[*]}. Tests that need them are skipped." >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet --quiet
apt-get install --yes --quiet --quiet --no-install-recommends "${missing[@]}" >/dev/null
