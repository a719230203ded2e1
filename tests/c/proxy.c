/* Connections that the program makes, or a proxy: the connect callback, the route, and the exchange with a proxy over a
 * callback's descriptor, a socket that never waits, and memory. The proxy is a thread here, before the real server. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>

#include "socket.h"

/* --- a proxy ---------------------------------------------------------------------------------------------------------- */

struct proxy {
    pthread_t thread;
    int listener;
    char url[64];
    char asked[512];
};

/* Moves what is there; 0 at the end. */
static int move_bytes(int from, int to)
{
    char bytes[4096];
    ssize_t n = recv(from, bytes, sizeof bytes, 0), sent = 0, more;

    while (sent < n && (more = send(to, bytes + sent, (size_t)(n - sent), MSG_NOSIGNAL)) > 0) {
        sent += more;
    }
    return n > 0 && sent == n;
}

static void relay(int client, int server)
{
    struct pollfd both[2];

    memset(both, 0, sizeof both);
    both[0].fd = client;
    both[1].fd = server;
    both[0].events = both[1].events = POLLIN;
    while (poll(both, 2, BOUND) > 0) {
        if ((both[0].revents && !move_bytes(client, server)) || (both[1].revents && !move_bytes(server, client))) {
            return;
        }
    }
}

/* One client: its CONNECT is answered with a 200, whatever it asks for, and the server gets the rest. */
static void *serve(void *argument)
{
    static const char yes[] = "HTTP/1.1 200 Yes\r\n\r\n";
    struct proxy *proxy = argument;
    int client = accept(proxy->listener, NULL, NULL), server = connected(server_ws);
    size_t len = 0;

    CHECK(client >= 0);
    while (strstr(proxy->asked, "\r\n\r\n") == NULL) {
        ssize_t n = recv(client, proxy->asked + len, 1, 0);

        CHECK(n == 1 && ++len < sizeof proxy->asked);
    }
    CHECK(send(client, yes, sizeof yes - 1, MSG_NOSIGNAL) == (ssize_t)sizeof yes - 1);
    relay(client, server);
    close(client);
    close(server);
    return NULL;
}

static void start_proxy(struct proxy *proxy)
{
    struct sockaddr_in at;
    socklen_t size = sizeof at;

    memset(proxy, 0, sizeof *proxy);
    memset(&at, 0, sizeof at);
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(proxy->listener, (struct sockaddr *)(void *)&at, sizeof at) == 0 && listen(proxy->listener, 4) == 0);
    CHECK(getsockname(proxy->listener, (struct sockaddr *)(void *)&at, &size) == 0);
    snprintf(proxy->url, sizeof proxy->url, "http://user:secret@127.0.0.1:%d", ntohs(at.sin_port));
    CHECK(pthread_create(&proxy->thread, NULL, serve, proxy) == 0);
}

static void stop_proxy(struct proxy *proxy)
{
    CHECK(pthread_join(proxy->thread, NULL) == 0);
    CHECK(strncmp(proxy->asked, "CONNECT nowhere.invalid:7 HTTP/1.1\r\n", 36) == 0);
    CHECK(strstr(proxy->asked, "\r\nProxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n") != NULL);
    CHECK(strstr(proxy->asked, "\r\nX-Own: 1\r\n") != NULL);
    close(proxy->listener);
}

static ws_dialer *through(const char *url)
{
    ws_dialer *dialer = new_dialer();

    EXPECT(WS_OK, ws_dialer_set_proxy(dialer, url, e));
    EXPECT(WS_OK, ws_dialer_add_proxy_header(dialer, "X-Own", "1", e));
    return dialer;
}

static const char *const behind = "ws://nowhere.invalid:7/echo";

static void echo(ws_conn *conn)
{
    ws_message message = WS_MESSAGE_INIT;

    EXPECT(WS_OK, ws_send(conn, WS_TEXT, "hello", 5, BOUND, e));
    EXPECT(WS_OK, ws_recv(conn, BOUND, &message, e));
    CHECK(message.len == 5 && memcmp(message.data, "hello", 5) == 0);
    ws_message_free(&message);
}

/* --- the callback ----------------------------------------------------------------------------------------------------- */

struct asked {
    const char *to;   /* the address to be connected to, or NULL */
    ptrdiff_t answer; /* what is answered else */
    int calls, port, timeout_ms;
    char host[256];
};

static ptrdiff_t answer(void *user, const char *host, int port, int timeout_ms)
{
    struct asked *asked = user;

    asked->calls++;
    asked->port = port;
    asked->timeout_ms = timeout_ms;
    snprintf(asked->host, sizeof asked->host, "%s", host);
    return asked->to ? (asked->answer = connected(asked->to)) : asked->answer;
}

static ws_dialer *asking(struct asked *asked)
{
    ws_dialer *dialer = new_dialer();

    memset(asked, 0, sizeof *asked);
    EXPECT(WS_OK, ws_dialer_set_connect_callback(dialer, answer, asked, e));
    return dialer;
}

static int is_open(ptrdiff_t fd)
{
    return fcntl((int)fd, F_GETFD) >= 0;
}

static void taken_over(void)
{
    struct asked asked;
    ws_dialer *dialer = asking(&asked);
    ws_conn *conn = NULL;
    char url[2048];

    asked.to = server_ws;
    EXPECT(WS_OK, ws_dial(behind, dialer, 5000, &conn, e));
    CHECK(asked.calls == 1 && strcmp(asked.host, "nowhere.invalid") == 0 && asked.port == 7);
    CHECK(asked.timeout_ms > 0 && asked.timeout_ms <= 5000);
    CHECK(ws_fd(conn) == asked.answer && is_open(asked.answer));
    echo(conn);
    ws_conn_free(conn);
    CHECK(!is_open(asked.answer));
    EXPECT(WS_OK, ws_dial("ws://[2001:db8::1]/echo", dialer, WS_FOREVER, &conn, e));
    CHECK(strcmp(asked.host, "2001:db8::1") == 0 && asked.port == 80 && asked.timeout_ms == -1);
    ws_conn_free(conn);
    EXPECT(WS_OK, ws_dial("ws+unix:/no/such/place:/echo", dialer, WS_DEFAULT, &conn, e));
    CHECK(strcmp(asked.host, "/no/such/place") == 0 && asked.port == 0);
    CHECK(asked.timeout_ms > 40000 && asked.timeout_ms <= 45000 && asked.calls == 3);
    ws_conn_free(conn);
    /* Taken away again: the library connects by itself. */
    EXPECT(WS_OK, ws_dialer_set_connect_callback(dialer, NULL, NULL, e));
    EXPECT(WS_E_CONNECT, ws_dial("ws+unix:/no/such/place:/echo", dialer, BOUND, &conn, e));
    CHECK(conn == NULL);
    url_of(url, sizeof url, server_ws, "/echo");
    EXPECT(WS_OK, ws_dial(url, dialer, BOUND, &conn, e));
    CHECK(asked.calls == 3);
    ws_conn_free(conn);
    ws_dialer_free(dialer);
}

static void refuses(struct asked *asked, const ws_dialer *dialer, int want, int os_error, ptrdiff_t what)
{
    ws_conn *conn = NULL;
    ws_error *error = NULL;

    asked->answer = what;
    CHECK(ws_dial(behind, dialer, BOUND, &conn, &error) == want && conn == NULL);
    CHECK(ws_error_code(error) == want && ws_error_phase(error) == WS_PHASE_CONNECT);
    CHECK(ws_error_os_error(error) == os_error);
    CHECK(strstr(ws_error_message(error), "ws://nowhere.invalid:7: connect: ") == ws_error_message(error));
    ws_error_free(error);
}

static void no_descriptor(void)
{
    struct asked asked;
    ws_dialer *dialer = asking(&asked);
    int ends[2];
    ptrdiff_t fd;

    refuses(&asked, dialer, WS_E_CONNECT, ECONNREFUSED, -ECONNREFUSED);
    refuses(&asked, dialer, WS_E_TIMEOUT, ETIMEDOUT, -ETIMEDOUT);
    refuses(&asked, dialer, WS_E_CANCELLED, ECANCELED, -ECANCELED);
    refuses(&asked, dialer, WS_E_INTERRUPTED, EINTR, -EINTR);
    refuses(&asked, dialer, WS_E_CONNECT, EPERM, -1);
    /* Neither a descriptor nor an errno. */
    refuses(&asked, dialer, WS_E_CONNECT, 0, -4096);
    refuses(&asked, dialer, WS_E_CONNECT, 0, (ptrdiff_t)((size_t)1 << (sizeof(size_t) * 8 - 1)));
    refuses(&asked, dialer, WS_E_CONNECT, 0, (ptrdiff_t)((size_t)-1 / 2));
    /* One that nobody opened; what is no socket; one of datagrams; one that is not connected. */
    refuses(&asked, dialer, WS_E_CONNECT, EBADF, 1000000);
    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    refuses(&asked, dialer, WS_E_CONNECT, ENOTSOCK, fd);
    CHECK(!is_open(fd));
    CHECK(pipe(ends) == 0);
    refuses(&asked, dialer, WS_E_CONNECT, ENOTSOCK, ends[0]);
    CHECK(!is_open(ends[0]) && close(ends[1]) == 0);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    refuses(&asked, dialer, WS_E_CONNECT, EPROTOTYPE, fd);
    CHECK(!is_open(fd));
    fd = socket(AF_INET, SOCK_STREAM, 0);
    refuses(&asked, dialer, WS_E_CONNECT, ENOTCONN, fd);
    CHECK(!is_open(fd));
    ws_dialer_free(dialer);
}

/* --- the route -------------------------------------------------------------------------------------------------------- */

static void route(void)
{
    ws_dialer *dialer = through("socks5://user:secret@[::1]");
    char host[16] = "left alone";
    int port = 5;

    EXPECT_TWICE(WS_OK, ws_dialer_route(NULL, behind, host, sizeof host, &port, e));
    CHECK(strcmp(host, "nowhere.invalid") == 0 && port == 7);
    EXPECT_TWICE(WS_E_USAGE_LENGTH, ws_dialer_route(NULL, behind, host, sizeof host - 1, &port, e));
    CHECK(host[0] == '\0' && port == 0);
    EXPECT_TWICE(WS_OK, ws_dialer_route(dialer, behind, host, 4, &port, e));
    CHECK(strcmp(host, "::1") == 0 && port == 1080);
    EXPECT_TWICE(WS_E_USAGE_LENGTH, ws_dialer_route(dialer, behind, host, 0, &port, e));
    CHECK(strcmp(host, "::1") == 0);
    EXPECT_TWICE(WS_OK, ws_dialer_route(dialer, "ws+unix:/run/x:/y", host, sizeof host, &port, e));
    CHECK(strcmp(host, "/run/x") == 0 && port == 0);
    port = 5;
    EXPECT_TWICE(WS_E_URL_SCHEME, ws_dialer_route(dialer, "http://a", host, sizeof host, &port, e));
    CHECK(host[0] == '\0' && port == 0);
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_route(dialer, NULL, host, sizeof host, &port, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_route(dialer, behind, NULL, sizeof host, &port, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_route(dialer, behind, host, sizeof host, NULL, e));
    ws_dialer_free(dialer);
}

/* --- the exchange ----------------------------------------------------------------------------------------------------- */

/* The callback is asked for the proxy, and the exchange runs on what it brings. */
static void over_a_callback(void)
{
    struct proxy proxy;
    struct asked asked;
    ws_dialer *dialer;
    ws_conn *conn = NULL;
    const char *port;

    start_proxy(&proxy);
    dialer = through(proxy.url);
    memset(&asked, 0, sizeof asked);
    asked.to = strstr(proxy.url, "127");
    EXPECT(WS_OK, ws_dialer_set_connect_callback(dialer, answer, &asked, e));
    EXPECT(WS_OK, ws_dial(behind, dialer, BOUND, &conn, e));
    port = strrchr(proxy.url, ':') + 1;
    CHECK(asked.calls == 1 && strcmp(asked.host, "127.0.0.1") == 0 && asked.port == atoi(port));
    echo(conn);
    ws_conn_free(conn);
    ws_dialer_free(dialer);
    stop_proxy(&proxy);
}

static void over_a_socket(void)
{
    struct proxy proxy;
    ws_dialer *dialer;
    ws_conn *conn = NULL;
    int result, fd;

    start_proxy(&proxy);
    dialer = through(proxy.url);
    fd = connected(proxy.url);
    /* The proxy may be so quick that there is nothing to wait for. */
    result = ws_dial_fd(fd, behind, dialer, WS_NOWAIT, &conn, NULL);
    CHECK((result == WS_AGAIN || result == WS_OK) && conn != NULL);
    while ((result = ws_handshake(conn, WS_NOWAIT, NULL)) == WS_AGAIN) {
        struct pollfd wait;
        int wants = ws_wants(conn);

        CHECK(ws_timeout(conn) > 40000 && ws_timeout(conn) <= 45000);
        wait.fd = fd;
        wait.events = (short)((wants & WS_WANT_READ ? POLLIN : 0) | (wants & WS_WANT_WRITE ? POLLOUT : 0));
        CHECK(wait.events != 0 && poll(&wait, 1, BOUND) == 1);
    }
    CHECK(result == WS_OK && ws_fd(conn) == fd);
    echo(conn);
    ws_conn_free(conn);
    ws_dialer_free(dialer);
    stop_proxy(&proxy);
}

/* Gives the connection what the peer says, byte by byte, and awaits the same word behind each but the last. */
static void feed(ws_conn *conn, const char *bytes, size_t len, int last, ws_error **error)
{
    size_t i, room;

    for (i = 0; i < len; i++) {
        char *input = ws_input(conn, &room);

        CHECK(input != NULL && room > 0);
        *input = bytes[i];
        EXPECT(WS_OK, ws_input_done(conn, 1, e));
        if (i + 1 < len) {
            EXPECT(WS_AGAIN, ws_handshake(conn, WS_NOWAIT, e));
        }
    }
    CHECK(ws_handshake(conn, WS_NOWAIT, error) == last);
}

/* The connection has just that to say. */
static void says(ws_conn *conn, const char *want, size_t len)
{
    size_t there = 0;
    const char *output = ws_output(conn, &there);

    CHECK(output != NULL && there >= len && memcmp(output, want, len) == 0);
    EXPECT(WS_OK, ws_output_done(conn, there, e));
}

static void over_memory(void)
{
    static const char no[] = "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"c\"\r\nContent-Length: 6\r\n\r\nlog in";
    static const char yes[] = "HTTP/1.1 100 Wait\r\n\r\nHTTP/1.1 200 Yes\r\nContent-Length: 9\r\n\r\n";
    ws_dialer *dialer = through("http://user:secret@proxy.invalid");
    ws_error *error = NULL;
    ws_conn *conn = NULL;
    size_t len = 0;

    EXPECT(WS_AGAIN, ws_dial_memory(behind, dialer, &conn, e));
    says(conn, "CONNECT nowhere.invalid:7 HTTP/1.1\r\n", 36);
    feed(conn, no, sizeof no - 1, WS_E_PROXY_AUTH, &error);
    CHECK(ws_error_phase(error) == WS_PHASE_PROXY && ws_error_http_status(error) == 407);
    CHECK(strcmp(ws_error_http_header(error, "proxy-authenticate", 0), "Basic realm=\"c\"") == 0);
    CHECK(memcmp(ws_error_http_body(error, &len), "log in", 6) == 0 && len == 6);
    CHECK(strstr(ws_error_message(error), "through http://proxy.invalid") != NULL);
    CHECK(strstr(ws_error_message(error), "secret") == NULL);
    ws_error_free(error);
    ws_conn_free(conn);
    /* The upgrade is asked for behind the yes, and not before. */
    EXPECT(WS_AGAIN, ws_dial_memory(behind, dialer, &conn, e));
    says(conn, "CONNECT ", 8);
    CHECK(ws_output(conn, &len) == NULL);
    feed(conn, yes, sizeof yes - 1, WS_AGAIN, NULL);
    says(conn, "GET /echo HTTP/1.1\r\n", 20);
    ws_conn_free(conn);
    ws_dialer_free(dialer);

    dialer = through("socks5h://user:secret@proxy.invalid");
    EXPECT(WS_AGAIN, ws_dial_memory(behind, dialer, &conn, e));
    says(conn, "\5\2\0\2", 4);
    feed(conn, "\5\2", 2, WS_AGAIN, NULL);
    says(conn, "\1\4user\6secret", 13);
    feed(conn, "\1\0", 2, WS_AGAIN, NULL);
    says(conn, "\5\1\0\3\17nowhere.invalid\0\7", 22);
    error = NULL;
    feed(conn, "\5\2", 2, WS_E_PROXY_REJECTED, &error);
    CHECK(ws_error_phase(error) == WS_PHASE_PROXY && ws_error_http_status(error) == 0);
    ws_error_free(error);
    ws_conn_free(conn);
    ws_dialer_free(dialer);
}

int main(int argc, char **argv)
{
    start(argc, argv);
    taken_over();
    no_descriptor();
    route();
    over_a_callback();
    over_a_socket();
    over_memory();
    return 0;
}
