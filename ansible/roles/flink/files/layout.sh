#!/usr/bin/env bash
# Put Flink's distribution and the lab's jars together as links; prints `changed` or `same`.
# Usage: layout.sh <environment> <jars> <own jar> <target>
set -euo pipefail
jars=$2 own=$3 target=$4
home=$(echo "$1"/lib/python3*/site-packages/pyflink)

rm -rf "$target.new"
mkdir -p "$target.new/lib" "$target.new/opt"
ln -s "$home" "$target.new/home"
ln -s "$home"/lib/*.jar "$target.new/lib/"
ln -s "$home"/opt/*.jar "$target.new/opt/"
for jar in "$jars"/*.jar; do
  # Programs of their own are in opt: on the class path of every job they would hide classes.
  case ${jar##*/} in
    ecj-*) ;; # the compiler of the own jar
    flink-sql-gateway-*) ln -s "$jar" "$target.new/opt/" ;;
    *) ln -s "$jar" "$target.new/lib/" ;;
  esac
done
ln -s "$own" "$target.new/lib/"
# The own jar has one name whatever is in it: its stamp says what.
stamp=$(cat "$own.stamp" <(find "$target.new" -type l -printf '%P %l\n' | LC_ALL=C sort) | sha256sum)
if [[ "$(cat "$target/.stamp" 2>/dev/null)" == "$stamp" ]]; then
  rm -rf "$target.new"
  echo same
  exit
fi
rm -rf "$target"
mv "$target.new" "$target"
chmod -R a+rX "$target/lib" "$target/opt"
echo "$stamp" >"$target/.stamp"
echo changed
