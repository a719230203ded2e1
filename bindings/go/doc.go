// Package websocket is a WebSocket client with the surface of gorilla/websocket's client half, over the C ABI of wsdial.
//
// A program changes one import line:
//
//	import websocket "github.com/wsdial/wsdial/bindings/go"
//
// # Building
//
// The package links libwsdial. "make build" at the root of the repository puts its static archive and its header into the
// package's folder; a program then needs these two lines, said in its own folder:
//
//	go mod edit -require=github.com/wsdial/wsdial/bindings/go@v0.0.0
//	go mod edit -replace=github.com/wsdial/wsdial/bindings/go=/path/to/wsdial/bindings/go
//
// "go mod vendor" takes the archive along. With -tags wsdial_dynamic pkg-config is asked for an installed shared library
// instead. Cgo is needed; nothing outside of the standard library is.
//
// # Connections and goroutines
//
// No call into C waits. Go dials, reads and writes, under its poller, and C works on the bytes: a connection costs a
// descriptor and the goroutines that the program starts, and no thread. A connection that waits in ReadMessage on a TCP or
// unix socket holds no buffer.
//
// One goroutine reads at a time, any number write, anybody closes. Somebody must read: pings are answered, and closes met,
// while a goroutine is in a reading call.
//
// # Errors
//
// A time-out is a net.Error whose Timeout method says so; a context's error comes as it is. A connection that the server closed
// is a *[CloseError]; one that was lost is a *[CloseError] with code 1006, or the error of the socket. Everything else is an
// *[Error] with the number of wsdial.h, a plain value. After Close errors.Is(err, [net.ErrClosed]) holds.
//
// # Differences from gorilla/websocket
//
//	gorilla/websocket                                this package
//	---------------------------------------------    ---------------------------------------------------
//	a read that timed out is the last one            the connection lives on ([Dialer.PermanentTimeouts])
//	one goroutine writes at a time, else a panic     any number
//	a write that timed out breaks the connection     it was not taken, or *[PendingError] says it leaves later
//	reading on after an error panics in the end      the same error each time
//	text is not checked                              text is UTF-8, both ways (close code 1007)
//	any close code is sent                           1000 to 1003, 1007 to 1014, 3000 to 4999, or none
//	any subprotocol of the server's is taken         one that was not offered is refused
//	user:password in the address is refused          it becomes Basic authorization
//	a declined or odd extension is an error          declined is fine; what was not offered is refused
//	a fragment in the address is dropped             refused (RFC 6455 section 3)
//	SetReadLimit counts compressed bytes             inflated ones
//	a prepared message is compressed once            on each write
//	a User-Agent is sent                             none, unless the header has one
//	wss without TLSClientConfig is crypto/tls        libwsdial's TLS; NetConn is the socket
//	http proxies                                     http, https, socks5, socks5h
//	ws, wss                                          ws+unix too
//	Upgrader, Upgrade, Subprotocols, the server      absent: a file that uses both keeps both imports
package websocket
