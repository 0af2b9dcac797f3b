#!/bin/sh
# A plugin that loads nothing and shows the protocol: `command: [./show.sh]`. It needs jq.
# Copy it and put your own loader where it says LOAD.
set -eu

for last; do :; done # the last argument; those before it are yours

# 1. `stocktake check` asks whether loading could work now. Leave nothing behind.
if [ "$last" = --probe ]; then
    echo '{"ok": true}'
    exit
fi

# 2. The directory has manifest.json and the files that it names. The environment says which run it is.
cd "$STOCKTAKE_SNAPSHOT"
if [ "$(jq .protocol manifest.json)" != 1 ]; then
    echo '{"ok": false, "kind": "invalid", "error": "this plugin speaks protocol 1"}'
    exit 1
fi
key=$STOCKTAKE_RUN_ID.g$STOCKTAKE_GENERATION # a run that you have already must not be loaded again: answer the same

# 3. LOAD. Make all tables visible at once, or `runs` last. Count what you have loaded; this one only reads the manifest.
rows=$(jq -c '[.objects[] | {key: .table, value: .rows}] | from_entries' manifest.json)

# 4. Standard error is for people, and every line of it is a warning in the log of stocktake.
[ "$rows" != '{}' ] || echo "$key has no tables" >&2

# 5. The last line of standard output is the answer.
echo "{\"ok\": true, \"rows\": $rows}"
