package websocket

/*
#cgo linux,amd64 LDFLAGS: ${SRCDIR}/lib/linux_amd64/libwsdial.a
#cgo linux,arm64 LDFLAGS: ${SRCDIR}/lib/linux_arm64/libwsdial.a
#cgo linux LDFLAGS: -lm -ldl -lpthread
#cgo noescape ws_dial
#cgo noescape ws_recv
#cgo noescape ws_send
#cgo noescape ws_ping
#cgo noescape ws_pong
#cgo noescape ws_close
#cgo nocallback ws_dial
#cgo nocallback ws_recv
#cgo nocallback ws_send
#cgo nocallback ws_ping
#cgo nocallback ws_pong
#cgo nocallback ws_close
#include <stdlib.h>
#include "wsdial.h"
*/
import "C"

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unsafe"
)

// lend calls with C copies of the texts. A failure becomes an error.
func lend(call func(texts []*C.char, raw **C.ws_error) C.int, texts ...string) error {
	copies := make([]*C.char, len(texts))
	for i, text := range texts {
		if strings.IndexByte(text, 0) >= 0 {
			return &Error{Code: codeOptionValue, Message: fmt.Sprintf("a NUL in %q", text)}
		}
		copies[i] = C.CString(text)
		defer C.free(unsafe.Pointer(copies[i]))
	}
	var raw *C.ws_error
	if result := call(copies, &raw); result != C.WS_OK {
		return makeError(result, raw)
	}
	return nil
}

// milliseconds is a time for C: rounded up, zero and less is for ever.
func milliseconds(d time.Duration) C.int {
	if d <= 0 {
		return C.WS_FOREVER
	}
	return C.int(min((d+time.Millisecond-1)/time.Millisecond, math.MaxInt32))
}

// pointer is where data begins. C is not given a pointer to an empty slice's array.
func pointer(data []byte) unsafe.Pointer {
	if len(data) == 0 {
		return nil
	}
	return unsafe.Pointer(unsafe.SliceData(data))
}

// makeError turns a failed call's error into a plain Go value and frees it.
func makeError(result C.int, raw *C.ws_error) *Error {
	if raw == nil {
		return &Error{Code: int(result), Message: C.GoString(C.ws_strerror(result))}
	}
	defer C.ws_error_free(raw)
	return &Error{
		Code:      int(C.ws_error_code(raw)),
		Phase:     C.GoString(C.ws_phase_name(C.ws_error_phase(raw))),
		Errno:     int(C.ws_error_os_error(raw)),
		CloseCode: int(C.ws_error_close_code(raw)),
		Message:   C.GoString(C.ws_error_message(raw)),
	}
}
