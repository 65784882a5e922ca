#!/bin/sh
# Builds the action image from the built workspace (npm ci && npm run build first). Needs no registry but the base image's.
#
#   action-runtime/image.sh [TAG] [further arguments of docker build]
#   action-runtime/image.sh tetris/action-nodejs-tetris:0.1.0 --build-arg BASE_IMAGE=registry.example.org/node:22
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
tag=${1:-tetris/action-nodejs-tetris:latest}
[ $# -eq 0 ] || shift
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT

# With a registry at hand the base is what its tag names now, by digest, and the image says so.
case " $* " in
  *" BASE_IMAGE="*) ;;
  *)
    base=$(sed -n 's/^ARG BASE_IMAGE=//p' "$root/action-runtime/Dockerfile")
    if docker pull --quiet "$base" >/dev/null && pinned=$(docker image inspect --format '{{index .RepoDigests 0}}' "$base"); then
      set -- "$@" --build-arg "BASE_IMAGE=$pinned" --label "org.opencontainers.image.base.name=$base" \
        --label "org.opencontainers.image.base.digest=${pinned#*@}"
    fi
    ;;
esac

OMIT=optional "$root/ansible/bundle.sh" "$context/app" action-runtime
docker build --file "$root/action-runtime/Dockerfile" --tag "$tag" "$@" "$context"
