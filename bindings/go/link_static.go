//go:build cgo && !wsdial_dynamic

package websocket

/*
#cgo linux,amd64 LDFLAGS: ${SRCDIR}/lib/linux_amd64/libwsdial.a
#cgo linux,arm64 LDFLAGS: ${SRCDIR}/lib/linux_arm64/libwsdial.a
#cgo linux LDFLAGS: -lm -ldl -lpthread
*/
import "C"

// For "go mod vendor", which takes their folders along.
import (
	_ "github.com/wsdial/wsdial/bindings/go/lib/linux_amd64"
	_ "github.com/wsdial/wsdial/bindings/go/lib/linux_arm64"
)
