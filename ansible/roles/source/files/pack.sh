#!/usr/bin/env bash
# Pack what nodes need of a clone as <folder>/source-<hash>.tar, with the hash in a file .hash; prints the hash.
# Usage: pack.sh <clone> <folder>. One archive is kept.
set -euo pipefail
cd "$1"
folder=$2

list=$(mktemp)
trap 'rm -f "$list"' EXIT
# The folders of a release, which one script names, and the locks.
read -ra folders < <(sed -n 's/^folders=(\(.*\))$/\1/p' ansible/roles/app/files/deploy.sh)
find "${folders[@]}" envs -type f -not -path '*/__pycache__/*' -not -path 'dbt/target/*' \
  -not -path 'dbt/logs/*' -not -name '*.pyc' -not -name '.user.yml' | LC_ALL=C sort >"$list"
hash=$(xargs -d '\n' sha256sum <"$list" | sha256sum | cut -c1-16)
archive=$folder/source-$hash.tar
if [[ ! -f $archive ]]; then
  mkdir -p "$folder"
  rm -f "$folder"/source-*.tar
  mark=$(mktemp -d)
  trap 'rm -rf "$list" "$mark"' EXIT
  echo "$hash" >"$mark/.hash"
  tar --owner 0 --group 0 -cf "$archive.part" -T "$list" -C "$mark" .hash
  mv "$archive.part" "$archive"
fi
echo "$hash"
