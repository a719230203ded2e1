// Command gorilla is the opponent on Go's gorilla/websocket. README.md beside this folder says what it answers.
package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// A small write buffer makes gorilla cut long messages into fragments.
var upgrader = websocket.Upgrader{Subprotocols: []string{"json"}, WriteBufferSize: 1024, EnableCompression: true}

// ends holds, by name, how connections ended.
var ends = struct {
	sync.Mutex
	known map[string]chan string
}{known: map[string]chan string{}}

func endOf(name string) chan string {
	ends.Lock()
	defer ends.Unlock()
	if ends.known[name] == nil {
		ends.known[name] = make(chan string, 1)
	}
	return ends.known[name]
}

func pattern(kind string, size int) []byte {
	if kind == "text" {
		return []byte(strings.Repeat("aé€😀", size/10))
	}
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i*31 + 7)
	}
	return data
}

func messageType(kind string) int {
	if kind == "text" {
		return websocket.TextMessage
	}
	return websocket.BinaryMessage
}

// session is one connection; everything but WriteControl happens on its own goroutine.
type session struct {
	*websocket.Conn
	name     string
	pings    int
	lastPing string
}

func (s *session) say(format string, args ...any) error {
	return s.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, format, args...))
}

func (s *session) sendInFragments(kind string, data []byte, count int) error {
	writer, err := s.NextWriter(messageType(kind))
	if err != nil {
		return err
	}
	step := max(1, len(data)/count)
	for start := 0; start < len(data); start += step {
		if err := s.WriteControl(websocket.PingMessage, nil, time.Now().Add(10*time.Second)); err != nil {
			return err
		}
		if _, err := writer.Write(data[start:min(start+step, len(data))]); err != nil {
			return err
		}
	}
	return writer.Close()
}

// ping sends a ping; the pong's handler answers, while the session goes on reading.
func (s *session) ping(text string) error {
	s.SetPongHandler(func(data string) error {
		s.SetPongHandler(nil)
		return s.say("pong %s", data)
	})
	return s.WriteControl(websocket.PingMessage, []byte(text), time.Now().Add(10*time.Second))
}

func (s *session) obey(words []string) error {
	number := func(i int) int {
		n, _ := strconv.Atoi(words[i])
		return n
	}
	switch words[0] {
	case "name":
		s.name = words[1]
		return s.say("named %s", s.name)
	case "closed":
		return s.say("%s", <-endOf(words[1]))
	case "ping":
		return s.ping(words[1])
	case "pings":
		return s.say("%d %s", s.pings, s.lastPing)
	case "send":
		return s.WriteMessage(messageType(words[1]), pattern(words[1], number(2)))
	case "fragments":
		return s.sendInFragments(words[1], pattern(words[1], number(2)), number(3))
	case "invalid":
		return s.WriteMessage(websocket.TextMessage, []byte("fine \xff not"))
	case "close":
		frame := websocket.FormatCloseMessage(number(1), strings.Join(words[2:], " "))
		return s.WriteControl(websocket.CloseMessage, frame, time.Now().Add(10*time.Second))
	}
	return fmt.Errorf("not a command: %q", words)
}

func (s *session) run() error {
	for {
		kind, data, err := s.ReadMessage()
		if err != nil {
			return err
		}
		command, isCommand := strings.CutPrefix(string(data[:min(len(data), 200)]), "do ")
		if kind == websocket.TextMessage && isCommand {
			err = s.obey(strings.Split(command, " "))
		} else {
			err = s.WriteMessage(kind, data)
		}
		if err != nil {
			return err
		}
	}
}

func handle(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/reject") {
		w.Header().Set("X-Reason", "sunday")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "not today")
		return
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	s := &session{Conn: conn}
	answer := conn.PingHandler()
	conn.SetPingHandler(func(data string) error {
		s.pings++
		s.lastPing = data
		return answer(data)
	})
	end := "1006 "
	var closed *websocket.CloseError
	if errors.As(s.run(), &closed) {
		end = fmt.Sprintf("%d %s", closed.Code, closed.Text)
	}
	if s.name != "" {
		endOf(s.name) <- end
	}
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	return listener
}

func main() {
	pair, err := tls.LoadX509KeyPair(os.Args[1], os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	plain, secure := listen(), listen()
	port := func(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
	fmt.Printf("listening ws=%d wss=%d\n", port(plain), port(secure))

	server := &http.Server{Handler: http.HandlerFunc(handle)}
	go func() { log.Fatal(server.Serve(plain)) }()
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	log.Fatal(server.Serve(tls.NewListener(secure, config)))
}
