//go:build cgo && wsdial_dynamic

package websocket

/*
#cgo pkg-config: wsdial
*/
import "C"
