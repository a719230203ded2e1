/* One dial with the proxy that the command line names, an echo, and what came of it on one line:
 *
 *   client URL [OPTION...]
 *     --proxy URL, --env             through that proxy, or those that the environment names
 *     --header NAME VALUE            a field of the CONNECT request
 *     --ca FILE                      a root, instead of the system's
 *     --ms N                         the time for each call, 10000 unless told
 *     --fd                           connects by itself where ws_dialer_route says, and never waits inside a call
 *     --route                        tells the route, and dials nobody
 *
 * `RESULT PHASE STATUS: SENTENCE`, with `[CHALLENGE]` and `(BODY bytes)` of a refusal behind STATUS. After an echo it
 * is `0 open 101: PEER VERSION`: who took the connection, and what TLS, or `plain`. */
#define _POSIX_C_SOURCE 200112L
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wsdial.h"

static ws_error *error;
static int time_ms = 10000;

static void must(int result)
{
    const char *challenge = ws_error_http_header(error, "Proxy-Authenticate", 0);
    size_t len = 0;

    if (result == WS_OK)
        return;
    printf("%d %s %d", result, error ? ws_phase_name(ws_error_phase(error)) : "none", ws_error_http_status(error));
    if (challenge)
        printf(" [%s]", challenge);
    if (ws_error_http_body(error, &len) && len > 0)
        printf(" (%lu bytes)", (unsigned long)len);
    printf(": %s\n", error ? ws_error_message(error) : ws_strerror(result));
    ws_error_free(error);
    exit(1);
}

static void fail(const char *what)
{
    printf("%s: %s\n", what, strerror(errno));
    exit(1);
}

static int connected(const char *host, int port)
{
    struct addrinfo hints, *found = NULL, *at;
    char service[16];
    int fd = -1;

    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    snprintf(service, sizeof service, "%d", port);
    if (getaddrinfo(host, service, &hints, &found) != 0)
        fail("getaddrinfo");
    for (at = found; at; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype, 0);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) == 0)
            break;
        close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    if (fd < 0)
        fail("connect");
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        fail("fcntl");
    return fd;
}

/* Until it is open, or not: waits are here, never in a call. */
static void shake_hands(ws_conn *conn)
{
    int result;

    while ((result = ws_handshake(conn, WS_NOWAIT, &error)) == WS_AGAIN) {
        struct pollfd wait;
        int wants = ws_wants(conn);

        wait.fd = (int)ws_fd(conn);
        wait.events = (short)((wants & WS_WANT_READ ? POLLIN : 0) | (wants & WS_WANT_WRITE ? POLLOUT : 0));
        if (poll(&wait, 1, time_ms) <= 0)
            fail("poll");
    }
    must(result);
}

static void echo(ws_conn *conn)
{
    ws_message message = WS_MESSAGE_INIT;
    size_t sizes[2], i;

    sizes[0] = 5;
    sizes[1] = 300000;
    for (i = 0; i < 2; i++) {
        char *data = malloc(sizes[i]);

        memset(data, 'x', sizes[i]);
        must(ws_send(conn, WS_TEXT, data, sizes[i], time_ms, &error));
        must(ws_recv(conn, time_ms, &message, &error));
        if (message.len != sizes[i] || memcmp(message.data, data, message.len) != 0) {
            printf("the echo is another\n");
            exit(1);
        }
        free(data);
    }
    must(ws_close(conn, 1000, NULL, time_ms, &error));
    ws_message_free(&message);
}

int main(int argc, char **argv)
{
    ws_dialer *dialer = ws_dialer_new();
    ws_conn *conn = NULL;
    int at, port = 0, is_fd = 0, is_route = 0;
    char host[256];

    for (at = 2; at < argc; at++) {
        const char *value = at + 1 < argc ? argv[at + 1] : "";

        if (strcmp(argv[at], "--env") == 0) {
            must(ws_dialer_set_proxy_from_env(dialer, &error));
        } else if (strcmp(argv[at], "--fd") == 0) {
            is_fd = 1;
        } else if (strcmp(argv[at], "--route") == 0) {
            is_route = 1;
        } else if (strcmp(argv[at], "--proxy") == 0) {
            must(ws_dialer_set_proxy(dialer, value, &error));
            at++;
        } else if (strcmp(argv[at], "--ca") == 0) {
            must(ws_dialer_add_ca_file(dialer, value, &error));
            must(ws_dialer_use_system_roots(dialer, 0, &error));
            at++;
        } else if (strcmp(argv[at], "--ms") == 0) {
            time_ms = atoi(value);
            at++;
        } else if (strcmp(argv[at], "--header") == 0 && at + 2 < argc) {
            must(ws_dialer_add_proxy_header(dialer, value, argv[at + 2], &error));
            at += 2;
        } else {
            fprintf(stderr, "no option is called %s\n", argv[at]);
            return 2;
        }
    }
    must(ws_dialer_route(dialer, argv[1], host, sizeof host, &port, &error));
    if (is_route) {
        printf("0 route 0: %s %d\n", host, port);
        ws_dialer_free(dialer);
        return 0;
    }
    if (is_fd) {
        int result = ws_dial_fd(connected(host, port), argv[1], dialer, WS_NOWAIT, &conn, &error);

        if (result == WS_AGAIN)
            shake_hands(conn);
        else
            must(result);
    } else {
        must(ws_dial(argv[1], dialer, time_ms, &conn, &error));
    }
    echo(conn);
    printf("0 open %d: %s %s\n", ws_response_status(conn), ws_peer_address(conn),
           ws_tls_version(conn) ? ws_tls_version(conn) : "plain");
    ws_conn_free(conn);
    ws_dialer_free(dialer);
    return 0;
}
