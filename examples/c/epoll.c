/*
 * A thousand connections on one epoll loop, in one thread: each sends messages and waits for their echo.
 * usage: epoll [url [connections [messages]]]
 *
 * As poll.c, but only the connections where something happens have a turn. The shape to copy is follow(): after
 * every turn, what to wait for and how long is asked anew.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "wsdial.h"

struct client {
    ws_conn *conn;
    int sent, received, is_over;
    unsigned events; /* what epoll has been told */
    long due;        /* when it is to have a turn whatever happens, or -1 */
};

static const char *url = "ws://127.0.0.1:12345";
static int messages = 10;

static void die(const char *what, int result, const ws_error *error)
{
    fprintf(stderr, "epoll: %s: %s\n", what, error ? ws_error_message(error) : ws_strerror(result));
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
        perror("epoll: connect");
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

static long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

/* A turn, and then what to wait for. epoll is told only what has changed. */
static void follow(int loop, struct client *client, ws_message *message)
{
    struct epoll_event event;
    int wants, wait;

    do {
        turn(client, message);
        if (client->is_over) {
            epoll_ctl(loop, EPOLL_CTL_DEL, (int)ws_fd(client->conn), NULL);
            return;
        }
        wants = ws_wants(client->conn);
    } while (wants & WS_WANT_BUFFERED);
    wait = ws_timeout(client->conn);
    client->due = wait < 0 ? -1 : now_ms() + wait;
    event.events = (wants & WS_WANT_READ ? EPOLLIN : 0u) | (wants & WS_WANT_WRITE ? EPOLLOUT : 0u);
    event.data.ptr = client;
    if (event.events != client->events) {
        int how = client->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

        if (epoll_ctl(loop, how, (int)ws_fd(client->conn), &event) != 0) {
            perror("epoll: epoll_ctl");
            exit(1);
        }
        client->events = event.events;
    }
}

/* How long to wait at the most; who is due has a turn. A program with a million connections keeps a heap for this. */
static int next_timeout(int loop, struct client *clients, int count, ws_message *message)
{
    long now = now_ms();
    int i, timeout = -1;

    for (i = 0; i < count; i++) {
        if (!clients[i].is_over && clients[i].due >= 0 && clients[i].due <= now) {
            follow(loop, &clients[i], message);
        }
        if (!clients[i].is_over && clients[i].due >= 0) {
            int wait = clients[i].due > now ? (int)(clients[i].due - now) : 0;

            timeout = timeout < 0 || wait < timeout ? wait : timeout;
        }
    }
    return timeout;
}

static int is_all_over(const struct client *clients, int count)
{
    int i;

    for (i = 0; i < count && clients[i].is_over; i++) {
    }
    return i == count;
}

int main(int argc, char **argv)
{
    int count = argc > 2 ? atoi(argv[2]) : 1000;
    struct rlimit files;
    ws_message message = WS_MESSAGE_INIT;
    ws_dialer *dialer = ws_dialer_new();
    struct client *clients = calloc((size_t)count, sizeof *clients);
    int i, loop = epoll_create1(EPOLL_CLOEXEC);

    url = argc > 1 ? argv[1] : url;
    messages = argc > 3 ? atoi(argv[3]) : messages;
    if (!dialer || !clients || loop < 0 || getrlimit(RLIMIT_NOFILE, &files) != 0) {
        return 1;
    }
    files.rlim_cur = files.rlim_max; /* a thousand descriptors are more than many systems begin with */
    setrlimit(RLIMIT_NOFILE, &files);
    for (i = 0; i < count; i++) {
        begin(&clients[i], dialer);
        follow(loop, &clients[i], &message);
    }
    while (!is_all_over(clients, count)) {
        struct epoll_event events[64];
        int timeout = next_timeout(loop, clients, count, &message);
        int ready = is_all_over(clients, count) ? 0 : epoll_wait(loop, events, 64, timeout);

        if (ready < 0) {
            perror("epoll: epoll_wait");
            return 1;
        }
        for (i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;

            if (!client->is_over) {
                follow(loop, client, &message);
            }
        }
    }
    printf("%d connections, %d messages each way on one epoll loop, all closed cleanly\n", count, count * messages);
    for (i = 0; i < count; i++) {
        ws_conn_free(clients[i].conn);
    }
    close(loop);
    ws_message_free(&message);
    ws_dialer_free(dialer);
    free(clients);
    return 0;
}
