//go:build cgo

package websocket

/*
#include "bridge.h"
*/
import "C"

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unsafe"
)

// agreed is the server's answer to a handshake that came to a good end.
func (a *attempt) agreed() *http.Response {
	fields := readHeader(func(i C.size_t, name **C.char) *C.char { return C.ws_response_header_at(a.h.conn, i, name) })
	return a.response(int(C.ws_response_status(a.h.conn)), fields, nil, nil, nil)
}

// refused is what a dial returns when the handshake failed: an answer that is no upgrade comes with it.
func (a *attempt) refused(failure *Error, raw *C.ws_error, came []byte, ioErr error) (*http.Response, error) {
	status := int(C.ws_error_http_status(raw))
	switch {
	case status > 0:
		fields := readHeader(func(i C.size_t, name **C.char) *C.char { return C.ws_error_http_header_at(raw, i, name) })
		var size C.size_t
		var body []byte
		if start := C.ws_error_http_body(raw, &size); start != nil {
			body = bytes.Clone(unsafe.Slice((*byte)(start), int(size)))
		}
		return a.response(status, fields, body, failure, came), ErrBadHandshake
	case failure.Code == codeHandshakeVersion:
		// A 101 in a head that libwsdial does not take apart; its bytes are known where the TLS is not libwsdial's.
		fields := http.Header{}
		if resp := parseHead(came); resp != nil {
			fields = resp.Header
		}
		return a.response(http.StatusSwitchingProtocols, fields, nil, failure, came), ErrBadHandshake
	case ioErr != nil:
		return nil, ioErr
	}
	return nil, failure
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

func (a *attempt) response(status int, header http.Header, body []byte, reason *Error, came []byte) *http.Response {
	length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	switch {
	case status < 200 || status == http.StatusNoContent:
		length = 0
	case err != nil:
		length = -1
	}
	line := strings.TrimSpace(fmt.Sprintf("%03d %s", status, http.StatusText(status)))
	proto, major, minor := "HTTP/1.1", 1, 1
	if resp := parseHead(came); resp != nil && resp.StatusCode == status {
		line = resp.Status // in the server's words
		proto, major, minor = resp.Proto, resp.ProtoMajor, resp.ProtoMinor
	}
	return &http.Response{
		Status:        line,
		StatusCode:    status,
		Proto:         proto,
		ProtoMajor:    major,
		ProtoMinor:    minor,
		Header:        header,
		ContentLength: length,
		Body:          &answerBody{Reader: *bytes.NewReader(body), reason: reason},
		Request:       &http.Request{Method: http.MethodGet, URL: a.t.http, Host: a.t.http.Host, Header: a.header},
	}
}

// answerBody is the start of the body of an answer, and why the answer was no good.
type answerBody struct {
	bytes.Reader
	reason *Error
}

// Close does nothing.
func (*answerBody) Close() error { return nil }

// HandshakeReason tells why a dial answered [ErrBadHandshake], from the response that came with it: what was wrong with the
// server's answer. It is nil for any other response.
func HandshakeReason(resp *http.Response) error {
	if resp == nil {
		return nil
	}
	if body, ok := resp.Body.(*answerBody); ok && body.reason != nil {
		return body.reason
	}
	return nil
}
