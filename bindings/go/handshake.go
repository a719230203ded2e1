//go:build cgo

package websocket

/*
#include "bridge.h"
*/
import "C"

import (
	"crypto/tls"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"slices"
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
		size, sent, err := a.send(buffer, &out, a.trace.WroteHeaderField != nil && !coreTLS)
		if err != nil && result >= 0 {
			return nil, err
		}
		if size > 0 && err == nil && !isShaking && !hasRequest {
			hasRequest = true
			a.wroteRequest(sent)
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

// send writes what C shows until it shows nothing. It answers how much that was and, if asked to, what.
func (a *attempt) send(buffer *output, out *C.wsgo_output, keeps bool) (size int, kept []byte, err error) {
	for {
		piece, isLent := buffer[:out.copied], out.copied == 0
		if isLent {
			piece = unsafe.Slice((*byte)(out.lent), int(out.lent_len))
		}
		if len(piece) == 0 {
			return size, kept, nil
		}
		if _, err := a.conn.Write(piece); err != nil {
			return size, kept, err
		}
		size += len(piece)
		if keeps {
			kept = append(kept, piece...)
		}
		if !isLent && out.more == 0 {
			return size, kept, nil
		}
		var raw *C.ws_error
		if C.wsgo_output_next(a.h.conn, out.lent_len, unsafe.Pointer(buffer), kitOut, out, &raw) < 0 {
			C.ws_error_free(raw) // the handshake's next turn tells
			return size, kept, nil
		}
	}
}

// step is one turn in C. TLS takes its time, so few of them run at a time.
func (a *attempt) step(data []byte, ended C.int, buffer *output, out *C.wsgo_output, raw **C.ws_error) C.int {
	heavy <- struct{}{}
	defer func() { <-heavy }()
	return C.wsgo_handshake(a.h.conn, pointer(data), C.size_t(len(data)), ended, unsafe.Pointer(buffer), kitOut, out, raw)
}

// wroteRequest tells the trace of the request that has left. What its head looked like is not known where it left in C's TLS:
// then it is what the program asked for.
func (a *attempt) wroteRequest(head []byte) {
	if told := a.trace.WroteHeaderField; told != nil && len(head) > 0 {
		for line := range strings.SplitSeq(string(head), "\r\n") {
			if name, value, isField := strings.Cut(line, ": "); isField {
				told(name, []string{value})
			}
		}
	} else if told != nil {
		if _, ok := a.header["Host"]; !ok {
			told("Host", []string{a.t.http.Host})
		}
		for _, name := range slices.Sorted(maps.Keys(a.header)) {
			told(name, a.header[name])
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
