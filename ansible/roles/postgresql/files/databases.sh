#!/usr/bin/env bash
# Apply a script with the passwords of the secrets file when either changed; prints `changed` or `same`.
# What was applied last stands in the cluster itself: a replica that has become primary knows it, too.
# Usage: databases.sh <psql> <socket folder> <port> <sql> <secrets>
set -euo pipefail
psql=$1 socket=$2 port=$3 sql=$4 secrets=$5
ask() { "$psql" -X -q -v ON_ERROR_STOP=1 -h "$socket" -p "$port" -U postgres -d postgres "$@"; }

now="applied $(cat "$sql" "$secrets" | sha256sum | cut -c1-64)"
applied=$(ask -A -t -c "select shobj_description(oid, 'pg_database') from pg_database where datname = 'postgres'")
if [[ "$applied" == "$now" ]]; then
  echo same
  exit
fi
# Passwords reach psql through its standard input, never through its arguments.
{
  sed -n 's/^postgres_\([a-z]*\): \(.*\)$/\\set password_\1 \2/p' "$secrets"
  cat "$sql"
  printf '\\connect postgres\ncomment on database postgres is '"'%s'"';\n' "$now"
} | ask >/dev/null
echo changed
