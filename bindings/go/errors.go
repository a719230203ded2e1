//go:build cgo

package websocket

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"strconv"
	"syscall"
)

// Close codes of RFC 6455 section 7.4.1 and of the registry that it founded.
const (
	CloseNormalClosure           = 1000
	CloseGoingAway               = 1001
	CloseProtocolError           = 1002
	CloseUnsupportedData         = 1003
	CloseNoStatusReceived        = 1005
	CloseAbnormalClosure         = 1006
	CloseInvalidFramePayloadData = 1007
	ClosePolicyViolation         = 1008
	CloseMessageTooBig           = 1009
	CloseMandatoryExtension      = 1010
	CloseInternalServerErr       = 1011
	CloseServiceRestart          = 1012
	CloseTryAgainLater           = 1013
	CloseTLSHandshake            = 1015
)

// Message types: the opcodes of RFC 6455 section 11.8.
const (
	TextMessage   = 1
	BinaryMessage = 2
	CloseMessage  = 8
	PingMessage   = 9
	PongMessage   = 10
)

var (
	// ErrBadHandshake is returned by a dial when the server's answer is no upgrade; the response goes with it.
	ErrBadHandshake = errors.New("websocket: bad handshake")
	// ErrCloseSent is returned by WriteMessage behind a close frame.
	ErrCloseSent = errors.New("websocket: close sent")
	// ErrReadLimit is returned by ReadMessage for a message over the limit that SetReadLimit set.
	ErrReadLimit = errors.New("websocket: read limit exceeded")
)

// CloseError is how the server closed: its code and its reason. 1005 stands for a close frame without a code, 1006 for
// a connection that was lost without one.
type CloseError struct {
	Code int
	Text string
}

var closeNames = map[int]string{
	CloseNormalClosure:           "normal",
	CloseGoingAway:               "going away",
	CloseProtocolError:           "protocol error",
	CloseUnsupportedData:         "unsupported data",
	CloseNoStatusReceived:        "no status",
	CloseAbnormalClosure:         "abnormal closure",
	CloseInvalidFramePayloadData: "invalid payload data",
	ClosePolicyViolation:         "policy violation",
	CloseMessageTooBig:           "message too big",
	CloseMandatoryExtension:      "mandatory extension missing",
	CloseInternalServerErr:       "internal server error",
	CloseTLSHandshake:            "TLS handshake error",
}

func (e *CloseError) Error() string {
	text := "websocket: close " + strconv.Itoa(e.Code)
	if name, ok := closeNames[e.Code]; ok {
		text += " (" + name + ")"
	}
	if e.Text != "" {
		text += ": " + e.Text
	}
	return text
}

// IsCloseError tells whether err is a *CloseError with one of the codes.
func IsCloseError(err error, codes ...int) bool {
	e, ok := err.(*CloseError)
	return ok && contains(codes, e.Code)
}

// IsUnexpectedCloseError tells whether err is a *CloseError with none of the codes.
func IsUnexpectedCloseError(err error, expectedCodes ...int) bool {
	e, ok := err.(*CloseError)
	return ok && !contains(expectedCodes, e.Code)
}

func contains(codes []int, code int) bool {
	for _, c := range codes {
		if c == code {
			return true
		}
	}
	return false
}

// FormatCloseMessage makes the payload of a close frame for WriteMessage. CloseNoStatusReceived makes an empty one.
func FormatCloseMessage(closeCode int, text string) []byte {
	if closeCode == CloseNoStatusReceived {
		return []byte{}
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(closeCode)), text...)
}

// Families of the numbers in wsdial.h that Go programs are told about by type.
const (
	codeUsageKind        = -102
	codeUsageReceiver    = -104
	codeUsageCloseCode   = -107
	codeUsageControlSize = -109
	codeUsageClose       = -108
	codeURLSyntax        = -201
	codeURLScheme        = -202
	codeOptionValue      = -251
	codeTimeout          = -304
	codeCancelled        = -305
	codeConnect          = -302
	codeProxyRejected    = -351
	codeProxyAuth        = -352
	codeProxyReach       = -353
	codeProxyAnswer      = -354
	codeProxyEOF         = -355
	codeTLS              = -401
	codeRejected         = -501
	codeRedirectTo       = -512
	codeDowngrade        = -513
	codeHandshakeLast    = -529
	codeLimitMessage     = -701
	codeAbnormal         = -801
	codeHandshakeEOF     = -528
	codeHandshakeVersion = -521
	codeHandshakeHead    = -520
	codeAbnormalTLSCut   = -802
	codeAbnormalPing     = -803
	codeInternal         = -901
)

// Error is a failure that has no type of its own. It is a plain value that holds nothing of C's.
type Error struct {
	Code      int    // the number of wsdial.h, negative
	Phase     string // where it happened, such as "connect" or "TLS"
	Errno     int    // of the system call that failed, or 0
	CloseCode int    // what was sent to the server because of it, such as 1002 or 1007; 1006 for a lost connection, or 0
	Message   string // a sentence with the host, the phase and the cause
}

func (e *Error) Error() string { return "websocket: " + e.Message }

// Timeout tells whether a time ran out. With Temporary it makes *Error a net.Error.
func (e *Error) Timeout() bool { return e.Code == codeTimeout || e.Code == codeAbnormalPing }

// Temporary is part of net.Error.
func (e *Error) Temporary() bool { return e.Timeout() }

// Is lets errors.Is find ErrBadHandshake in every handshake that failed, and the two names for a time that ran out.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrBadHandshake:
		return e.Code <= codeRejected && e.Code >= codeHandshakeLast
	case os.ErrDeadlineExceeded, context.DeadlineExceeded:
		return e.Code == codeTimeout
	case context.Canceled:
		return e.Code == codeCancelled
	}
	return false
}

// Unwrap gives the errno, so that errors.Is(err, syscall.ECONNREFUSED) holds.
func (e *Error) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return syscall.Errno(e.Errno)
}

// PendingError is the error of a write whose message was taken, but which did not leave whole before Err came about: a
// deadline, or a context that was done. What is left goes out in front of the next write, so writing the message again
// would send it twice. A write that failed by any other error took nothing, or was the last one: a time-out in the middle
// of crypto/tls, or of any connection that is no socket, breaks it for writing.
type PendingError struct {
	Err error
}

func (e *PendingError) Error() string {
	return "websocket: the message is not out yet: " + e.Err.Error()
}

// Unwrap is Err.
func (e *PendingError) Unwrap() error { return e.Err }

// Timeout tells whether a time ran out. With Temporary it makes *PendingError a net.Error.
func (e *PendingError) Timeout() bool { return isTimeout(e.Err) }

// Temporary is part of net.Error.
func (e *PendingError) Temporary() bool { return e.Timeout() }
