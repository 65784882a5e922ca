#!/bin/sh
# Builds the image of the services from the built workspace (npm ci && npm run build first). Needs no registry but the
# base image's.
#
#   kubernetes/image.sh [TAG] [further arguments of docker build]
#   kubernetes/image.sh tetris/services:0.1.0 --build-arg BASE_IMAGE=registry.example.org/node:22
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
tag=${1:-tetris/services:0.1.0}
[ $# -eq 0 ] || shift
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT

"$root/ansible/bundle.sh" "$context/app" tensor-daemon invoker-extension load-balancer
docker build --file "$root/kubernetes/Dockerfile" --tag "$tag" "$@" "$context"
