#!/usr/bin/env bash
# Make the repository of backups, or tell it of a cluster that was made anew; prints `changed` or `same`.
# Backups of the cluster before stay in it and can be restored.
# Usage: stanza.sh <repository> <pgbackrest> <options>...
set -euo pipefail
repository=$1
shift
lists() { { cat "$repository"/{archive,backup}/main/*.info 2>/dev/null || true; } | sha256sum; }

before=$(lists)
# Code 28: the repository is there, and of another cluster.
"$@" stanza-create || { (($? == 28)) && "$@" stanza-upgrade; }
if [[ "$(lists)" == "$before" ]]; then echo same; else echo changed; fi
