#!/bin/sh
# Moves the slot of a key to another master, by the commands that Redis documents: move-slot.sh KEY PORT…
set -eu
key=$1
shift
slot=$(redis-cli -p "$1" cluster keyslot "$key")

# A master that owns the slot answers a question about it; another one redirects.
for port; do
	case $(redis-cli -p "$port" exists "$key") in MOVED*) to=$port ;; *) from=$port ;; esac
done
from_id=$(redis-cli -p "$from" cluster myid)
to_id=$(redis-cli -p "$to" cluster myid)
{
	redis-cli -p "$to" cluster setslot "$slot" importing "$from_id"
	redis-cli -p "$from" cluster setslot "$slot" migrating "$to_id"
	for name in $(redis-cli -p "$from" cluster getkeysinslot "$slot" 100); do
		redis-cli -p "$from" migrate 127.0.0.1 "$to" "$name" 0 5000
	done
	redis-cli -p "$to" cluster setslot "$slot" node "$to_id"
	for port; do redis-cli -p "$port" cluster setslot "$slot" node "$to_id"; done
} >/dev/null
