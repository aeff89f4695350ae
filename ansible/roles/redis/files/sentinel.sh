#!/usr/bin/env bash
# Start a sentinel with its settings and what it has learned before: a sentinel rewrites the file that it is started with.
# Usage: sentinel.sh <program> <settings> <file of its own> <address:port of each server and sentinel>...
set -euo pipefail
umask 0077
program=$1 settings=$2 own=$3
shift 3

touch "$own"
# Who it is and what it voted for; whom it has met, which it could not ask of a primary that is gone; and the primary, since
# that of the settings is the one of the beginning. Who is no part of the lab any more is forgotten: it would count.
first=$(grep '^sentinel monitor ' "$settings")
learned=()
while read -r line; do
  read -r _ what name address port _ <<<"$line"
  case $what in
    myid | current-epoch | config-epoch | leader-epoch) learned+=("$line") ;;
    known-replica | known-sentinel) [[ " $* " != *" $address:$port "* ]] || learned+=("$line") ;;
    monitor) [[ " $* " != *" $address:$port "* ]] || first="sentinel monitor $name $address $port ${first##* }" ;;
  esac
done < <(grep '^sentinel ' "$own")
{
  sed "s/^sentinel monitor .*/$first/" "$settings"
  printf '%s\n' "${learned[@]}"
} >"$own.new"
mv "$own.new" "$own"
exec "$program" "$own" --sentinel
