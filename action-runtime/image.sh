#!/bin/sh
# Builds the action image from the built workspace (npm ci && npm run build first).
#
#   action-runtime/image.sh [TAG] [further arguments of docker build]
#   action-runtime/image.sh tetris/action-nodejs-tetris:0.1.0 --build-arg BASE_IMAGE=registry.example.org/node:20
#
# Needs only the folders that npm has installed here: the production dependencies of the runtime are copied from them.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
tag=${1:-tetris/action-nodejs-tetris:latest}
[ $# -eq 0 ] || shift
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT

cd "$root"
[ -f action-runtime/dist/main.js ] || { echo "image.sh: action-runtime is not built: npm run build" >&2; exit 1; }

npm ls --omit=dev --omit=optional --all --parseable --workspace @tetris/action-runtime --loglevel error |
  while read -r package; do
    target=$context/app/${package#"$root"/}
    case $package in
      "$root") ;;
      "$root"/node_modules/@tetris/*)
        mkdir -p "$target"
        cp -R "$package/package.json" "$package/dist" "$target"
        ;;
      *)
        mkdir -p "$(dirname "$target")"
        cp -R "$package" "$(dirname "$target")"
        ;;
    esac
  done

# onnxruntime-node carries the libraries of every platform; the image needs those of this one.
libraries=$context/app/node_modules/onnxruntime-node/bin
find "$libraries" -mindepth 3 -maxdepth 3 -type d ! -path "*/linux/$(node -p process.arch)" -exec rm -rf {} +
chmod -R a+rX "$context/app"

docker build --file action-runtime/Dockerfile --tag "$tag" "$@" "$context"
