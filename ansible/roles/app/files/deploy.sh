#!/usr/bin/env bash
# Copy the code of a clone into <target>/releases/<hash> and point <target>/current at it; prints `changed <hash>` or
# `same <hash>`. Usage: deploy.sh <clone> <target> [<dbt>]. With dbt, a release has the manifest of its dbt project before
# it is current: Airflow draws DAGs from it, and a project that dbt refuses never becomes current. Three releases are kept.
# `code.sum` of a release changes with the Python code that processes may hold from their start on.
set -euo pipefail
cd "$1"
target=$2 dbt=${3:-}

folders=(dags plugins include dbt spark_jobs flink_jobs contracts dashboards)
list=$(mktemp)
trap 'rm -f "$list"' EXIT
find "${folders[@]}" -type f -not -path '*/__pycache__/*' -not -path 'dbt/target/*' -not -path 'dbt/logs/*' \
  -not -name '*.pyc' -not -name '.user.yml' | LC_ALL=C sort >"$list"
hash=$(xargs -d '\n' sha256sum <"$list" | sha256sum | cut -c1-16)

release=$target/releases/$hash
is_parsed() { [[ -z "$dbt" || -f "$release/dbt/target/manifest.json" ]]; }
is_summed() { [[ -f "$release/code.sum" ]]; }

sum_up() {
  grep -E '^(include|plugins)/' "$list" | xargs -d '\n' sha256sum | sha256sum >"$release/code.part"
  mv "$release/code.part" "$release/code.sum"
}

# Parsing needs no server. Its target is moved into place whole: a killed deployment leaves none.
parse() {
  local part=$release/dbt/target.part told
  rm -rf "$part"
  told=$("$dbt" parse --project-dir "$release/dbt" --profiles-dir "$release/dbt" --target-path "$part" 2>&1) || {
    echo "dbt refused the project of the clone: $told" >&2
    return 1
  }
  chmod -R a+rX "$part"
  rm -rf "$release/dbt/target"
  mv "$part" "$release/dbt/target"
}

if [[ "$(readlink "$target/current" 2>/dev/null)" == "releases/$hash" && -d "$release" ]] && is_parsed && is_summed; then
  echo "same $hash"
  exit
fi
if [[ ! -d "$release" ]]; then
  rm -rf "$release.part"
  mkdir -p "$release.part"
  tar -cf - -T "$list" | tar -xf - -C "$release.part" --no-same-owner
  chmod -R a+rX "$release.part"
  mv "$release.part" "$release"
fi
is_parsed || parse
is_summed || sum_up
ln -sfn "releases/$hash" "$target/current.new"
mv -T "$target/current.new" "$target/current"
# shellcheck disable=SC2012  # names are hex
ls -1dt "$target"/releases/* | tail -n +4 | xargs -r rm -rf
echo "changed $hash"
