#!/bin/sh
# Makes the virtual environments of the peers that `npm run bench -- peers` measures, one each, under .cache: Python 3.9 or
# later with venv and pip, and 1 GB of disk. What is there already is left alone. With names, only those.
#   sh bench/peers/install.sh [fork|mosec|bentoml|ray]...
set -u
here=$(cd "$(dirname "$0")" && pwd)
failed=''
[ $# -gt 0 ] || set -- fork mosec bentoml ray

for peer in "$@"; do
  wanted="$here/$peer/requirements.txt"
  environment="$here/.cache/$peer"
  if [ ! -f "$wanted" ]; then
    echo "peers: no peer named $peer" >&2
    exit 2
  fi
  if cmp -s "$wanted" "$environment/.installed"; then continue; fi
  rm -rf "$environment"
  if python3 -m venv "$environment" &&
    "$environment/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt" -r "$wanted"; then
    cp "$wanted" "$environment/.installed"
    echo "peers: $peer is installed"
  else
    failed="$failed $peer"
  fi
done

if [ -n "$failed" ]; then
  echo "peers: could not install:$failed" >&2
  exit 1
fi
