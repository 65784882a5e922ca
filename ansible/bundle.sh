#!/bin/sh
# Lays out built workspaces with their production dependencies: FOLDER/node_modules holds everything that runs.
# Copies what npm has installed here, so it needs no registry. Run npm ci && npm run build first.
#
#   ansible/bundle.sh FOLDER WORKSPACE...
#   ansible/bundle.sh tetris.tar.gz WORKSPACE...      the same, packed for the playbooks
#
# Optional dependencies (the clients of Kafka, CouchDB, Redis and etcd) are left out where OMIT=optional is set.
set -eu
target=$1
shift
root=$(cd "$(dirname "$0")/.." && pwd)
case $target in
  *.tar.gz) folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT ;;
  *) folder=$target && mkdir -p "$folder" ;;
esac
folder=$(cd "$folder" && pwd)

here=$(pwd)
cd "$root"
set -- $(printf -- '--workspace @tetris/%s ' "$@")
npm ls --omit=dev ${OMIT:+--omit="$OMIT"} --all --parseable --loglevel error "$@" |
  while read -r package; do
    # A dependency of one workspace alone lies in that workspace's own node_modules, and does so in the bundle.
    case $package in
      "$root"/node_modules/*) copy=$folder/${package#"$root"/} ;;
      *) copy=$folder/node_modules/@tetris/${package#"$root"/} ;;
    esac
    case $package in
      "$root") ;;
      "$root"/node_modules/@tetris/*)
        [ -d "$package/dist" ] || { echo "bundle.sh: $package is not built: npm run build" >&2; exit 1; }
        mkdir -p "$copy"
        cp -R "$package/package.json" "$package/dist" "$copy"
        # What pages are made of is served as it is.
        [ ! -d "$package/web" ] || cp -R "$package/web" "$copy"
        ;;
      *)
        mkdir -p "$(dirname "$copy")"
        cp -R "$package" "$(dirname "$copy")"
        ;;
    esac
  done

# The libraries of koffi are optional to npm, as each is for one platform.
[ ! -d "$folder/node_modules/koffi" ] || cp -R "$root/node_modules/@koromix" "$folder/node_modules/"

# onnxruntime-node carries the libraries of every platform; those of this one are needed.
find "$folder/node_modules/onnxruntime-node/bin" -mindepth 3 -maxdepth 3 -type d \
  ! -path "*/linux/$(node -p process.arch)" -exec rm -rf {} + 2>/dev/null || true
# What is in it, for whoever has to know: a bill of materials (CycloneDX) that npm makes from the lock file.
(cd "$root" && npm sbom --omit=dev --sbom-format=cyclonedx --sbom-type=application "$@") >"$folder/node_modules/sbom.cdx.json"
chmod -R a+rX "$folder"

cd "$here"
case $target in
  *.tar.gz) tar -C "$folder" -czf "$target" node_modules ;;
esac
