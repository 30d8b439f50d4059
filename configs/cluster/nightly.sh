#!/bin/sh
# Decodes the words that are new in a list, and writes the lexicon of all of it:
#
#     nightly.sh WORDS FOLDER [options of `g2p-batch generate`]
#
# Each day gets FOLDER/<date>/ with the list as it was, the run and lexicon.parquet; what the newest run before has
# decoded is taken from it, unless an upgrade, another model or another option would answer otherwise: then all is
# decoded anew. The same command goes on where it was stopped that day. Older days may be deleted.
set -eu
if [ "$#" -lt 2 ]; then
    echo "usage: $0 WORDS FOLDER [options of g2p-batch generate]" >&2
    exit 2
fi
words=$1 folder=$2
shift 2
today=$(date +%F)
night=$folder/$today
list=$night/$(basename "$words")
mkdir -p "$night"
# A copy, since a run goes on only with the list that it was planned for, and this one grows.
if [ ! -e "$list" ]; then
    cp "$words" "$night/.copy"
    mv "$night/.copy" "$list"
fi
# Dates sort as they follow each other. Whether a run is complete does not matter: what it lacks is decoded now.
last=
for plan in "$folder"/*/run/plan.json; do
    run=$(dirname "$plan")
    if [ -e "$plan" ] && [ "$run" != "$night/run" ]; then
        last=$run
    fi
done
exec g2p-batch generate "$list" -o "$night/lexicon.parquet" --run-dir "$night/run" ${last:+--since-run "$last" --or-anew} \
    "$@"
