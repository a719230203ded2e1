//go:build cgo

package websocket

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// mostOfHead bounds the answer of a proxy.
const mostOfHead = 64 << 10

// connectThrough makes the connection by way of a proxy. The exchange is done here and not by libwsdial, as crypto/tls
// must come behind it.
func (a *attempt) connectThrough(proxy *url.URL) error {
	port := map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[strings.ToLower(proxy.Scheme)]
	if port == "" {
		return a.proxyError(codeOptionValue, "the scheme of a proxy is http, https, socks5 or socks5h, not "+strconv.Quote(proxy.Scheme))
	}
	if proxy.Hostname() == "" {
		return a.proxyError(codeOptionValue, "the proxy has no host")
	}
	// The TLS to the server is done here, so that NetDialTLSContext is asked for a proxy within TLS alone.
	isHTTPS := strings.EqualFold(proxy.Scheme, "https")
	plain := &attempt{d: &Dialer{NetDial: a.d.NetDial, NetDialContext: a.d.NetDialContext}, t: &target{}, ctx: a.ctx}
	isSecured := isHTTPS && a.d.NetDialTLSContext != nil
	if isSecured {
		plain.d.NetDialContext = a.d.NetDialTLSContext
	}
	conn, err := plain.dial(net.JoinHostPort(proxy.Hostname(), orElse(proxy.Port(), port)))
	if err != nil {
		return err
	}
	a.conn, a.phase = conn, "proxy"
	broken := make(chan struct{})
	stop := context.AfterFunc(a.ctx, func() {
		conn.SetDeadline(longAgo)
		close(broken)
	})
	if isHTTPS && !isSecured {
		secured := tls.Client(conn, a.proxyTLS(proxy))
		if err = secured.HandshakeContext(a.ctx); err == nil {
			a.conn = secured
		}
	}
	switch {
	case err != nil:
	case strings.HasPrefix(strings.ToLower(proxy.Scheme), "socks"):
		err = a.askSOCKS(proxy.User)
	default:
		err = a.askHTTP(proxy.User)
	}
	if !stop() {
		<-broken
		return a.ctx.Err()
	}
	var own *Error
	if err != nil && !errors.As(err, &own) && errors.Is(err, io.EOF) {
		return a.proxyError(codeProxyEOF, "the proxy ended the connection")
	}
	return err
}

// proxyTLS is for the TLS to a proxy: the user's roots and versions, and nothing that was said of the server: the proxy is
// always verified, and gets no certificate of ours.
func (a *attempt) proxyTLS(proxy *url.URL) *tls.Config {
	config := &tls.Config{ServerName: proxy.Hostname(), NextProtos: []string{"http/1.1"}}
	if user := a.d.TLSClientConfig; user != nil {
		config.RootCAs, config.Time = user.RootCAs, user.Time
		config.MinVersion, config.MaxVersion = user.MinVersion, user.MaxVersion
	}
	return config
}

func (a *attempt) proxyError(code int, text string) error {
	return &Error{Code: code, Phase: "proxy", Message: a.t.display + ": proxy: " + text}
}

// askHTTP asks for a tunnel by CONNECT (RFC 9110 9.3.6).
func (a *attempt) askHTTP(user *url.Userinfo) error {
	address := a.t.address()
	request := "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\n"
	if user != nil {
		password, _ := user.Password()
		request += "Proxy-Authorization: Basic " +
			base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)) + "\r\n"
	}
	if _, err := io.WriteString(a.conn, request+"\r\n"); err != nil {
		return err
	}
	for interim := 0; interim < 16; interim++ {
		head, err := readHead(a.conn)
		if err == errHeadTooLong {
			return a.proxyError(codeProxyAnswer, "the head of the proxy's answer is over 64 KiB")
		}
		if err != nil {
			return err
		}
		resp := parseHead(head)
		switch {
		case resp == nil:
			return a.proxyError(codeProxyAnswer, "the proxy's answer is not HTTP")
		case resp.StatusCode/100 == 1:
			continue
		case resp.StatusCode/100 == 2:
			return nil
		case resp.StatusCode == http.StatusProxyAuthRequired:
			return a.proxyError(codeProxyAuth, "the proxy asks for a user and a password it accepts: "+resp.Status)
		}
		return a.proxyError(codeProxyRejected, "the proxy refused: "+resp.Status)
	}
	return a.proxyError(codeProxyAnswer, "the proxy sends interim answers without end")
}

var errHeadTooLong = errors.New("head too long")

// readHead reads to the empty line and not a byte further: what follows is the server's.
func readHead(from io.Reader) ([]byte, error) {
	var head []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) && !bytes.HasSuffix(head, []byte("\n\n")) {
		if len(head) >= mostOfHead {
			return nil, errHeadTooLong
		}
		if _, err := io.ReadFull(from, one); err != nil {
			return nil, err
		}
		head = append(head, one[0])
	}
	return head, nil
}

// parseHead reads a head with net/http; nil when it is none.
func parseHead(head []byte) *http.Response {
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil {
		return nil
	}
	resp.Body.Close()
	return resp
}

// askSOCKS asks a SOCKS5 proxy (RFC 1928, RFC 1929) for the target; it looks the name up.
func (a *attempt) askSOCKS(user *url.Userinfo) error {
	greeting := []byte{5, 1, 0}
	if user != nil {
		greeting = []byte{5, 2, 0, 2} // the proxy need not ask for the password that it would be given
	}
	if _, err := a.conn.Write(greeting); err != nil {
		return err
	}
	answer := make([]byte, 2)
	if _, err := io.ReadFull(a.conn, answer); err != nil {
		return err
	}
	switch {
	case answer[0] != 5:
		return a.proxyError(codeProxyAnswer, "the proxy does not speak SOCKS5")
	case answer[1] == 0xff || bytes.IndexByte(greeting[2:], answer[1]) < 0:
		offered := map[bool]string{false: "nobody without a user and a password", true: "neither user and password nor anybody"}[user != nil]
		return a.proxyError(codeProxyAuth, "the SOCKS5 proxy takes "+offered)
	case answer[1] == 2:
		if err := a.signIn(user); err != nil {
			return err
		}
	}
	request, err := a.socksRequest()
	if err != nil {
		return err
	}
	if _, err := a.conn.Write(request); err != nil {
		return err
	}
	return a.socksAnswer()
}

func (a *attempt) signIn(user *url.Userinfo) error {
	name, password := user.Username(), ""
	if given, ok := user.Password(); ok {
		password = given
	}
	if len(name) == 0 || len(name) > 255 || len(password) > 255 {
		return a.proxyError(codeOptionValue, "user and password of a SOCKS5 proxy have at most 255 bytes, and the user one at least")
	}
	request := append([]byte{1, byte(len(name))}, name...)
	request = append(append(request, byte(len(password))), password...)
	if _, err := a.conn.Write(request); err != nil {
		return err
	}
	answer := make([]byte, 2)
	if _, err := io.ReadFull(a.conn, answer); err != nil {
		return err
	}
	if answer[1] != 0 {
		return a.proxyError(codeProxyAuth, "the SOCKS5 proxy does not accept the user and the password")
	}
	return nil
}

func (a *attempt) socksRequest() ([]byte, error) {
	port, err := strconv.ParseUint(a.t.port, 10, 16)
	if err != nil {
		return nil, a.proxyError(codeOptionValue, "the port is no number")
	}
	request := []byte{5, 1, 0}
	address, err := netip.ParseAddr(a.t.host)
	switch {
	case err != nil && len(a.t.host) > 255:
		return nil, a.proxyError(codeOptionValue, "the host's name is over 255 bytes")
	case err != nil:
		request = append(append(request, 3, byte(len(a.t.host))), a.t.host...)
	case address.Is4():
		request = append(append(request, 1), address.AsSlice()...)
	default:
		request = append(append(request, 4), address.WithZone("").AsSlice()...)
	}
	return append(request, byte(port>>8), byte(port)), nil
}

var socksAnswers = []string{"", "general failure", "not allowed by its rules", "network unreachable", "host unreachable",
	"connection refused", "time to live expired", "command not supported", "kind of address not supported"}

func (a *attempt) socksAnswer() error {
	answer := make([]byte, 5)
	if _, err := io.ReadFull(a.conn, answer); err != nil {
		return err
	}
	if answer[0] != 5 {
		return a.proxyError(codeProxyAnswer, "the proxy does not speak SOCKS5")
	}
	if code := int(answer[1]); code != 0 {
		text := fmt.Sprintf("code %d", code)
		if code < len(socksAnswers) {
			text = socksAnswers[code]
		}
		kind := codeProxyRejected
		if code >= 3 && code <= 6 {
			kind = codeProxyReach
		}
		return a.proxyError(kind, "the SOCKS5 proxy could not connect: "+text)
	}
	// The address that it is bound to, of which one byte is here, and the port.
	size := map[byte]int{1: 4, 3: 1 + int(answer[4]), 4: 16}[answer[3]]
	if size == 0 {
		return a.proxyError(codeProxyAnswer, "the SOCKS5 proxy's answer has no kind of address that is known")
	}
	_, err := io.ReadFull(a.conn, make([]byte, size-1+2))
	return err
}
