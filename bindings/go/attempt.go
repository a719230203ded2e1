//go:build cgo

package websocket

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"time"
)

// attempt is one dial on its way: connect (through a proxy, perhaps), TLS, the opening handshake. What it holds when it ends
// without a connection is let go.
type attempt struct {
	d      *Dialer
	t      *target
	h      *handle
	ctx    context.Context
	ownTLS bool // the TLS, if any, is Go's
	isDone bool // and was done by NetDialTLSContext
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
	request := &http.Request{Method: http.MethodGet, URL: a.t.http, Host: a.t.http.Host, Header: a.header.Clone(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	if request.Header == nil {
		request.Header = http.Header{}
	}
	return a.d.Proxy(request.WithContext(a.ctx))
}

// dial calls the user's function, or the net package's. What the context gave up is closed when it comes after all.
func (a *attempt) dial(address string) (net.Conn, error) {
	dial := a.d.NetDialContext
	switch {
	case a.t.secure && a.d.NetDialTLSContext != nil:
		dial, a.isDone = a.d.NetDialTLSContext, true
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
	if a.ownTLS && !a.isDone {
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
	config := &tls.Config{} // behind a proxy NetDialTLSContext is asked for nothing, and need not have one
	if a.d.TLSClientConfig != nil {
		config = a.d.TLSClientConfig.Clone()
	}
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
