// Package websocket is a WebSocket client with the surface of gorilla/websocket's client half, over the C ABI of wsdial.
//
// A program that dials, reads, writes and closes changes one import line:
//
//	import websocket "github.com/wsdial/wsdial/bindings/go"
//
// # What is here
//
// [Dialer] with HandshakeTimeout and Subprotocols, [Conn] with ReadMessage, WriteMessage, SetReadLimit and Close, the
// message types, the close codes and the errors that belong to them. A field or a method that is not here does not
// compile: nothing is accepted and then ignored.
//
// # Limits of this version
//
// A call that waits, waits inside C and holds an operating-system thread: one for each ReadMessage that is blocked.
// That is fine for hundreds of connections; the Go runtime ends a process at 10,000 threads. A dial that its context
// gave up comes back at once, and its thread runs on behind it until the handshake timeout, which no limit bounds when
// HandshakeTimeout is zero and the context has no deadline.
//
// # Differences from gorilla/websocket
//
//   - Several goroutines may write at once.
//   - Text is checked for UTF-8 both ways: WriteMessage refuses what is not, ReadMessage fails with close code 1007.
//   - A server that chooses a subprotocol or an extension that was not offered is refused, with an error for which
//     errors.Is(err, ErrBadHandshake) holds.
//   - user:password in the address becomes Basic authorization.
//   - Close sends a close frame with code 1000 first when none was sent yet; it does not wait for the answer.
//   - Pings are answered, and closes met, while some goroutine is in ReadMessage; there are no handlers to set.
//
// The package links libwsdial statically. Its archive and its header are put into the package's folder by "make build"
// at the root of the repository.
package websocket
