#!/usr/bin/env bash
# Builds the real servers of the tests into a cache outside the clone; prints where each is. A second run builds nothing.
#   scripts/build-servers.sh jaeger
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${LOSSLESS_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lossless-lifecycle}

build() { # name, main package
  local name=$1 main=$2 module=$root/test/servers/$1
  local key target
  key=$(cat "$module/go.mod" "$module/go.sum" | sha256sum | cut -c1-16)
  target=$cache/bin/$name-$key
  if [ ! -x "$target" ]; then
    command -v go >/dev/null || { echo "building $name needs Go 1.26 or later on the PATH" >&2; exit 1; }
    mkdir -p "$cache/bin"
    echo "building $name (about five minutes, once)" >&2
    (cd "$module" && go build -mod=readonly -trimpath -ldflags='-s -w' -o "$target.$$" "$main")
    mv "$target.$$" "$target"
  fi
  echo "$target"
}

for name in "$@"; do
  case $name in
    jaeger) build jaeger github.com/jaegertracing/jaeger/cmd/jaeger ;;
    consul) build consul github.com/hashicorp/consul ;;
    etcd) build etcd go.etcd.io/etcd/server/v3 ;;
    etcd-go-client) build etcd-go-client lossless.test/etcd-go-client ;;
    kube-apiserver) build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver ;;
    *) echo "no server $name; expected jaeger, consul, etcd, etcd-go-client or kube-apiserver" >&2; exit 2 ;;
  esac
done
