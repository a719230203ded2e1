/*
 * A thousand connections on one poll loop, in one thread: each sends messages and waits for their echo.
 * usage: poll [url [connections [messages]]]
 *
 * The shape to copy is turn(): work until nothing can be done without waiting, then say what to wait for.
 */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "wsdial.h"

struct client {
    ws_conn *conn;
    int sent, received, is_over;
};

static const char *url = "ws://127.0.0.1:12345";
static int messages = 10;

static void die(const char *what, int result, const ws_error *error)
{
    fprintf(stderr, "poll: %s: %s\n", what, error ? ws_error_message(error) : ws_strerror(result));
    exit(1);
}

/* Connecting is the program's own here: any way to a connected stream socket will do. */
static int connect_to(const char *host, const char *port)
{
    struct addrinfo hints, *addresses;
    int fd;

    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(host, port, &hints, &addresses) != 0) {
        return -1;
    }
    fd = socket(addresses->ai_family, SOCK_STREAM, 0);
    if (fd >= 0 && connect(fd, addresses->ai_addr, addresses->ai_addrlen) != 0) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(addresses);
    return fd;
}

/* Begins a connection; the loop does the rest, the handshake too. */
static void begin(struct client *client, const ws_dialer *dialer)
{
    char host[256], port[16];
    ws_error *error = NULL;
    int result, fd;

    if (sscanf(url, "ws://%255[^:/]:%15[0-9]", host, port) != 2) {
        die("the address is not ws://host:port", WS_E_URL_SYNTAX, NULL);
    }
    fd = connect_to(host, port);
    if (fd < 0) {
        perror("poll: connect");
        exit(1);
    }
    result = ws_dial_fd(fd, url, dialer, WS_NOWAIT, &client->conn, &error);
    if (result < 0) {
        die("dial", result, error);
    }
}

/* All that can be done without waiting. */
static void turn(struct client *client, ws_message *message)
{
    ws_error *error = NULL;
    int result = ws_process(client->conn, &error);

    if (result >= 0 && ws_response_status(client->conn) == 0) {
        return; /* the handshake is under way, ws_process carries it on */
    }
    while (result >= 0 && !client->is_over) {
        /* One message at a time is under way; when all are back, we close. */
        if (client->received == messages) {
            result = ws_close(client->conn, 1000, NULL, WS_NOWAIT, &error);
            client->is_over = result == WS_OK;
            break;
        }
        if (client->sent == client->received) {
            result = ws_send(client->conn, WS_TEXT, "hello", 5, WS_NOWAIT, &error);
            if (result == WS_AGAIN) {
                break;
            }
            client->sent++;
        }
        result = ws_recv(client->conn, WS_NOWAIT, message, &error);
        if (result == WS_AGAIN) {
            break;
        }
        if (result == WS_CLOSED || (result == WS_OK && (message->len != 5 || memcmp(message->data, "hello", 5) != 0))) {
            die("not what was sent", result, NULL);
        }
        client->received++;
    }
    if (result < 0) {
        die("connection", result, error);
    }
}

int main(int argc, char **argv)
{
    int count = argc > 2 ? atoi(argv[2]) : 1000;
    struct rlimit files;
    ws_message message = WS_MESSAGE_INIT;
    ws_dialer *dialer = ws_dialer_new();
    struct client *clients = calloc((size_t)count, sizeof *clients);
    struct pollfd *polled = calloc((size_t)count, sizeof *polled);
    int i, left = count;

    url = argc > 1 ? argv[1] : url;
    messages = argc > 3 ? atoi(argv[3]) : messages;
    if (!dialer || !clients || !polled || getrlimit(RLIMIT_NOFILE, &files) != 0) {
        return 1;
    }
    files.rlim_cur = files.rlim_max; /* a thousand descriptors are more than many systems begin with */
    setrlimit(RLIMIT_NOFILE, &files);
    for (i = 0; i < count; i++) {
        begin(&clients[i], dialer);
    }
    while (left > 0) {
        int timeout = -1;

        for (i = 0; i < count; i++) {
            int wants, wait;

            polled[i].fd = -1; /* which poll passes over */
            if (clients[i].is_over) {
                continue;
            }
            /* What happened on the descriptor, or a time limit, does not matter here: a turn without work is cheap. */
            turn(&clients[i], &message);
            if (clients[i].is_over) {
                left--;
                continue;
            }
            wants = ws_wants(clients[i].conn);
            wait = wants & WS_WANT_BUFFERED ? 0 : ws_timeout(clients[i].conn);
            if (wait >= 0 && (timeout < 0 || wait < timeout)) {
                timeout = wait;
            }
            polled[i].fd = (int)ws_fd(clients[i].conn);
            polled[i].events = (short)((wants & WS_WANT_READ ? POLLIN : 0) | (wants & WS_WANT_WRITE ? POLLOUT : 0));
        }
        if (left > 0 && poll(polled, (nfds_t)count, timeout) < 0) {
            perror("poll: poll");
            return 1;
        }
    }
    printf("%d connections, %d messages each way on one poll loop, all closed cleanly\n", count, count * messages);
    for (i = 0; i < count; i++) {
        ws_conn_free(clients[i].conn);
    }
    ws_message_free(&message);
    ws_dialer_free(dialer);
    free(clients);
    free(polled);
    return 0;
}
