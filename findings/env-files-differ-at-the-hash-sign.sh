#!/bin/sh
# One line of an .env file has a different value in Node than in Go
#
# Guess (32): all readers except dotenv keep the text after a # that has no space before it.
# Behaviour:  node --env-file and dotenv end an unquoted value at any #; godotenv and compose-go end
#             it only at " #". compose-go also replaces $name in an unquoted value. With quotes all
#             four agree; a value with $ needs single quotes.
# Versions:   dotenv 18.0.10, node 22.22.0 (npm); github.com/joho/godotenv v1.5.1,
#             github.com/compose-spec/compose-go/v2 v2.16.2.
# Matters:    a shop's backend in Node reads the same file as a service in Go. It cuts a password
#             with # in a URL, or a list of event types after #, and logs nothing. A filter that is
#             cut off means "all events".

. "$(dirname "$0")/lib/start.sh"
npm_packages dotenv@18.0.10 node@22.22.0
cat >file.env <<'END'
HOOK=https://shop.example/hook#order.paid
QUOTED='https://shop.example/hook#order.paid'
COMMENT=https://shop.example/hook #order.paid
DOLLAR=a$b
END
cat >dotenv.cjs <<'END'
const { HOOK, QUOTED, COMMENT, DOLLAR } = require('dotenv').parse(require('fs').readFileSync('file.env'));
console.log('dotenv ', HOOK, QUOTED, COMMENT, DOLLAR);
END
cat >env.cjs <<'END'
const { HOOK, QUOTED, COMMENT, DOLLAR } = process.env;
console.log('node   ', HOOK, QUOTED, COMMENT, DOLLAR);
END
cat >main.go <<'END'
package main

import (
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/joho/godotenv"
)

func main() {
	file, err := os.ReadFile("file.env")
	if err != nil {
		panic(err)
	}
	read := func(reader string, values map[string]string, err error) {
		if err != nil {
			panic(err)
		}
		fmt.Println(reader, values["HOOK"], values["QUOTED"], values["COMMENT"], values["DOLLAR"])
	}
	values, err := godotenv.UnmarshalBytes(file)
	read("godotenv", values, err)
	values, err = dotenv.UnmarshalBytesWithLookup(file, func(string) (string, bool) { return "", false })
	read("compose ", values, err)
}
END
go_modules github.com/joho/godotenv@v1.5.1 github.com/compose-spec/compose-go/v2@v2.16.2
{
	node_modules/.bin/node dotenv.cjs
	env -u HOOK -u QUOTED -u COMMENT -u DOLLAR node_modules/.bin/node --env-file=file.env env.cjs
	./finding 2>warnings
} >seen
compare <<'END'
dotenv  https://shop.example/hook https://shop.example/hook#order.paid https://shop.example/hook a$b
node    https://shop.example/hook https://shop.example/hook#order.paid https://shop.example/hook a$b
godotenv https://shop.example/hook#order.paid https://shop.example/hook#order.paid https://shop.example/hook a$b
compose  https://shop.example/hook#order.paid https://shop.example/hook#order.paid https://shop.example/hook a
END
