#!/bin/sh
# Helm post-renderer for the chart of openwhisk-deploy-kube: the release as Helm renders it comes in, and goes out with
# what Tetris needs added, so it survives every upgrade. Needs kubectl, whose kustomize it uses, and nothing of the
# cluster. Helm 4 takes it as a plugin (plugin.yaml), Helm 3 by its path; docs/kubernetes.md has the commands.
#
# Argument: the level, 1 or 2, as the value `level` of the chart `tetris`.
# TETRIS_ACTION_IMAGE: the action image, as that chart has it.
set -eu
level=${1:-1}
image=${TETRIS_ACTION_IMAGE:-tetris/action-nodejs-tetris:0.1.0}
here=$(cd "$(dirname "$0")" && pwd)
fail() {
  echo "post-render.sh: $1" >&2
  exit 1
}
case $level in 1 | 2) ;; *) fail "level '$level' is neither 1 nor 2" ;; esac
case $image in *[!A-Za-z0-9._/:@-]*) fail "'$image' is no name of an image" ;; esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here"/level-"$level".yaml "$work/kustomization.yaml"
cat >"$work/rendered.yaml"

# An image of the manifest is taken apart as prefix/name:tag.
path=${image%:*}
tag=${image##*:}
name=${path##*/}
prefix=${path%"$name"}
[ "$path" != "$image" ] || fail "'$image' has no tag"
kind='{\\"kind\\":\\"nodejs:tetris\\",\\"default\\":false,\\"deprecated\\":false,\\"image\\":{\\"prefix\\":\\"'${prefix%/}'\\",\\"name\\":\\"'$name'\\",\\"tag\\":\\"'$tag'\\"},\\"attached\\":{\\"attachmentName\\":\\"codefile\\",\\"attachmentType\\":\\"text/plain\\"}}'
# The chart writes the manifest as one quoted line into the environment of controller, invoker and scheduler.
sed '/name: "\{0,1\}RUNTIMES_MANIFEST"\{0,1\}$/{n;s|\(\\"nodejs\\": *\[\)|\1'"$kind"',|;}' "$work/rendered.yaml" >"$work/release.yaml"
grep -q 'nodejs:tetris' "$work/release.yaml" || fail 'found no runtimes manifest with kinds of nodejs to add nodejs:tetris to'
rm "$work/rendered.yaml"
kubectl kustomize "$work"
