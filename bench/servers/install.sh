#!/bin/sh
# Installs the servers that integration tests and benchmarks run on: Kafka (jars from Maven Central, run by a Java of the
# distribution), Redis, and a CouchDB API (npm, already installed with the workspaces). What is there already is left alone.
#
# Says what could not be installed and ends with status 1 then, so that nothing is skipped in silence. Needs root for apt-get only.
set -u
here=$(cd "$(dirname "$0")" && pwd)
missing=''

have() { command -v "$1" >/dev/null 2>&1; }

updated=no
apt_install() {
  if ! have apt-get || [ "$(id -u)" != 0 ]; then return 1; fi
  if [ "$updated" = no ]; then
    apt-get update -qq || return 1
    updated=yes
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

need() { # need <command> <Debian package>
  have "$1" || apt_install "$2"
  have "$1" || missing="$missing $1(package:$2)"
}

need redis-server redis-server
need chromium chromium
need java openjdk-17-jre-headless

jars="$here/.cache/kafka"
version=$(sed -n '/kafka_2.13/{n;s/.*<version>\(.*\)<.*/\1/p}' "$here/kafka/pom.xml")
if [ ! -f "$jars/.complete-$version" ]; then
  need mvn maven
  rm -rf "$jars"
  # Into a folder of its own first: two runs at once, or one that is cut off, never leave half a class path behind.
  part=$(mktemp -d "$here/.kafka-XXXXXX") || exit 1
  if mvn -q -B -Dstyle.color=never -f "$here/kafka/pom.xml" dependency:copy-dependencies -DoutputDirectory="$part" -DincludeScope=runtime; then
    touch "$part/.complete-$version"
    mkdir -p "$here/.cache" && mv -T "$part" "$jars" 2>/dev/null
  fi
  rm -rf "$part"
  [ -f "$jars/.complete-$version" ] || missing="$missing kafka-$version(maven)"
fi

if ! (cd "$here" && node -e "require.resolve('express-pouchdb'); require.resolve('pouchdb-adapter-memory')") 2>/dev/null; then
  missing="$missing express-pouchdb(npm-ci)"
fi

if [ -n "$missing" ]; then
  echo "servers for tests: could not install:$missing" >&2
  exit 1
fi
echo "servers for tests: Kafka $version, $(redis-server --version | cut -d' ' -f1-3), CouchDB API by express-pouchdb"
