#!/usr/bin/env bash
# Compile the lab's own part of Flink's class path when a source or a jar differs; prints `changed` or `same`.
# The compiler is one of the jars: a Java that only runs programs is enough.
# Usage: parts.sh <java> <jars> <environment> <jar to make> <source>...
set -euo pipefail
java=$1 jars=$2 target=$4
libraries=$(echo "$3"/lib/python3*/site-packages/pyflink/lib)
shift 4
stamp=$(cat "$@" "$jars/.stamp" | sha256sum)
if [[ -f $target && "$(cat "$target.stamp" 2>/dev/null)" == "$stamp" ]]; then
  echo same
  exit
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
path=$(printf '%s:' "$jars"/flink-sql-connector-kafka-*.jar "$jars"/flink-sql-avro-confluent-registry-*.jar \
  "$libraries"/flink-dist-*.jar "$libraries"/flink-table-api-java-uber-*.jar)
"$java" -jar "$jars"/ecj-*.jar -17 -proc:none -encoding UTF-8 -failOnWarning -warn:+unused -cp "$path" \
  -d "$work/classes" "$@"
mkdir -p "$(dirname "$target")"
(cd "$work/classes" && python3 -m zipfile -c "$work/made.jar" ./*)
chmod 0644 "$work/made.jar"
mv "$work/made.jar" "$target"
echo "$stamp" >"$target.stamp"
echo changed
