//go:build !cgo

package websocket

// Every other file of the package is left out without cgo, so that this sentence is all that the compiler says.
var _ int = "this package links a C library: set CGO_ENABLED=1, and have a C compiler for the target"
