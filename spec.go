// Package spec holds the contract, openapi.yaml, which lies beside it at the root of the repository.
//
// The document is written by hand and is the source: the server serves these bytes, the tests check
// every request and answer against them, and its examples are test data. The package is here, and not
// beside its users, because go:embed cannot reach up.
package spec

import _ "embed"

// OpenAPI is openapi.yaml as it was when the program was built, OpenAPI 3.1.1 in UTF-8.
// It is shared: do not change its bytes.
//
//go:embed openapi.yaml
var OpenAPI []byte
