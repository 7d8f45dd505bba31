#!/bin/sh
# Prints -race where the race detector can work: it needs a C compiler with its headers.
if echo '#include <stdlib.h>' | "$(go env CC)" -x c -fsyntax-only - 2>/dev/null; then
	echo -race
else
	echo "No C compiler: the tests run without the race detector." >&2
fi
