#!/bin/sh
# Takes the compiler out of installed packages, which then only run models that were compiled elsewhere:
# run-only.sh SITE_PACKAGES, the folder that holds them
#
# Of TVM the libraries that run and drive GPUs stay, 5 MB of 300.
set -eu
tvm=$1/tvm
test -f "$tvm/lib/libtvm_runtime.so" || { echo "$tvm holds no TVM: give the site-packages of an environment" >&2; exit 2; }
find "$tvm" -type f ! -path "$tvm/lib/libtvm_runtime*.so" -delete
find "$tvm" -type d -empty -delete
