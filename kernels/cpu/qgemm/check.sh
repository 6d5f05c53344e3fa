#!/usr/bin/env bash
# Builds and runs the tests of this folder, plain and under AddressSanitizer and UndefinedBehaviorSanitizer.
#   check.sh [FIXTURES]     FIXTURES: folder of <TYPE>.safetensors with decoded values
#   CXX, BUILD (default: a temporary folder) and RUN (what runs the tests) may be set; for AArch64 on another machine:
#   CXX=aarch64-linux-gnu-g++ RUN="qemu-aarch64 -L /usr/aarch64-linux-gnu" SANITIZE=0 check.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-$(mktemp -d)}
cxx=${CXX:-g++}
targets="scalar"
machine=$("$cxx" -dumpmachine)
case $machine in
  x86_64*) targets="scalar avx2 avxvnni avx512vnni" ;;
  aarch64*) targets="scalar neondot neoni8mm" ;;
esac
check() { # name, flags
  local name=$1 objects=()
  shift
  for t in $targets; do
    "$cxx" -std=c++20 -ffp-contract=off -Wall -Wextra -Wno-parentheses -Wno-psabi "$@" -c "$here/target_$t.cpp" -o "$build/$t-$name.o"
    objects+=("$build/$t-$name.o")
  done
  "$cxx" -std=c++20 -Wall -Wextra -Wno-parentheses "$@" "$here/test.cpp" "${objects[@]}" -o "$build/test-$name"
  echo "== $name: $*"
  ${RUN:-} "$build/test-$name" ${fixtures[@]+"${fixtures[@]}"}
}
fixtures=("$@")
check plain -O2
[ "${SANITIZE:-1}" = 0 ] || check sanitized -O1 -g1 -DDTS_ROLLED -fsanitize=address,undefined -fno-sanitize-recover=all
