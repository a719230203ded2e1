// The echo client that the Autobahn testsuite drives, through the Go package: client ws://HOST:PORT AGENT [--misbehave | --pieces]
// With --misbehave it takes the last byte off every binary message: the comparison has to notice. With --pieces messages are
// read and written as they come.
package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	websocket "github.com/wsdial/wsdial/bindings/go"
)

// Longer than any case of the suite waits for anything.
const patience = time.Minute

var (
	dialer     = websocket.Dialer{HandshakeTimeout: patience, EnableCompression: true}
	misbehaves = slices.Contains(os.Args, "--misbehave")
	inPieces   = slices.Contains(os.Args, "--pieces")
)

// echoOne sends back one message.
func echoOne(c *websocket.Conn) error {
	if inPieces {
		kind, r, err := c.NextReader()
		if err != nil {
			return err
		}
		w, err := c.NextWriter(kind)
		if err != nil {
			return err
		}
		if _, err := io.Copy(w, r); err != nil {
			return err
		}
		return w.Close()
	}
	kind, data, err := c.ReadMessage()
	if err != nil {
		return err
	}
	if misbehaves && kind == websocket.BinaryMessage && len(data) > 0 {
		data = data[:len(data)-1]
	}
	return c.WriteMessage(kind, data)
}

// echo echoes until the connection ends, in whatever way: the server is the judge.
func echo(c *websocket.Conn) error {
	var err error
	for err == nil {
		// For each message anew: a case has a thousand.
		c.SetReadDeadline(time.Now().Add(patience))
		c.SetWriteDeadline(time.Now().Add(patience))
		err = echoOne(c)
	}
	// What ended it is read, if a write met it first.
	for {
		if _, _, err = c.ReadMessage(); err != nil {
			break
		}
	}
	if timeout, ok := err.(interface{ Timeout() bool }); ok && timeout.Timeout() {
		return err
	}
	// After the server's close TCP is the server's to end (RFC 6455 7.1.1).
	c.NetConn().SetReadDeadline(time.Now().Add(time.Second))
	c.NetConn().Read(make([]byte, 1))
	return nil
}

func caseCount(base string) (int, error) {
	c, _, err := dialer.Dial(base+"/getCaseCount", nil)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	_, data, err := c.ReadMessage()
	if err != nil {
		return 0, err
	}
	count, err := strconv.Atoi(string(data))
	if err != nil {
		return 0, err
	}
	return count, echo(c)
}

func run(url string) error {
	c, _, err := dialer.Dial(url, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	return echo(c)
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: client ws://HOST:PORT AGENT [--misbehave | --pieces]")
		os.Exit(2)
	}
	base, agent := os.Args[1], os.Args[2]
	count, err := caseCount(base)
	lost := 0
	for i := 1; i <= count && err == nil; i++ {
		if err := run(fmt.Sprintf("%s/runCase?case=%d&agent=%s", base, i, agent)); err != nil {
			fmt.Fprintf(os.Stderr, "case number %d did not come to an end: %v\n", i, err)
			lost++
		}
	}
	if err == nil {
		err = run(base + "/updateReports?agent=" + agent)
	}
	if err != nil || lost > 0 {
		fmt.Fprintln(os.Stderr, lost, err)
		os.Exit(1)
	}
}
