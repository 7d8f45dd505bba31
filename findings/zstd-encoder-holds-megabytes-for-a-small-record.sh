#!/bin/sh
# A zstd encoder in Go holds megabytes after one record of 200 bytes, and more with a dictionary
#
# Guess (34): an encoder with default options that has encoded 400 bytes once holds less than 2 MB.
# Behaviour:  it holds 3 MB, and 12 MB with a dictionary (GOMAXPROCS 2, which is the number of inner
#             encoders). At "better" it holds 21 to 24 MB, at "best" 84 to 110 MB. The size of the
#             record makes no difference. With one inner encoder, WithLowerEncoderMem and a window
#             of 64 KiB, the fastest level needs 0.3 MB.
# Versions:   github.com/klauspost/compress v1.20.4.
# Matters:    at the first burst, the kernel kills a container of 64 MB that has a pool of encoders.
#             Records of 200 bytes do not suggest such a need.

. "$(dirname "$0")/lib/start.sh"
cat >main.go <<'END'
package main

import (
	"bytes"
	"fmt"
	"runtime"

	"github.com/klauspost/compress/zstd"
)

// held returns the megabytes that an encoder holds after one record.
func held(options ...zstd.EOption) float64 {
	record := []byte(`{"id":"pi_1","order_id":"order-1","status":"succeeded","state":"paid","amount":4200}`)
	before := heap()
	encoder, err := zstd.NewWriter(nil, options...)
	if err != nil {
		panic(err)
	}
	encoder.EncodeAll(bytes.Repeat(record, 2), nil)
	after := heap()
	runtime.KeepAlive(encoder)
	return float64(after-before) / (1 << 20)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func main() {
	runtime.GOMAXPROCS(2)
	dictionary := zstd.WithEncoderDictRaw(1, bytes.Repeat([]byte(`{"id":"pi_","order_id":"order-","status":"`), 10))
	for _, level := range []zstd.EncoderLevel{zstd.SpeedDefault, zstd.SpeedBetterCompression, zstd.SpeedBestCompression} {
		fmt.Printf("%s: %.0f MB, with a dictionary %.0f MB\n", level,
			held(zstd.WithEncoderLevel(level)), held(zstd.WithEncoderLevel(level), dictionary))
	}
	fmt.Printf("smallest: %.1f MB\n", held(zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(64<<10)))
}
END
go_modules github.com/klauspost/compress@v1.20.4
./finding >seen
compare <<'END'
default: 3 MB, with a dictionary 12 MB
better: 24 MB, with a dictionary 21 MB
best: 84 MB, with a dictionary 110 MB
smallest: 0.3 MB
END
