#!/usr/bin/env bash
# Builds the real servers of the tests into a cache outside the clone; prints where each is. A second run builds nothing.
#   scripts/build-servers.sh jaeger
# A server is a folder of test/servers. What lies in it says how it is built:
#   go.mod    a Go program: the package that tools.go names, or the folder's own main package; a folder when it names several
#   pom.xml   a Java program: a folder with its jars (of target and target/lib, which `mvn package` must fill)
#   packages  Debian packages: a folder with their files; nothing is installed and no service starts
#   requirements.txt  Python packages: a folder with their files; main.py beside it is a program that uses them
#   package.json  Packages of npm and what is built with them: what its build puts into "out", or all of it
#   main.c    a C program that needs the kernel's headers alone
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${LOSSLESS_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lossless-lifecycle}

# Names what would be built; test/support/servers/built.ts computes the same.
key() {
  (cd "$1" && { { ls go.mod go.sum main.c main.go next.config.mjs package-lock.json package.json packages pom.xml requirements.txt tsconfig.json 2>/dev/null || true; [ ! -d src ] || find src -type f; } | LC_ALL=C sort; } |
    xargs cat | sha256sum | cut -c1-16)
}

with_go() { # target; the folder is the working directory, as for the others
  local mains=(.)
  [ ! -f tools.go ] || mapfile -t mains < <(sed -n 's/^import _ "\(.*\)"$/\1/p' tools.go)
  [ ${#mains[@]} = 1 ] || mkdir "$1"
  go build -mod=readonly -trimpath -ldflags='-s -w' -o "$1" "${mains[@]}"
}

with_maven() {
  mkdir "$1"
  cp -r . "$1/source"
  (cd "$1/source" && mvn -q -B package >&2 </dev/null)
  find "$1/source/target" -maxdepth 2 -name '*.jar' -exec mv {} "$1" ';'
  rm -r "$1/source"
}

with_apt() {
  mkdir "$1"
  local packages fetch
  mapfile -t packages <packages
  fetch=(apt-get download -q -o APT::Sandbox::User=root "${packages[@]}")
  (cd "$1" && { "${fetch[@]}" || { apt-get update -q && "${fetch[@]}"; }; } >&2 </dev/null)
  for package in "$1"/*.deb; do dpkg-deb -x "$package" "$1"; done
  rm "$1"/*.deb
}

with_pip() {
  python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --no-deps --only-binary=:all: \
    --require-hashes --target "$1" -r requirements.txt >&2 </dev/null
}

with_npm() {
  cp -r . "$1.source"
  (cd "$1.source" && npm ci --no-audit --no-fund && npm run build --if-present) >&2 </dev/null
  if [ -d "$1.source/out" ]; then mv "$1.source/out" "$1"; rm -r "$1.source"; else mv "$1.source" "$1"; fi
}

with_cc() {
  cc -O2 -Wall -Wextra -Werror -o "$1" main.c
}

build() { # name
  local name=$1 folder=$root/test/servers/$1 tool with target
  if [ -f "$folder/go.mod" ]; then tool=go with=with_go
  elif [ -f "$folder/pom.xml" ]; then tool=mvn with=with_maven
  elif [ -f "$folder/packages" ]; then tool=apt-get with=with_apt
  elif [ -f "$folder/requirements.txt" ]; then tool=python3 with=with_pip
  elif [ -f "$folder/package.json" ]; then tool=npm with=with_npm
  elif [ -f "$folder/main.c" ]; then tool=cc with=with_cc
  else echo "no server $name; expected one of:" $(ls "$root/test/servers") >&2; exit 2
  fi
  target=$cache/bin/$name-$(key "$folder")
  if [ ! -e "$target" ]; then
    command -v "$tool" >/dev/null || { echo "building $name needs $tool on the PATH" >&2; exit 1; }
    mkdir -p "$cache/bin"
    echo "building $name (once; a Go server takes about five minutes)" >&2
    trap 'rm -rf "$cache/bin"/*".$$"' EXIT
    (cd "$folder" && "$with" "$target.$$")
    [ -e "$target" ] || mv "$target.$$" "$target"
  fi
  echo "$target"
}

for name in "$@"; do build "$name"; done
