#!/bin/sh
# Compiles the bundled model for the CPUs of clusters, into $G2P_BATCH_CACHE: compile.sh VENV
#
# With these a container starts without a compiler on any x86-64 CPU since about 2015 (AVX2), and at its best on those
# with AVX-512 or AMX; on AArch64 there is one family. Each takes seconds, and 12 to 26 MiB.
set -eu
case $(uname -m) in
    x86_64) targets="avx2:float32 avx2:int8 avx512:float32 avx512:int8 avx512bf16:bfloat16 avx512vnni:int8"
        targets="$targets amx:float32 amx:bfloat16 amx:int8" ;;
    aarch64) targets="neon:float32 neon:int8" ;;
    *) targets="portable:float32 portable:int8" ;;
esac
for target in $targets; do
    "$1/bin/g2p-batch" compile bundled --target "${target%:*}" --dtype "${target#*:}"
done
