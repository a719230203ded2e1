//go:build cgo

package websocket

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A case of tests/cases/cases.txt, which is run through every language; README.md there has the format.
type sharedCase struct {
	name, url string
	dialer    Dialer
	header    http.Header
	client    []string
}

func readCases(t *testing.T, port string) []*sharedCase {
	text, err := os.ReadFile("../../tests/cases/cases.txt")
	if err != nil {
		t.Fatal(err)
	}
	var cases []*sharedCase
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '[' {
			name := strings.Trim(line, "[]")
			cases = append(cases, &sharedCase{name: name, url: "ws://127.0.0.1:" + port + "/case/" + name, header: http.Header{}})
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		c := cases[len(cases)-1]
		switch word {
		case "url":
			c.url = rest
		case "offer":
			c.dialer.Subprotocols = append(c.dialer.Subprotocols, rest)
		case "limit":
			c.dialer.MaxMessageSize, _ = strconv.ParseInt(rest, 10, 64)
		case "header":
			name, value, _ := strings.Cut(rest, " ")
			c.header[name] = append(c.header[name], value)
		case "client":
			c.client = append(c.client, rest)
		}
	}
	return cases
}

var token = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|[0-9]+\*[0-9a-f]{2}|[0-9a-f]{2}`)

// caseBytes is what a list of tokens stands for.
func caseBytes(text string) []byte {
	out := []byte{}
	for _, word := range token.FindAllString(text, -1) {
		times, digits, repeated := strings.Cut(word, "*")
		switch {
		case word[0] == '"':
			quoted, _ := strconv.Unquote(word)
			out = append(out, quoted...)
		case repeated:
			n, _ := strconv.Atoi(times)
			b, _ := strconv.ParseUint(digits, 16, 8)
			out = append(out, bytes.Repeat([]byte{byte(b)}, n)...)
		default:
			b, _ := strconv.ParseUint(word, 16, 8)
			out = append(out, byte(b))
		}
	}
	return out
}

// failureNames are the names in wsdial.h of the failures' numbers.
func failureNames(t *testing.T) map[int]string {
	text, err := os.ReadFile("../../include/wsdial.h")
	if err != nil {
		t.Fatal(err)
	}
	names := map[int]string{}
	for _, m := range regexp.MustCompile(`#define (WS_E_\w+) +\((-\d+)\)`).FindAllSubmatch(text, -1) {
		number, _ := strconv.Atoi(string(m[2]))
		names[number] = string(m[1])
	}
	return names
}

type caseRun struct {
	*sharedCase
	names map[int]string
	conn  *Conn
}

// failure is an error as the file writes it.
func (r *caseRun) failure(err error, withCloseCode bool) string {
	code, closeCode := 0, 0
	var e *Error
	var closed *CloseError
	switch {
	case err == ErrReadLimit:
		code, closeCode = codeLimitMessage, CloseMessageTooBig
	case errors.As(err, &closed) && closed.Code == CloseAbnormalClosure:
		code, closeCode = codeAbnormal, closed.Code
	case errors.As(err, &e):
		code, closeCode = e.Code, e.CloseCode
	default:
		return err.Error()
	}
	if !withCloseCode || closeCode == 0 {
		return r.names[code]
	}
	return fmt.Sprintf("%s %d", r.names[code], closeCode)
}

// same is the wanted outcome if it says just these bytes.
func same(kind string, data []byte, wanted string) string {
	if rest, ok := strings.CutPrefix(wanted, kind); ok && bytes.Equal(caseBytes(rest), data) {
		return wanted
	}
	return fmt.Sprintf("%s, %d bytes", kind, len(data))
}

var caseKinds = map[string]int{"text": TextMessage, "binary": BinaryMessage, "ping": PingMessage, "pong": PongMessage}

func (r *caseRun) play(step, wanted string) string {
	word, rest, _ := strings.Cut(step, " ")
	switch word {
	case "dial":
		return r.dial()
	case "send":
		kind, data, _ := strings.Cut(rest, " ")
		if err := r.conn.WriteMessage(caseKinds[kind], caseBytes(data)); err != nil {
			return r.failure(err, false)
		}
		return "sent"
	case "recv":
		kind, data, err := r.conn.ReadMessage()
		if e, ok := err.(*CloseError); ok && e.Code != CloseAbnormalClosure {
			return same(fmt.Sprintf("closed %d", e.Code), []byte(e.Text), wanted)
		}
		if err != nil {
			return r.failure(err, true)
		}
		return same(map[int]string{TextMessage: "text", BinaryMessage: "binary"}[kind], data, wanted)
	}
	code, reason, _ := strings.Cut(rest, " ")
	number, _ := strconv.Atoi(code)
	payload := FormatCloseMessage(number, string(caseBytes(reason)))
	if number == CloseNoStatusReceived {
		payload = []byte{3, 0xed} // FormatCloseMessage knows better
	}
	if err := r.conn.WriteMessage(CloseMessage, payload); err != nil {
		return r.failure(err, false)
	}
	for {
		_, _, err := r.conn.ReadMessage()
		if e, ok := err.(*CloseError); ok && e.Code != CloseAbnormalClosure {
			return "done"
		}
		if err != nil {
			return r.failure(err, false)
		}
	}
}

func (r *caseRun) dial() string {
	r.dialer.HandshakeTimeout = 5 * time.Second
	conn, resp, err := r.dialer.Dial(r.url, r.header)
	switch {
	case err == nil:
		r.conn = conn
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
		return strings.TrimSpace("open " + conn.Subprotocol())
	case err == ErrBadHandshake:
		said := r.failure(HandshakeReason(resp), false)
		if resp.StatusCode != http.StatusSwitchingProtocols && said == "WS_E_REJECTED" {
			said += " " + strconv.Itoa(resp.StatusCode)
		}
		return said
	}
	return r.failure(err, false)
}

func TestSharedCases(t *testing.T) {
	script := exec.Command("python3", "../../tests/cases/server.py", "../../tests/cases/cases.txt")
	input, err := script.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := script.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := script.Start(); err != nil {
		t.Fatal(err)
	}
	defer script.Wait()
	defer input.Close()
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	port := strings.TrimSpace(strings.TrimPrefix(line, "ready "))
	names := failureNames(t)
	for _, one := range readCases(t, port) {
		t.Run(one.name, func(t *testing.T) {
			r := &caseRun{sharedCase: one, names: names}
			for _, step := range one.client {
				step, wanted, _ := strings.Cut(step, " -> ")
				if said := r.play(step, wanted); said != wanted {
					t.Errorf("%s: wanted %s, got %s", step, wanted, said)
				}
				if r.conn == nil {
					return
				}
			}
			r.conn.Close()
			_, resp, err := DefaultDialer.Dial("ws://"+net.JoinHostPort("127.0.0.1", port)+"/verdict/"+one.name, nil)
			if err != ErrBadHandshake {
				t.Fatal(err)
			}
			if verdict, _ := io.ReadAll(resp.Body); string(verdict) != "ok" {
				t.Errorf("the server: %s", verdict)
			}
		})
	}
}
