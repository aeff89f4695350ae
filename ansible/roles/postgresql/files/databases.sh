#!/usr/bin/env bash
# Apply a script with the passwords of the secrets file when either changed; prints `changed` or `same`.
# Usage: databases.sh <psql> <socket folder> <port> <sql> <secrets> <stamp>
set -euo pipefail
psql=$1 socket=$2 port=$3 sql=$4 secrets=$5 stamp=$6
now=$(cat "$sql" "$secrets" | sha256sum)
if [[ "$(cat "$stamp" 2>/dev/null)" == "$now" ]]; then
  echo same
  exit
fi
# Passwords reach psql through its standard input, never through its arguments.
{
  sed -n 's/^postgres_\([a-z]*\): \(.*\)$/\\set password_\1 \2/p' "$secrets"
  cat "$sql"
} | "$psql" -X -q -v ON_ERROR_STOP=1 -h "$socket" -p "$port" -U postgres -d postgres >/dev/null
echo "$now" >"$stamp"
echo changed
