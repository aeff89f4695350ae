#!/usr/bin/env bash
# Start Redis as what most sentinels say it is now: the primary, or a replica of it.
# Usage: start.sh <program> <settings> <own address> <own port> <command that prints address and port of the primary>...
set -euo pipefail
program=$1 settings=$2 own="$3 $4"
shift 4

# A server that was primary may have been replaced while it was away. While most sentinels are silent nobody knows, and
# a server that guessed could be the second one: it waits.
told=
until primary=$("$@" 2>/dev/null); do
  [[ -n $told ]] || echo "waiting until most sentinels say who is primary"
  told=yes
  sleep 1
done
role=()
# shellcheck disable=SC2206  # two words
[[ $primary == "$own" ]] || role=(--replicaof $primary)
echo "starting as ${role[*]:-the primary}"
# The settings come by standard input: a server without a file of settings rewrites none when sentinels give it a role.
exec "$program" - "${role[@]}" <"$settings"
