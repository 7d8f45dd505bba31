#!/bin/sh
# go-money gives a cent to a share whose ratio is 0
#
# Guess:      Allocate(0, 1, 1) of 1.01 EUR gives nothing to the share with the ratio 0.
# Behaviour:  the first shares get the cents that are left over, also where their ratio is 0: 0.01,
#             0.50, 0.50. dinero.js 2.0.2 gives 0, 0.51, 0.50.
# Versions:   github.com/Rhymond/go-money v1.0.15; npm dinero.js 2.0.2, with node.
# Matters:    a refund or a fee is split over the lines of an order. A line that has no part in it
#             gets a cent. A marketplace pays a seller who has sold nothing.

. "$(dirname "$0")/lib/start.sh"
cat >main.go <<'END'
package main

import (
	"fmt"

	"github.com/Rhymond/go-money"
)

func main() {
	for _, amount := range []int64{101, -101, 100} {
		shares, err := money.New(amount, "EUR").Allocate(0, 1, 1)
		if err != nil {
			panic(err)
		}
		fmt.Println("go-money:", amount, "is", shares[0].Amount(), shares[1].Amount(), shares[2].Amount())
	}
}
END
go_modules github.com/Rhymond/go-money@v1.0.15
npm_packages dinero.js@2.0.2
cat >allocate.mjs <<'END'
import { allocate, dinero, toSnapshot } from 'dinero.js';
import { EUR } from 'dinero.js/currencies';

const shares = allocate(dinero({ amount: 101, currency: EUR }), [0, 1, 1]);
console.log('dinero.js: 101 is', ...shares.map((share) => toSnapshot(share).amount));
END
./finding >seen
node allocate.mjs >>seen
compare <<'END'
go-money: 101 is 1 50 50
go-money: -101 is -1 -50 -50
go-money: 100 is 0 50 50
dinero.js: 101 is 0 51 50
END
