//go:build cgo

package websocket

/*
#cgo CFLAGS: -O2
#cgo noescape wsgo_read
#cgo noescape wsgo_land
#cgo noescape wsgo_recv
#cgo noescape wsgo_recv_piece
#cgo noescape wsgo_send_fragment
#cgo noescape wsgo_send
#cgo noescape wsgo_send_now
#cgo noescape wsgo_output_next
#cgo noescape wsgo_handshake
#cgo nocallback wsgo_read
#cgo nocallback wsgo_land
#cgo nocallback wsgo_recv
#cgo nocallback wsgo_recv_piece
#cgo nocallback wsgo_send_fragment
#cgo nocallback wsgo_send
#cgo nocallback wsgo_send_now
#cgo nocallback wsgo_output_next
#cgo nocallback wsgo_handshake
#include <stdlib.h>
#include "bridge.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"unsafe"
)

// handle is a connection of C's and how many calls are inside it. It is freed when it was retired and the last one has
// left. What it answers is made to last: no pointer of C's leaves this file and its neighbours.
type handle struct {
	conn    *C.ws_conn
	calls   atomic.Int64
	cleanup runtime.Cleanup
	kit     *kit // the reader's, while messages wait in it
}

const (
	retired = 1 << 40
	freed   = 1 << 50
)

// enter begins a call into C, unless the handle is retired; leave ends it.
func (h *handle) enter() bool {
	if h.calls.Add(1) < retired {
		return true
	}
	h.leave()
	return false
}

func (h *handle) leave() {
	if h.calls.Add(-1) == retired && h.calls.CompareAndSwap(retired, freed) {
		h.cleanup.Stop()
		h.free()
	}
}

func (h *handle) free() {
	if h.kit != nil {
		h.kit.giveBack()
		h.kit = nil
	}
	C.ws_conn_free(h.conn)
}

// retire lets nobody in any more. It is called once.
func (h *handle) retire() {
	h.calls.Add(retired + 1)
	h.leave()
}

// isRetired tells whether calls are refused.
func (h *handle) isRetired() bool { return h.calls.Load() >= retired }

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
	if result := call(copies, &raw); result < 0 {
		return makeError(result, raw)
	}
	return nil
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
	return makeErrorKept(result, raw)
}

// makeErrorKept is makeError that leaves C's error to its caller.
func makeErrorKept(result C.int, raw *C.ws_error) *Error {
	if raw == nil {
		return makeError(result, nil)
	}
	return &Error{
		Code:      int(C.ws_error_code(raw)),
		Phase:     C.GoString(C.ws_phase_name(C.ws_error_phase(raw))),
		Errno:     int(C.ws_error_os_error(raw)),
		CloseCode: int(C.ws_error_close_code(raw)),
		Message:   C.GoString(C.ws_error_message(raw)),
	}
}
