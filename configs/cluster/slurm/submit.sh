#!/bin/bash
# Submits plan, array and merge of one run, and prints their job ids:
#
#     submit.sh TASKS RUN_DIR OUTPUT INPUT... [options of `g2p-batch plan`]
#
# If the merge says that shards are missing, the same command goes on, with as many tasks as you like. Options for all
# three jobs come from the environment (SBATCH_PARTITION, SBATCH_ACCOUNT, ...).
set -euo pipefail
if [ "$#" -lt 4 ]; then
    echo "usage: $0 TASKS RUN_DIR OUTPUT INPUT... [options of g2p-batch plan]" >&2
    exit 2
fi
tasks=$1 run_dir=$2 output=$3
shift 3
here=$(dirname "$0")
plan=$(sbatch --parsable "$here/plan.sbatch" "$@" --run-dir "$run_dir")
# A task does not start without a plan; the merge starts however the tasks end, and goes by the receipts alone.
array=$(sbatch --parsable --dependency="afterok:$plan" --kill-on-invalid-dep=yes --array="0-$((tasks - 1))" \
    "$here/array.sbatch" "$run_dir")
merge=$(sbatch --parsable --dependency="afterany:$array" "$here/merge.sbatch" "$run_dir" -o "$output")
echo "plan $plan array $array merge $merge"
