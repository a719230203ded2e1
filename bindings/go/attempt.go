//go:build cgo

package websocket

/*
#include <stdlib.h>
#include "bridge.h"
*/
import "C"

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// attempt is one dial on its way: connect (through a proxy, perhaps), TLS, the opening handshake. What it holds when it ends
// without a connection is let go.
type attempt struct {
	d      *Dialer
	t      *target
	h      *handle
	ctx    context.Context
	ownTLS bool // the TLS, if any, is Go's
	header http.Header
	phase  string
	conn   net.Conn
	trace  *httptrace.ClientTrace
}

func (a *attempt) end() {
	if a.conn != nil {
		a.conn.Close()
	}
	if a.h != nil {
		C.ws_conn_free(a.h.conn)
	}
}

func (a *attempt) run() (*Conn, *http.Response, error) {
	if a.trace = httptrace.ContextClientTrace(a.ctx); a.trace == nil {
		a.trace = &httptrace.ClientTrace{}
	}
	a.phase = "connect"
	if err := a.connect(); err != nil {
		return nil, nil, a.broken(err)
	}
	// From here on the context breaks off what waits on the stream.
	stream := a.conn
	broken := make(chan struct{})
	stop := context.AfterFunc(a.ctx, func() {
		stream.SetDeadline(longAgo)
		close(broken)
	})
	resp, err := a.open()
	if !stop() {
		<-broken
		if err == nil {
			err = a.ctx.Err()
		}
	}
	if err != nil {
		return nil, resp, a.broken(err)
	}
	c := newConn(a.h, a.conn, a.d)
	a.conn, a.h = nil, nil
	c.startKeepalive(a.d)
	return c, resp, nil
}

// broken is the error of what the context broke off.
func (a *attempt) broken(err error) error {
	cause := a.ctx.Err()
	if cause == nil || err == ErrBadHandshake {
		return err
	}
	var timeout net.Error
	if !errors.Is(err, cause) && !(errors.As(err, &timeout) && timeout.Timeout()) && !errors.Is(err, net.ErrClosed) {
		return err
	}
	if cause == context.Canceled {
		return &Error{Code: codeCancelled, Phase: a.phase, Message: a.t.display + ": " + a.phase + ": cancelled"}
	}
	return &Error{Code: codeTimeout, Phase: a.phase, Message: a.t.display + ": " + a.phase + ": the time ran out"}
}

// connect makes the connection to the server, through a proxy if there is one.
func (a *attempt) connect() error {
	proxy, err := a.proxy()
	if err != nil {
		return err
	}
	address := a.t.address()
	if a.t.unix != "" {
		address = a.t.unix
	}
	if a.trace.GetConn != nil {
		a.trace.GetConn(address)
	}
	if proxy != nil {
		err = a.connectThrough(proxy)
	} else {
		a.conn, err = a.dial(address)
	}
	if err != nil {
		return err
	}
	if a.trace.GotConn != nil {
		a.trace.GotConn(httptrace.GotConnInfo{Conn: a.conn})
	}
	return nil
}

func (a *attempt) proxy() (*url.URL, error) {
	if a.d.Proxy == nil || a.t.unix != "" {
		return nil, nil
	}
	request := &http.Request{Method: http.MethodGet, URL: a.t.http, Host: a.t.http.Host, Header: http.Header{},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	return a.d.Proxy(request.WithContext(a.ctx))
}

// dial calls the user's function, or the net package's. What the context gave up is closed when it comes after all.
func (a *attempt) dial(address string) (net.Conn, error) {
	dial := a.d.NetDialContext
	switch {
	case a.t.secure && a.d.NetDialTLSContext != nil:
		dial = a.d.NetDialTLSContext
	case dial != nil:
	case a.d.NetDial != nil:
		return a.dialWithout(address)
	case a.t.unix != "":
		return (&net.Dialer{}).DialContext(a.ctx, "unix", address)
	default:
		dial = (&net.Dialer{}).DialContext
	}
	return checked(dial(a.ctx, "tcp", address))
}

func checked(conn net.Conn, err error) (net.Conn, error) {
	if err == nil && conn == nil {
		err = errNoConn
	}
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// dialWithout calls a function that knows no context.
func (a *attempt) dialWithout(address string) (net.Conn, error) {
	if a.ctx.Done() == nil {
		return checked(a.d.NetDial("tcp", address))
	}
	type outcome struct {
		conn net.Conn
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		conn, err := checked(a.d.NetDial("tcp", address))
		done <- outcome{conn, err}
	}()
	select {
	case o := <-done:
		return o.conn, o.err
	case <-a.ctx.Done():
		go func() {
			if o := <-done; o.conn != nil {
				o.conn.Close()
			}
		}()
		return nil, a.ctx.Err()
	}
}

// open does TLS and the upgrade over the connection.
func (a *attempt) open() (*http.Response, error) {
	if a.t.secure && a.d.NetDialTLSContext == nil && a.ownTLS {
		if err := a.startTLS(); err != nil {
			return nil, err
		}
	}
	resp, err := a.handshake()
	a.conn.SetDeadline(time.Time{})
	return resp, err
}

// startTLS is Go's own TLS, with the user's configuration.
func (a *attempt) startTLS() error {
	a.phase = "TLS"
	config := a.d.TLSClientConfig.Clone()
	if config.ServerName == "" {
		config.ServerName = a.t.host
	}
	conn := tls.Client(a.conn, config)
	a.conn = conn
	if a.trace.TLSHandshakeStart != nil {
		a.trace.TLSHandshakeStart()
	}
	err := conn.HandshakeContext(a.ctx)
	if a.trace.TLSHandshakeDone != nil {
		a.trace.TLSHandshakeDone(conn.ConnectionState(), err)
	}
	if proto := conn.ConnectionState().NegotiatedProtocol; err == nil && proto != "" && proto != "http/1.1" {
		err = &Error{Code: codeHandshakeHead, Phase: "TLS", Message: a.t.display +
			": TLS: the server was offered and chose the protocol " + strconv.Quote(proto) +
			", and WebSocket begins as http/1.1: NextProtos of TLSClientConfig says what is offered"}
	}
	return err
}

// handshake moves the bytes of the opening handshake, with TLS if that is C's.
func (a *attempt) handshake() (*http.Response, error) {
	const pieces = 4 << 10
	a.phase = "handshake"
	coreTLS := a.t.secure && !a.ownTLS
	if coreTLS {
		a.phase = "TLS"
		if a.trace.TLSHandshakeStart != nil {
			a.trace.TLSHandshakeStart()
		}
	}
	buffer := takeOutput()
	defer giveOutput(buffer)
	in := make([]byte, pieces)
	var data, came []byte
	var ioErr error
	hasRequest, hasAnswer, ended := false, false, C.int(0)
	for {
		var out C.wsgo_output
		var raw *C.ws_error
		result := a.step(data, ended, buffer, &out, &raw)
		isShaking := coreTLS && a.phase == "TLS"
		if isShaking && C.ws_tls_version(a.h.conn) != nil {
			a.tlsDone(nil)
			a.phase, isShaking = "handshake", false
		}
		for out.copied > 0 {
			if _, err := a.conn.Write(buffer[:out.copied]); err != nil && result >= 0 {
				return nil, err
			}
			if !isShaking && !hasRequest {
				hasRequest = true
				a.wroteRequest()
			}
			if out.more == 0 {
				break
			}
			if next := C.wsgo_output_next(a.h.conn, 0, unsafe.Pointer(buffer), kitOut, &out, &raw); next < 0 {
				break
			}
		}
		switch {
		case result == C.WS_OK:
			return a.agreed(), nil
		case result < 0:
			failure := makeErrorKept(result, raw)
			defer C.ws_error_free(raw)
			if isShaking {
				a.tlsDone(failure)
			}
			return a.refused(failure, raw, came, ioErr)
		case ended != 0:
			return nil, &Error{Code: codeHandshakeEOF, Phase: a.phase, Message: a.t.display + ": the connection ended"}
		}
		n, err := a.conn.Read(in)
		data = in[:n]
		if n > 0 && hasRequest && !hasAnswer {
			hasAnswer = true
			if a.trace.GotFirstResponseByte != nil {
				a.trace.GotFirstResponseByte()
			}
		}
		if !coreTLS && len(came) < mostOfHead {
			came = append(came, data...)
		}
		if err != nil && isTimeout(err) {
			return nil, err
		}
		if err != nil {
			ended = 1
			if err != io.EOF {
				ioErr = err
			}
		}
	}
}

// step is one turn in C. TLS takes its time, so few of them run at a time.
func (a *attempt) step(data []byte, ended C.int, buffer *output, out *C.wsgo_output, raw **C.ws_error) C.int {
	heavy <- struct{}{}
	defer func() { <-heavy }()
	return C.wsgo_handshake(a.h.conn, pointer(data), C.size_t(len(data)), ended, unsafe.Pointer(buffer), kitOut, out, raw)
}

func (a *attempt) wroteRequest() {
	if a.trace.WroteHeaderField != nil {
		a.trace.WroteHeaderField("Host", []string{a.t.http.Host})
		for name, values := range a.header {
			a.trace.WroteHeaderField(name, values)
		}
	}
	if a.trace.WroteHeaders != nil {
		a.trace.WroteHeaders()
	}
	if a.trace.WroteRequest != nil {
		a.trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
}

func (a *attempt) tlsDone(err error) {
	if a.trace.TLSHandshakeDone == nil {
		return
	}
	state := tls.ConnectionState{HandshakeComplete: err == nil, ServerName: a.t.host}
	if err == nil {
		switch C.GoString(C.ws_tls_version(a.h.conn)) {
		case "TLSv1.3":
			state.Version = tls.VersionTLS13
		case "TLSv1.2":
			state.Version = tls.VersionTLS12
		}
		name := strings.TrimPrefix(C.GoString(C.ws_tls_cipher(a.h.conn)), "TLS13_")
		for _, suite := range tls.CipherSuites() {
			if strings.TrimPrefix(suite.Name, "TLS_") == strings.TrimPrefix(name, "TLS_") {
				state.CipherSuite = suite.ID
			}
		}
	}
	a.trace.TLSHandshakeDone(state, err)
}

// agreed is the server's answer to a handshake that came to a good end.
func (a *attempt) agreed() *http.Response {
	fields := readHeader(func(i C.size_t, name **C.char) *C.char { return C.ws_response_header_at(a.h.conn, i, name) })
	return a.response(int(C.ws_response_status(a.h.conn)), fields, nil, nil, nil)
}

// refused is what a dial returns when the handshake failed: an answer that is no upgrade comes with it.
func (a *attempt) refused(failure *Error, raw *C.ws_error, came []byte, ioErr error) (*http.Response, error) {
	switch {
	case failure.Code == codeRejected || C.ws_error_http_status(raw) > 0:
		fields := readHeader(func(i C.size_t, name **C.char) *C.char { return C.ws_error_http_header_at(raw, i, name) })
		var size C.size_t
		var body []byte
		if start := C.ws_error_http_body(raw, &size); start != nil {
			body = bytes.Clone(unsafe.Slice((*byte)(start), int(size)))
		}
		return a.response(int(C.ws_error_http_status(raw)), fields, body, failure, came), ErrBadHandshake
	case failure.Code <= codeHandshakeVersion && failure.Code > codeHandshakeEOF:
		// A 101 that failed a check. Its fields are known where the TLS is not libwsdial's.
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
	if resp := parseHead(came); resp != nil && resp.StatusCode == status {
		line = resp.Status // in the server's words
	}
	return &http.Response{
		Status:        line,
		StatusCode:    status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
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
