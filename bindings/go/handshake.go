//go:build cgo

package websocket

/*
#include "bridge.h"
*/
import "C"

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"unsafe"
)

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
