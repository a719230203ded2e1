//go:build cgo

package websocket

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// crowdServer is another process: it agrees to every handshake, sends "one" at once, and "two" to everybody for each byte
// that comes on its standard input, at whose end it ends.
func crowdServer() {
	var mu sync.Mutex
	all := map[net.Conn]bool{}
	listener, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() {
		for {
			stream, err := listener.Accept()
			if err != nil {
				panic(err)
			}
			go func() {
				request, err := http.ReadRequest(bufio.NewReaderSize(stream, 512))
				if err != nil {
					stream.Close()
					return
				}
				io.WriteString(stream, answer(request, "")+"\x81\x03one")
				mu.Lock()
				all[stream] = true
				mu.Unlock()
				stream.Read(make([]byte, 1))
				mu.Lock()
				delete(all, stream)
				mu.Unlock()
				stream.Close()
			}()
		}
	}()
	for {
		if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
			return
		}
		mu.Lock()
		for stream := range all {
			io.WriteString(stream, "\x81\x03two")
		}
		mu.Unlock()
	}
}

// status is a number of /proc/self/status.
func status(field string) int {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			return n
		}
	}
	return -1
}

// descriptors is how many are open, apart from those that looking takes.
func descriptors() int {
	least := 1 << 30
	for range 5 {
		entries, _ := os.ReadDir("/proc/self/fd")
		least = min(least, len(entries))
	}
	return least
}

// memory is what the process holds in KiB, without goroutines' stacks.
func memoryKiB() int {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return status("VmRSS") - int(m.StackInuse>>10)
}

// TestACrowd holds many connections, all receiving, and counts threads, descriptors and memory; it dials a thousand at once.
// WSDIAL_CROWD=all takes as many as the limit of descriptors allows, less a hundred.
func TestACrowd(t *testing.T) {
	count, dials := 1000, 300
	if os.Getenv("WSDIAL_CROWD") == "all" {
		var limit syscall.Rlimit
		syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
		limit.Cur = limit.Max
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
		count, dials = int(limit.Cur)-100, 1000
	}
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), "WSDIAL_CROWD_SERVER=yes")
	server.Stderr = os.Stderr
	input, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer server.Wait()
	defer input.Close()
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	output.Close()
	port := strings.TrimSpace(line)
	address := func(i int) string { return fmt.Sprintf("ws://127.0.0.%d:%s/", 1+i%4, port) }

	threadsAtFirst, peak, stop := status("Threads"), atomic.Int32{}, make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				if n := int32(status("Threads")); n > peak.Load() {
					peak.Store(n)
				}
			}
		}
	}()

	// All at once.
	var group sync.WaitGroup
	begun := time.Now()
	conns := make([]*Conn, count)
	dial := func(i int) {
		defer group.Done()
		c, _, err := DefaultDialer.Dial(address(i), nil)
		if err != nil {
			t.Error(err)
			return
		}
		conns[i] = c
	}
	for i := range min(dials, count) {
		group.Add(1)
		go dial(i)
	}
	group.Wait()
	dialing, dialThreads := time.Since(begun), peak.Load()

	// The rest, and readers for all.
	if t.Failed() {
		t.FailNow()
	}
	// They read too, so that what is pooled is there before the memory is looked at.
	for _, c := range conns[:dials] {
		group.Add(1)
		go func() { defer group.Done(); c.ReadMessage(); c.Close() }()
	}
	group.Wait()
	before, fdsBefore := memoryKiB(), descriptors()
	for range 9 {
		time.Sleep(time.Millisecond)
		fdsBefore = min(fdsBefore, descriptors()) // whoever watches the threads has one open, now and then
	}
	places := make(chan struct{}, 200)
	for i := range count {
		places <- struct{}{}
		group.Add(1)
		go func() { defer func() { <-places }(); dial(i) }()
	}
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
	var ones, twos, ended atomic.Int32
	for _, c := range conns {
		go func() {
			for {
				_, data, err := c.ReadMessage()
				switch {
				case err != nil:
					ended.Add(1)
					return
				case string(data) == "one":
					ones.Add(1)
				case string(data) == "two":
					twos.Add(1)
				}
			}
		}()
	}
	wait := func(counter *atomic.Int32, want int, what string) {
		for limit := time.Now().Add(60 * time.Second); int(counter.Load()) < want; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(limit) {
				t.Fatalf("%d of %d connections %s", counter.Load(), want, what)
			}
		}
	}
	wait(&ones, count, "received the first message")
	input.Write([]byte{1})
	wait(&twos, count, "received the second")
	close(stop)
	<-watched // it opens a descriptor each time that it looks
	memory, fds := memoryKiB(), descriptors()-fdsBefore
	each := float64(memory-before) / float64(count)
	t.Logf("%d connections, all receiving: %d threads at the most (%d at first), %d descriptors, %.2f KiB each beside goroutine stacks; "+
		"%d dials at once: %d threads, %v", count, peak.Load(), threadsAtFirst, fds, each, dials, dialThreads, dialing.Round(time.Millisecond))
	for _, c := range conns {
		c.Close()
	}
	wait(&ended, count, "ended")
	if peak.Load() >= 32 {
		t.Errorf("%d threads", peak.Load())
	}
	if fds != count {
		t.Errorf("%d descriptors for %d connections", fds, count)
	}
	// Of few connections the noise is larger.
	most := 8.0
	if count > 10000 {
		most = 4
	}
	if each > most && !raceDetector {
		t.Errorf("%.2f KiB each", each)
	}
	for limit := time.Now().Add(5 * time.Second); descriptors() > fdsBefore; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%d descriptors stay", descriptors()-fdsBefore)
		}
	}
}

// leaks runs a test's body and waits until as many goroutines and descriptors are there as before.
func leaks(t *testing.T, body func()) {
	t.Helper()
	goroutines, fds := runtime.NumGoroutine(), descriptors()
	body()
	for limit := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > goroutines || descriptors() > fds; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines and %d descriptors became %d and %d\n%s", goroutines, fds, runtime.NumGoroutine(), descriptors(),
				stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func TestNothingLeaks(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	leaks(t, func() {
		for range 20 {
			for _, url := range []string{agrees.ws, agrees.wss} {
				c, _, err := DefaultDialer.Dial(url, nil)
				if err != nil {
					t.Fatal(err)
				}
				echoOnce(t, c, "x")
				go c.ReadMessage()
				c.Close()
			}
			(&Dialer{HandshakeTimeout: time.Millisecond}).Dial("ws://"+silent.Addr().String(), nil)
			DefaultDialer.Dial("ws://127.0.0.1:1", nil)
			DefaultDialer.Dial("ws://127.0.0.1:1/#x", nil)
			c, _, err := (&Dialer{PingInterval: time.Millisecond}).Dial(agrees.ws, nil)
			if err != nil {
				t.Fatal(err)
			}
			echoOnce(t, c, "y")
			c.Close()
		}
	})
}

// A connection that nobody closed and nobody holds is freed by the garbage collector.
func TestAForgottenConnection(t *testing.T) {
	leaks(t, func() {
		for range 10 {
			if _, _, err := DefaultDialer.Dial(agrees.ws, nil); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
	})
}
