#!/usr/bin/env bash
# Builds and runs the tests of this folder, plain and under AddressSanitizer and UndefinedBehaviorSanitizer.
#   check.sh [FIXTURES]     FIXTURES: folder of <TYPE>.safetensors with decoded values
#   CXX, BUILD (default: a temporary folder) may be set.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-$(mktemp -d)}
cxx=${CXX:-g++}
targets="scalar"
[ "$(uname -m)" = x86_64 ] && targets="scalar avx2 avxvnni avx512vnni"
check() { # name, flags
  local name=$1 objects=()
  shift
  for t in $targets; do
    "$cxx" -std=c++20 -ffp-contract=off -Wall -Wextra -Wno-parentheses -Wno-psabi "$@" -c "$here/target_$t.cpp" -o "$build/$t-$name.o"
    objects+=("$build/$t-$name.o")
  done
  "$cxx" -std=c++20 -Wall -Wextra -Wno-parentheses "$@" "$here/test.cpp" "${objects[@]}" -o "$build/test-$name"
  echo "== $name: $*"
  "$build/test-$name" ${fixtures[@]+"${fixtures[@]}"}
}
fixtures=("$@")
check plain -O2
check sanitized -O1 -g1 -DDTS_ROLLED -fsanitize=address,undefined -fno-sanitize-recover=all
