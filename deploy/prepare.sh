#!/bin/sh
# Makes what compose.yaml wants beside it, once: sh deploy/prepare.sh
#
# secrets/ is closed to others on this machine. The files in it can be read by whoever they are
# mounted for, because neither Tallystick nor PostgreSQL is root in its container.
set -eu
cd "$(dirname "$0")/.."

if [ -e secrets ]; then
    echo "secrets/ is there already, and books may depend on it: nothing was changed." >&2
    exit 1
fi
random() { od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n'; }

umask 022
mkdir -m 700 secrets
mkdir secrets/postgres secrets/tallystick
random >secrets/postgres/postgres_password
random >secrets/postgres/tallystick_password
random >secrets/tallystick/tallystick_secret
printf 'postgresql://tallystick:%s@postgres:5432/tallystick\n' \
    "$(cat secrets/postgres/tallystick_password)" >secrets/tallystick/database_url
if [ ! -e tallystick.env ]; then
    (umask 077 && cat >tallystick.env <<'SETTINGS'
# Settings of docs/configuration.md, one a line; secret ones may be files in secrets/tallystick.
# AI_API_KEY=
# APP_URL=https://app.example.com
# TRUSTED_PROXIES=
DEMO_MODE=false
SETTINGS
    )
fi
echo "Made secrets/ and tallystick.env. Keep a copy of secrets/ where your backups are not."
