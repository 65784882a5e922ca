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

OMIT=optional "$root/ansible/bundle.sh" "$context/app" action-runtime
docker build --file "$root/action-runtime/Dockerfile" --tag "$tag" "$@" "$context"
