// Package api is the contract between a Belay server and whoever speaks to it:
// openapi.yaml, which is written by hand, and the Go types and the server
// interface that are generated from it.
//
// It holds no behaviour. Handlers are in internal/httpapi, callers use package
// client. Readers of answers ignore fields that they do not know, so the
// contract grows without breaking them; requests with unknown fields are
// refused, so a mistyped field is never taken for a default.
package api

import _ "embed" // for the document

// Document is openapi.yaml, as a server serves it.
//
//go:embed openapi.yaml
var Document []byte

//go:generate oapi-codegen -config types.cfg.yaml openapi.yaml
//go:generate oapi-codegen -config server.cfg.yaml openapi.yaml
