//go:build cgo

package websocket

/*
#include <stdlib.h>
#include "bridge.h"
*/
import "C"

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"
)

// Dialer holds what a program decided about dialing. The zero value works: no limits, no proxy, no compression. It may be
// used by several goroutines.
type Dialer struct {
	// NetDial makes the connection to the server or to its proxy, when NetDialContext is nil. Any net.Conn will do.
	NetDial func(network, addr string) (net.Conn, error)

	// NetDialContext makes the connection to the server or to its proxy. A net.Dialer does when it and NetDial are nil.
	NetDialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// NetDialTLSContext makes connections for wss addresses, TLS and all; TLSClientConfig is not used then. When it is nil,
	// NetDialContext and NetDial make them and TLS is done here. Through a proxy TLS to the server is done here by crypto/tls,
	// with TLSClientConfig, and NetDialTLSContext makes the connection to a proxy whose scheme is https, and to no other.
	NetDialTLSContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// Proxy tells the proxy for a request, whose URL has the scheme http for ws and https for wss, so that
	// http.ProxyFromEnvironment can be used. An error ends the dial with it; nil, and a nil *url.URL, mean no proxy. A proxy's
	// scheme is http, https, socks5 (names are looked up by the proxy) or socks5h, its user and password are used. The TLS of
	// an https proxy is verified by the roots of TLSClientConfig.
	Proxy func(*http.Request) (*url.URL, error)

	// TLSClientConfig is used as it is by crypto/tls. Nil means the TLS of libwsdial, with the operating system's roots.
	TLSClientConfig *tls.Config

	// HandshakeTimeout limits the whole dial, from resolving the name to the verified answer. Zero is no limit.
	HandshakeTimeout time.Duration

	// ReadBufferSize is the most that one read from the connection asks for; zero is a good size. The payload of a large
	// message is read straight into the memory that ReadMessage returns, as much of it as is there. WriteBufferSize is the
	// size of the fragments that NextWriter's writer sends; zero is a good size. Neither limits messages.
	ReadBufferSize, WriteBufferSize int

	// WriteBufferPool gives the buffers of NextWriter's writers; nil means a pool of the package's own.
	WriteBufferPool BufferPool

	// Subprotocols are offered in this order; Conn.Subprotocol tells what the server picked.
	Subprotocols []string

	// EnableCompression offers permessage-deflate (RFC 7692). The server may decline.
	EnableCompression bool

	// Jar gives the cookies of the request and gets those of the answer. Nil: none are sent, none are kept.
	Jar http.CookieJar

	// The fields below are not the model's.

	// MaxRedirects is how many redirects are followed, to ws and wss addresses only, and none of a unix socket's.
	// Authorization and cookies of the request header are dropped when the host changes, and wss never becomes ws. Zero: none,
	// the answer comes with ErrBadHandshake.
	MaxRedirects int

	// PingInterval sends a ping that often, PongTimeout is how long its pong may take; the connection ends when nothing has
	// come by then. Somebody must be reading. Zero: no pings, no limit.
	PingInterval, PongTimeout time.Duration

	// MaxMessageSize limits received messages from the start, as Conn.SetReadLimit does. Zero is no limit.
	MaxMessageSize int64

	// PermanentTimeouts makes the first read or write that times out, or whose context is done, the last one: every later one
	// returns the same error, as in the model. Unless set the connection lives on.
	PermanentTimeouts bool
}

// BufferPool holds buffers between uses, as *sync.Pool does. What is put into it is this package's affair.
type BufferPool interface {
	// Get takes a value out, or returns nil.
	Get() any
	// Put puts a value in.
	Put(any)
}

// DefaultDialer has a handshake timeout of 45 seconds and the proxy of the environment.
var DefaultDialer = &Dialer{
	Proxy:            http.ProxyFromEnvironment,
	HandshakeTimeout: 45 * time.Second,
}

// Dial is DialContext without a context.
func (d *Dialer) Dial(urlStr string, requestHeader http.Header) (*Conn, *http.Response, error) {
	return d.DialContext(context.Background(), urlStr, requestHeader)
}

// NewClient makes a WebSocket connection over a connection that is there, whose TLS, if any, is done.
//
// Deprecated: Use Dialer with NetDial.
func NewClient(
	netConn net.Conn, u *url.URL, requestHeader http.Header, readBufSize, writeBufSize int,
) (c *Conn, response *http.Response, err error) {
	d := Dialer{
		ReadBufferSize:  readBufSize,
		WriteBufferSize: writeBufSize,
		NetDial:         func(string, string) (net.Conn, error) { return netConn, nil },
	}
	return d.Dial(u.String(), requestHeader)
}

// DialContext dials urlStr (ws, wss, or ws+unix:/path/of/socket:/path) with the fields of requestHeader in the request. A
// Sec-WebSocket-Protocol field there counts as the offer, Host replaces the one of the address. The context bounds the dial
// only, not the connection.
//
// When the server answers something else than a proper upgrade the error is [ErrBadHandshake] itself and the response holds
// the answer: status, fields, and the first KiB of the body; [HandshakeReason] tells what was wrong with it. The response's
// body need not be closed. What is no answer of HTTP is an *[Error] for which errors.Is(err, [ErrBadHandshake]) holds.
//
// The hooks of an httptrace.ClientTrace in ctx are called. Within libwsdial's own TLS WroteHeaderField gets Host and the
// fields of requestHeader alone.
func (d *Dialer) DialContext(
	ctx context.Context, urlStr string, requestHeader http.Header,
) (*Conn, *http.Response, error) {
	if d == nil {
		d = DefaultDialer
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if d.HandshakeTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.HandshakeTimeout)
		defer cancel()
	}
	header := requestHeader
	for hops := 0; ; hops++ {
		c, resp, err := d.dialOnce(ctx, urlStr, header)
		if err != ErrBadHandshake || hops >= d.MaxRedirects {
			return c, resp, err
		}
		next, dropped, err := redirect(urlStr, resp, header)
		if err != nil {
			return nil, resp, err
		}
		if next == "" {
			return nil, resp, ErrBadHandshake
		}
		urlStr, header = next, dropped
	}
}

// dialOnce is a dial without redirects.
func (d *Dialer) dialOnce(ctx context.Context, urlStr string, header http.Header) (*Conn, *http.Response, error) {
	t, err := parseTarget(urlStr)
	if err != nil {
		return nil, nil, err
	}
	if err := t.useASCII(); err != nil {
		return nil, nil, err
	}
	ownTLS := t.secure && (d.NetDialTLSContext != nil || d.TLSClientConfig != nil)
	header, err = d.withCookies(t, header)
	if err != nil {
		return nil, nil, err
	}
	// Before anything is sent: C reads the address and the settings, and refuses what is wrong with them.
	h, err := d.prepare(t, ownTLS, header)
	if err != nil {
		return nil, nil, err
	}
	attempt := &attempt{d: d, t: t, h: h, ctx: ctx, ownTLS: ownTLS, header: header}
	defer attempt.end()
	c, resp, err := attempt.run()
	if resp != nil && d.Jar != nil {
		if cookies := resp.Cookies(); len(cookies) > 0 {
			d.Jar.SetCookies(t.http, cookies)
		}
	}
	return c, resp, err
}

// withCookies adds the jar's cookies, unless the header has some.
func (d *Dialer) withCookies(t *target, header http.Header) (http.Header, error) {
	if d.Jar == nil || len(header["Cookie"]) > 0 {
		return header, nil
	}
	cookies := d.Jar.Cookies(t.http)
	if len(cookies) == 0 {
		return header, nil
	}
	request := http.Request{Header: http.Header{}}
	for _, cookie := range cookies {
		request.AddCookie(cookie)
	}
	header = maps.Clone(header)
	if header == nil {
		header = http.Header{}
	}
	header["Cookie"] = request.Header["Cookie"]
	return header, nil
}

// useASCII makes a name of other letters the one that is looked up (RFC 5891), as C does.
func (t *target) useASCII() error {
	if strings.IndexFunc(t.host, func(letter rune) bool { return letter >= utf8.RuneSelf }) < 0 {
		return nil
	}
	const most = 256
	host := (*C.char)(C.malloc(most))
	defer C.free(unsafe.Pointer(host))
	var port C.int
	err := lend(func(c []*C.char, raw **C.ws_error) C.int {
		return C.ws_dialer_route(nil, c[0], host, most, &port, raw)
	}, t.url)
	if err == nil {
		t.host = C.GoString(host)
	}
	return err
}

// prepare makes C's connection, whose bytes are moved later.
func (d *Dialer) prepare(t *target, ownTLS bool, header http.Header) (*handle, error) {
	settings := C.ws_dialer_new()
	if settings == nil {
		return nil, &Error{Message: "no memory for a dialer"}
	}
	defer C.ws_dialer_free(settings)
	if err := d.apply(settings, header); err != nil {
		return nil, err
	}
	address := t.url
	if ownTLS {
		// The port is said, as its default is another one without TLS.
		address = t.plainURL()
		if _, ok := header["Host"]; !ok {
			err := lend(func(c []*C.char, raw **C.ws_error) C.int {
				return C.ws_dialer_add_header(settings, c[0], c[1], raw)
			}, "Host", t.hostField())
			if err != nil {
				return nil, err
			}
		}
	}
	h := &handle{}
	err := lend(func(c []*C.char, raw **C.ws_error) C.int {
		return C.ws_dial_memory(c[0], settings, &h.conn, raw)
	}, address)
	if err != nil {
		return nil, err
	}
	return h, nil
}

func (d *Dialer) apply(settings *C.ws_dialer, header http.Header) error {
	set := func(call func(c []*C.char, raw **C.ws_error) C.int, texts ...string) error {
		return lend(call, texts...)
	}
	errs := []error{
		// As in the model: no limit on messages until SetReadLimit.
		set(func(_ []*C.char, raw **C.ws_error) C.int {
			return C.ws_dialer_set_max_message(settings, C.size_t(max(d.MaxMessageSize, 0)), raw)
		}),
	}
	if d.PingInterval > 0 {
		errs = append(errs, set(func(_ []*C.char, raw **C.ws_error) C.int {
			return C.ws_dialer_set_keepalive(settings, milliseconds(d.PingInterval), milliseconds(d.PongTimeout), raw)
		}))
	}
	if d.EnableCompression {
		errs = append(errs,
			set(func(_ []*C.char, raw **C.ws_error) C.int { return C.ws_dialer_set_compression(settings, 1, raw) }),
			// The model's level.
			set(func(_ []*C.char, raw **C.ws_error) C.int {
				return C.ws_dialer_set_compression_level(settings, 1, 0, 128, raw)
			}))
	}
	for _, name := range d.Subprotocols {
		errs = append(errs, set(func(c []*C.char, raw **C.ws_error) C.int {
			return C.ws_dialer_add_subprotocol(settings, c[0], raw)
		}, name))
	}
	// A map has no order: sorted, so that a program sends the same request each time.
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			errs = append(errs, set(func(c []*C.char, raw **C.ws_error) C.int {
				return C.ws_dialer_add_header(settings, c[0], c[1], raw)
			}, name, value))
		}
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// milliseconds is a time for C: rounded up, 0 for none.
func milliseconds(d time.Duration) C.int {
	const most = 24 * time.Hour
	if d <= 0 {
		return 0
	}
	return C.int((min(d, most) + time.Millisecond - 1) / time.Millisecond)
}

var errNoConn = errors.New("websocket: the dial function returned neither a connection nor an error")
