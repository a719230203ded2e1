package websocket

/*
#include "wsdial.h"
*/
import "C"

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// Dialer holds what a program decided about dialing. The zero value works. It may be used by several goroutines.
type Dialer struct {
	// HandshakeTimeout limits the whole dial, from resolving the name to the verified answer. Zero is no limit.
	HandshakeTimeout time.Duration

	// Subprotocols are offered in this order; Conn.Subprotocol tells what the server picked.
	Subprotocols []string

	// RootCAFile names a PEM file with root certificates for wss, beside those of the operating system. gorilla's
	// Dialer has no such field.
	RootCAFile string
}

// DefaultDialer has a handshake timeout of 45 seconds and nothing else.
var DefaultDialer = &Dialer{HandshakeTimeout: 45 * time.Second}

// Dial is DialContext without a context.
func (d *Dialer) Dial(urlStr string, requestHeader http.Header) (*Conn, *http.Response, error) {
	return d.DialContext(context.Background(), urlStr, requestHeader)
}

// DialContext dials urlStr (ws or wss) with the fields of requestHeader in the request. A Sec-WebSocket-Protocol field
// there counts as the offer. The context bounds the dial only, not the connection.
//
// When the server answers something else than an upgrade the error is ErrBadHandshake and the response holds the
// answer: status, fields, and the first KiB of the body. The response's body need not be closed.
func (d *Dialer) DialContext(
	ctx context.Context, urlStr string, requestHeader http.Header,
) (*Conn, *http.Response, error) {
	if d == nil {
		d = &Dialer{}
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	settings, err := d.settings(requestHeader)
	if err != nil {
		return nil, nil, err
	}
	limit := d.HandshakeTimeout
	if deadline, ok := ctx.Deadline(); ok {
		if left := time.Until(deadline); limit <= 0 || left < limit {
			limit = max(left, time.Millisecond)
		}
	}
	if ctx.Done() == nil {
		return dial(settings, urlStr, limit)
	}

	// The call cannot be told to stop: when the context is done it is left to its end, and what it dialed is freed.
	type outcome struct {
		conn *Conn
		resp *http.Response
		err  error
	}
	done := make(chan outcome)
	go func() {
		conn, resp, err := dial(settings, urlStr, limit)
		select {
		case done <- outcome{conn, resp, err}:
		case <-ctx.Done():
			if conn != nil {
				conn.Close()
			}
		}
	}()
	select {
	case o := <-done:
		return o.conn, o.resp, o.err
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// settings makes a ws_dialer; dial frees it.
func (d *Dialer) settings(header http.Header) (*C.ws_dialer, error) {
	settings := C.ws_dialer_new()
	if settings == nil {
		return nil, &Error{Message: "no memory for a dialer"}
	}
	if err := d.apply(settings, header); err != nil {
		C.ws_dialer_free(settings)
		return nil, err
	}
	return settings, nil
}

func (d *Dialer) apply(settings *C.ws_dialer, header http.Header) error {
	// As in gorilla: no limit on messages until SetReadLimit.
	err := lend(func(_ []*C.char, raw **C.ws_error) C.int { return C.ws_dialer_set_max_message(settings, 0, raw) })
	if err != nil {
		return err
	}
	for _, name := range d.Subprotocols {
		err := lend(func(c []*C.char, raw **C.ws_error) C.int {
			return C.ws_dialer_add_subprotocol(settings, c[0], raw)
		}, name)
		if err != nil {
			return err
		}
	}
	// A map has no order: sorted, so that a program sends the same request each time.
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			err := lend(func(c []*C.char, raw **C.ws_error) C.int {
				return C.ws_dialer_add_header(settings, c[0], c[1], raw)
			}, name, value)
			if err != nil {
				return err
			}
		}
	}
	if d.RootCAFile == "" {
		return nil
	}
	return lend(func(c []*C.char, raw **C.ws_error) C.int {
		return C.ws_dialer_add_ca_file(settings, c[0], raw)
	}, d.RootCAFile)
}

// dial blocks. It frees settings.
func dial(settings *C.ws_dialer, url string, limit time.Duration) (*Conn, *http.Response, error) {
	defer C.ws_dialer_free(settings)
	var handle *C.ws_conn
	var resp *http.Response
	err := lend(func(c []*C.char, raw **C.ws_error) C.int {
		result := C.ws_dial(c[0], settings, milliseconds(limit), &handle, raw)
		if result == codeRejected {
			resp = rejection(*raw)
		}
		return result
	}, url)
	if resp != nil {
		return nil, resp, ErrBadHandshake
	}
	if err != nil {
		return nil, nil, err
	}
	status := int(C.ws_response_status(handle))
	fields := readHeader(func(i C.size_t, name **C.char) *C.char { return C.ws_response_header_at(handle, i, name) })
	return newConn(handle), response(status, fields, nil), nil
}

func rejection(raw *C.ws_error) *http.Response {
	fields := readHeader(func(i C.size_t, name **C.char) *C.char { return C.ws_error_http_header_at(raw, i, name) })
	var size C.size_t
	var body []byte
	if start := C.ws_error_http_body(raw, &size); start != nil {
		body = bytes.Clone(unsafe.Slice((*byte)(start), int(size)))
	}
	return response(int(C.ws_error_http_status(raw)), fields, body)
}

func readHeader(at func(position C.size_t, name **C.char) *C.char) http.Header {
	header := http.Header{}
	for i := C.size_t(0); ; i++ {
		var name *C.char
		value := at(i, &name)
		if value == nil {
			return header
		}
		header.Add(C.GoString(name), C.GoString(value))
	}
}

func response(status int, header http.Header, body []byte) *http.Response {
	length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	if err != nil {
		length = -1
	}
	return &http.Response{
		Status:        strings.TrimSpace(fmt.Sprintf("%03d %s", status, http.StatusText(status))),
		StatusCode:    status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        header,
		ContentLength: length,
		Body:          io.NopCloser(bytes.NewReader(body)),
	}
}
