#!/bin/sh
# move-slot.sh KEY PORT… moves the slot of a key to another master, with the commands that Redis documents for it. The
# ports are those of the cluster's masters.
set -eu
key=$1
shift
slot=$(redis-cli -p "$1" cluster keyslot "$key")

# The master that owns the slot answers EXISTS. The others answer MOVED.
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
