# A script sources this file for await.

# await PID PATTERN FILE waits until a line of the file matches, which the process writes. It returns 1 if the process
# ends first, or after a minute.
await() {
	tries=0
	until grep -q "$2" "$3" 2>/dev/null; do
		tries=$((tries + 1))
		if ! kill -0 "$1" 2>/dev/null || [ $tries -ge 600 ]; then
			echo "no line of $3 matches $2" >&2
			return 1
		fi
		sleep 0.1
	done
}
