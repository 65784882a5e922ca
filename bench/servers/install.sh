#!/bin/sh
# Installs what integration tests and benchmarks run on, on a bare Debian as root:
#   servers     Kafka (jars from Maven Central, run by a Java of the distribution), Redis, etcd, and a CouchDB API (npm,
#               already installed with the workspaces);
#   tools       a Docker engine with what it needs in a network namespace of its own, Ansible, and a browser for the pages;
#   Node        the versions that the runtime must work with (npm): a test in a network namespace cannot get them itself.
# What is there already is left alone. Says what could not be installed, and what for, and ends with status 1 then, so that
# nothing is skipped in silence. Needs root for apt-get only.
set -u
PATH="$PATH:/usr/sbin:/sbin"
here=$(cd "$(dirname "$0")" && pwd)
missing=''

have() { command -v "$1" >/dev/null 2>&1; }

updated=no
apt_install() {
  if ! have apt-get || [ "$(id -u)" != 0 ]; then return 1; fi
  # A bare machine knows no packages, and an old list names files that the mirrors no longer have.
  if [ "$updated" = no ]; then
    apt-get update -qq || return 1
    updated=yes
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" >/dev/null
}

need() { # need <command> <what for> <Debian package>...: the first package that brings the command
  command=$1 purpose=$2
  shift 2
  for package in "$@"; do
    have "$command" || apt_install "$package"
  done
  have "$command" || missing="$missing
  $command for $purpose (Debian package $1)"
}

need redis-server 'the registry' redis-server
need etcd 'a scheduler and its invokers' etcd-server
need java 'the broker' openjdk-17-jre-headless default-jre-headless
need openssl 'a broker with TLS' openssl
need dockerd 'tests with containers' docker.io
need docker 'tests with containers' docker.io docker-cli
need iptables 'tests with containers' iptables
need ip 'tests with containers' iproute2
need unshare 'tests with containers' util-linux
need ansible-playbook 'tests of the playbooks' ansible
need systemd-nspawn 'tests of the playbooks' systemd-container
/usr/bin/python3 -c 'import requests' 2>/dev/null || apt_install python3-requests || missing="$missing
  requests of the distribution's Python for tests of the playbooks (Debian package python3-requests)"
need promtool 'tests of the alert rules' prometheus
need chromium 'tests of the pages' chromium

jars="$here/.cache/kafka"
version=$(sed -n '/kafka_2.13/{n;s/.*<version>\(.*\)<.*/\1/p}' "$here/kafka/pom.xml")
if [ ! -f "$jars/.complete-$version" ]; then
  need mvn 'the broker' maven
  rm -rf "$jars"
  # Into a folder of its own first: two runs at once, or one that is cut off, never leave half a class path behind.
  part=$(mktemp -d "$here/.kafka-XXXXXX") || exit 1
  if mvn -q -B -Dstyle.color=never -f "$here/kafka/pom.xml" dependency:copy-dependencies -DoutputDirectory="$part" -DincludeScope=runtime; then
    touch "$part/.complete-$version"
    mkdir -p "$here/.cache" && mv -T "$part" "$jars" 2>/dev/null
  fi
  rm -rf "$part"
  [ -f "$jars/.complete-$version" ] || missing="$missing
  Kafka $version for the broker (Maven)"
fi

if ! (cd "$here" && node -e "require.resolve('express-pouchdb'); require.resolve('pouchdb-adapter-memory')") 2>/dev/null; then
  missing="$missing
  express-pouchdb for the entity store (npm ci)"
fi

nodes="$here/../nodes"
# npm writes its list of what is installed last.
if [ ! "$nodes/node_modules/.package-lock.json" -nt "$nodes/package-lock.json" ]; then
  npm ci --no-audit --no-fund --silent --prefix "$nodes" || missing="$missing
  the versions of Node for the action image and the runtime (npm ci --prefix bench/nodes)"
fi

if [ -n "$missing" ]; then
  [ "$(id -u)" = 0 ] || missing="$missing
  (packages are installed as root only)"
  echo "servers for tests: could not install:$missing" >&2
  exit 1
fi
echo "servers for tests: Kafka $version, $(redis-server --version | cut -d' ' -f1-3), $(etcd --version | head -1), CouchDB API by express-pouchdb; Docker, Ansible, Chromium, versions of Node"
