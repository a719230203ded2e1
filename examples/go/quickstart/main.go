// Dials, negotiates a subprotocol, sends, receives, closes. usage: quickstart [url [ca.pem]]
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	websocket "github.com/wsdial/wsdial/bindings/go"
)

func main() {
	if err := run(append(os.Args[1:], "", "")); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	url, ca := arguments[0], arguments[1]
	if url == "" {
		url = "ws://localhost:12345"
	}
	dialer := websocket.Dialer{
		HandshakeTimeout: 45 * time.Second,
		Subprotocols:     []string{"json"},
	}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		dialer.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	c, _, err := dialer.Dial(url, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Printf("negotiated protocol: %q\n", c.Subprotocol())

	if err := c.WriteMessage(websocket.TextMessage, []byte(`{"hello":"wsdial"}`)); err != nil {
		return err
	}
	_, message, err := c.ReadMessage()
	if err != nil {
		return err
	}
	fmt.Printf("received: %s\n", message)

	// A clean end: our close goes out, and reading goes on until the server's comes.
	normal := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if err := c.WriteMessage(websocket.CloseMessage, normal); err != nil {
		return err
	}
	for err == nil {
		_, _, err = c.ReadMessage()
	}
	if !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		return err
	}
	fmt.Printf("closed cleanly: %d\n", err.(*websocket.CloseError).Code)
	return nil
}
