// Package spec embeds the contract, openapi.yaml, from the root of the repository.
//
// The document is the source and is written by hand. The server serves these bytes. The tests check
// every request and answer against them, and use its examples as test data. The package is at the
// root, and not beside its users, because go:embed cannot read parent directories.
package spec

import _ "embed"

// OpenAPI is openapi.yaml as it was when the program was built, OpenAPI 3.1.1 in UTF-8.
// It is shared: do not change its bytes.
//
//go:embed openapi.yaml
var OpenAPI []byte
