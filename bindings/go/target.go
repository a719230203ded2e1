//go:build cgo

package websocket

import (
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// target is an address taken apart, as far as connecting needs it. C is the judge of the rest.
type target struct {
	url     string
	secure  bool
	unix    string // the socket's path, else empty
	host    string // without a port, as the address has it
	port    string
	http    *url.URL // for what knows http and https only: proxies, cookies
	display string
}

func parseTarget(text string) (*target, error) {
	if path, ok := strings.CutPrefix(text, "ws+unix:"); ok {
		socket, _, _ := strings.Cut(strings.TrimPrefix(path, "//"), ":")
		return &target{url: text, unix: socket, display: text,
			http: &url.URL{Scheme: "http", Host: "localhost"}}, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, &Error{Code: codeURLSyntax, Message: "the address cannot be read: " + err.(*url.Error).Err.Error()}
	}
	t := &target{url: text, host: u.Hostname(), port: u.Port()}
	plain := *u
	plain.User = nil
	switch strings.ToLower(u.Scheme) {
	case "ws":
		plain.Scheme, t.port = "http", orElse(t.port, "80")
	case "wss":
		plain.Scheme, t.port, t.secure = "https", orElse(t.port, "443"), true
	default:
		hint := ""
		if u.Scheme == "http" || u.Scheme == "https" {
			hint = ": did you mean ws" + strings.TrimPrefix(u.Scheme, "http") + "://" + u.Host + "?"
		}
		return nil, &Error{Code: codeURLScheme, Message: "the scheme of the address is not ws, wss or ws+unix" + hint}
	}
	t.http = &plain
	t.display = strings.ToLower(u.Scheme) + "://" + t.address()
	return t, nil
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// address is host and port.
func (t *target) address() string { return net.JoinHostPort(t.host, t.port) }

// plainURL is the address for C when TLS is done outside of it.
func (t *target) plainURL() string {
	u := *t.http
	if original, err := url.Parse(t.url); err == nil {
		u.User = original.User
	}
	u.Scheme, u.Host = "ws", t.address()
	return u.String()
}

// hostField is what the request's Host says: without the default port.
func (t *target) hostField() string {
	host := t.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if t.port == "443" {
		return host
	}
	return host + ":" + t.port
}

// unfitLocation is what makes a Location unusable, by the rules of libwsdial: a server leads to another server, never to a
// socket of this machine's file system, and what hides a host is nobody's intention but an attacker's.
func unfitLocation(location string) string {
	rest := location
	if scheme, behind, ok := strings.Cut(location, ":"); ok && !strings.ContainsAny(scheme, "/?#") {
		switch strings.ToLower(scheme) {
		case "http", "https", "ws", "wss":
		default:
			return "is not of http, https, ws or wss"
		}
		if !strings.HasPrefix(behind, "//") {
			return "has a scheme and no host"
		}
		rest = behind
	}
	path, _, _ := strings.Cut(rest, "?")
	path, _, _ = strings.Cut(path, "#")
	authority, hasAuthority := strings.CutPrefix(path, "//")
	authority, _, _ = strings.Cut(authority, "/")
	switch {
	case strings.Contains(path, "\\"):
		return "has a backslash"
	case hasAuthority && authority == "":
		return "names no host"
	case hasAuthority && strings.Contains(authority, "@"):
		return "has a user or password, which are nobody's to give away"
	}
	return ""
}

// redirect is where the answer sends us, if it is a redirect that may be followed, and what is left of the header.
func redirect(from string, resp *http.Response, header http.Header) (string, http.Header, error) {
	switch resp.StatusCode {
	case 301, 302, 303, 307, 308:
	default:
		return "", nil, nil
	}
	location := strings.Trim(resp.Header.Get("Location"), " \t")
	base, err := url.Parse(from)
	if location == "" || err != nil || base.Host == "" {
		return "", nil, nil
	}
	next, err := base.Parse(location)
	what := unfitLocation(location)
	if err != nil {
		what = "cannot be read"
	}
	if what != "" {
		return "", nil, &Error{Code: codeRedirectTo, Phase: "handshake",
			Message: "the server redirects to " + strconv.Quote(location) + ", which " + what}
	}
	switch next.Scheme {
	case "http":
		next.Scheme = "ws"
	case "https":
		next.Scheme = "wss"
	}
	if base.Scheme == "wss" && next.Scheme != "wss" {
		return "", nil, &Error{Code: codeDowngrade, Phase: "handshake",
			Message: "the server redirects from wss to " + next.Scheme + ", which is not followed"}
	}
	next.Fragment = ""
	if next.Scheme == base.Scheme && strings.EqualFold(next.Host, base.Host) {
		if next.User == nil {
			next.User = base.User
		}
		return next.String(), header, nil
	}
	kept := http.Header{}
	for name, values := range header {
		switch http.CanonicalHeaderKey(name) {
		case "Authorization", "Cookie", "Proxy-Authorization", "Host":
		default:
			kept[name] = values
		}
	}
	return next.String(), kept, nil
}
