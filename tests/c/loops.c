/* A loop that does the waiting: what it is told to wait for is enough, and calls in between never wait. Sockets of the
 * program's own, pings that keep alive and tell a dead peer, and reading ahead within its bound. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>

#include "socket.h"

static long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

/* Waits as the manual says. */
static void turn(ws_conn *conn)
{
    int wants = ws_wants(conn);
    int timeout = ws_timeout(conn);
    struct pollfd ready;

    if (wants & WS_WANT_BUFFERED) {
        return;
    }
    ready.fd = (int)ws_fd(conn);
    ready.events = (short)((wants & WS_WANT_READ ? POLLIN : 0) | (wants & WS_WANT_WRITE ? POLLOUT : 0));
    CHECK(ready.events != 0);
    CHECK(poll(&ready, 1, timeout < 0 || timeout > BOUND ? BOUND : timeout) >= 0);
}

static ws_conn *open_over(int fd, int secure, const char *path, const ws_dialer *dialer)
{
    ws_conn *conn = NULL;
    char url[2048];
    int result;

    url_of(url, sizeof url, secure ? server_wss : server_ws, path);
    result = ws_dial_fd(fd, url, dialer, WS_NOWAIT, &conn, NULL);
    /* A server that is quick has answered already. */
    CHECK(result == WS_AGAIN || result == WS_OK);
    CHECK(conn != NULL && ws_fd(conn) == fd);
    while ((result = ws_handshake(conn, WS_NOWAIT, NULL)) == WS_AGAIN) {
        turn(conn);
    }
    CHECK(result == WS_OK && ws_response_status(conn) == 101);
    return conn;
}

static void messages(int secure, int flags)
{
    ws_dialer *dialer = new_dialer();
    int fd = connected(secure ? server_wss : server_ws);
    size_t size = 3000000, sent, got, round;
    ws_message message = WS_MESSAGE_INIT;
    char *data = malloc(size);
    ws_conn *conn;
    int result;

    CHECK(data != NULL && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | flags) == 0);
    conn = open_over(fd, secure, "/echo", dialer);
    memset(data, 'd', size);
    for (round = 0; round < 3; round++) {
        for (sent = got = 0; got < 4;) {
            result = sent < 4 ? ws_send(conn, WS_TEXT, data, size, WS_NOWAIT, NULL) : WS_AGAIN;
            CHECK(result == WS_OK || result == WS_PENDING || result == WS_AGAIN);
            sent += result != WS_AGAIN;
            while ((result = ws_recv(conn, WS_NOWAIT, &message, NULL)) == WS_OK) {
                CHECK(message.len == size && memcmp(message.data, data, size) == 0);
                got++;
            }
            CHECK(result == WS_AGAIN);
            result = ws_process(conn, NULL);
            CHECK(result == WS_OK || result == WS_AGAIN);
            if (got < 4 && (sent == 4 || (ws_wants(conn) & WS_WANT_WRITE))) {
                turn(conn);
            }
        }
    }
    while ((result = ws_close(conn, 1000, NULL, WS_NOWAIT, NULL)) == WS_AGAIN) {
        turn(conn);
    }
    CHECK(result == WS_OK);
    EXPECT(WS_CLOSED, ws_process(conn, e));
    CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) == (flags & O_NONBLOCK));
    ws_conn_free(conn);
    CHECK(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
    free(data);
    ws_message_free(&message);
    ws_dialer_free(dialer);
}

/* A descriptor that did not become a connection is the caller's. */
static void refused(void)
{
    ws_dialer *dialer = new_dialer();
    int fd = connected(server_ws);
    int pipes[2], datagrams;
    char url[2048];
    ws_conn *conn = (ws_conn *)(void *)url;

    url_of(url, sizeof url, server_ws, "/hang");
    EXPECT(WS_E_URL_SCHEME, ws_dial_fd(fd, "ftp://x/", dialer, BOUND, &conn, e));
    CHECK(conn == NULL && fcntl(fd, F_GETFD) != -1);
    EXPECT(WS_E_TIMEOUT, ws_dial_fd(fd, url, dialer, 50, &conn, e));
    CHECK(conn == NULL && fcntl(fd, F_GETFD) != -1);
    close(fd);
    fd = connected(server_ws);
    url_of(url, sizeof url, server_ws, "/reject");
    EXPECT(WS_E_REJECTED, ws_dial_fd(fd, url, dialer, BOUND, &conn, e));
    CHECK(conn == NULL && close(fd) == 0);
    EXPECT(WS_E_IO, ws_dial_fd(fd, url, dialer, BOUND, &conn, e));
    EXPECT(WS_E_OPTION_VALUE, ws_dial_fd(-1, url, dialer, BOUND, &conn, e));
    CHECK(pipe(pipes) == 0);
    EXPECT(WS_E_IO, ws_dial_fd(pipes[0], url, dialer, BOUND, &conn, e));
    CHECK(close(pipes[0]) == 0 && close(pipes[1]) == 0);
    datagrams = socket(AF_INET, SOCK_DGRAM, 0);
    EXPECT(WS_E_IO, ws_dial_fd(datagrams, url, dialer, BOUND, &conn, e));
    CHECK(close(datagrams) == 0);
    ws_dialer_free(dialer);
}

/* Pings answered, a round trip measured; then a peer that answers nothing. */
static void keeps_alive(int secure)
{
    ws_dialer *dialer = new_dialer();
    ws_message message = WS_MESSAGE_INIT;
    uint64_t round_trip = 0;
    ws_conn *conn;
    long begin;
    int result;

    EXPECT(WS_E_OPTION_VALUE, ws_dialer_set_keepalive(dialer, -1, 0, e));
    EXPECT(WS_E_OPTION_VALUE, ws_dialer_set_keepalive(dialer, 1, 86400001, e));
    EXPECT(WS_OK, ws_dialer_set_keepalive(dialer, 20, 5000, e));
    conn = dial_with(secure ? server_wss : server_ws, "/echo", dialer);
    CHECK(ws_timeout(conn) >= 0 && ws_timeout(conn) <= 20);
    begin = now_ms();
    while (round_trip == 0) {
        CHECK(now_ms() - begin < BOUND);
        result = ws_process(conn, NULL);
        CHECK(result == WS_OK || result == WS_AGAIN);
        turn(conn);
        EXPECT(WS_OK, ws_stat(conn, WS_STAT_ROUND_TRIP, &round_trip, e));
    }
    CHECK(round_trip < 5000000);
    /* The same by a call that waits. */
    EXPECT(WS_TIMEOUT, ws_recv(conn, 100, &message, e));
    EXPECT(WS_OK, ws_close(conn, 1000, NULL, BOUND, e));
    EXPECT(WS_OK, ws_stat(conn, WS_STAT_ROUND_TRIP, &round_trip, e));
    CHECK(round_trip > 0);
    ws_conn_free(conn);

    EXPECT(WS_OK, ws_dialer_set_keepalive(dialer, 20, 50, e));
    conn = dial_with(secure ? server_wss : server_ws, "/silent", dialer);
    EXPECT(WS_E_ABNORMAL_PING, ws_recv(conn, BOUND, &message, e));
    CHECK(ws_close_code(conn) == 1006);
    ws_conn_free(conn);
    conn = dial_with(secure ? server_wss : server_ws, "/silent", dialer);
    begin = now_ms();
    while ((result = ws_process(conn, NULL)) == WS_OK || result == WS_AGAIN) {
        CHECK(now_ms() - begin < BOUND);
        turn(conn);
    }
    CHECK(result == WS_E_ABNORMAL_PING && now_ms() - begin >= 70);
    EXPECT(WS_E_ABNORMAL_PING, ws_recv(conn, WS_NOWAIT, &message, e));
    CHECK(ws_wants(conn) == 0 && ws_timeout(conn) == -1);
    ws_conn_free(conn);
    ws_dialer_free(dialer);
}

/* A dead peer is told by what it does not say, not by what a busy program does not read. */
static void busy(void)
{
    ws_dialer *dialer = new_dialer();
    ws_message message = WS_MESSAGE_INIT;
    ws_conn *conn;
    long begin = now_ms();
    int spins = 0;

    EXPECT(WS_OK, ws_dialer_set_keepalive(dialer, 20, 30, e));
    EXPECT(WS_OK, ws_dialer_set_read_ahead(dialer, 1, 1, e));
    conn = dial_with(server_ws, "/big/10,10", dialer);
    while (!(ws_wants(conn) & WS_WANT_BUFFERED)) {
        int result = ws_process(conn, NULL);

        CHECK(result == WS_OK || result == WS_AGAIN);
        if (!(ws_wants(conn) & WS_WANT_BUFFERED)) {
            turn(conn);
        }
    }
    /* The program has something else to do than to take the message: it comes back for the time limits only. */
    for (begin = now_ms(); now_ms() - begin < 200; spins++) {
        int result = ws_process(conn, NULL);

        CHECK(result == WS_OK || result == WS_AGAIN);
        CHECK(!(ws_wants(conn) & WS_WANT_READ));
        CHECK(poll(NULL, 0, ws_timeout(conn)) == 0);
    }
    CHECK(spins < 50);
    EXPECT(WS_OK, ws_recv(conn, BOUND, &message, e));
    EXPECT(WS_OK, ws_recv(conn, BOUND, &message, e));
    EXPECT(WS_OK, ws_close(conn, 1000, NULL, BOUND, e));
    ws_conn_free(conn);
    ws_message_free(&message);
    ws_dialer_free(dialer);
}

/* Every end, met by a loop: it is told, and then there is nothing to wait for. */
static void end(int secure, const char *path, const char *say, int want)
{
    ws_dialer *dialer = new_dialer();
    ws_conn *conn = dial_with(secure ? server_wss : server_ws, path, dialer);
    ws_message message = WS_MESSAGE_INIT;
    int result, turns = 0;

    if (say != NULL) {
        EXPECT(WS_OK, ws_send(conn, WS_TEXT, say, strlen(say), BOUND, e));
    }
    while ((result = ws_process(conn, NULL)) == WS_OK || result == WS_AGAIN) {
        CHECK(turns++ < 1000);
        while ((result = ws_recv(conn, WS_NOWAIT, &message, NULL)) == WS_OK) {
        }
        if (result == WS_AGAIN) {
            turn(conn);
        }
    }
    CHECK(result == want);
    EXPECT(want, ws_recv(conn, WS_NOWAIT, &message, e));
    CHECK(!(ws_wants(conn) & WS_WANT_BUFFERED));
    ws_conn_free(conn);
    ws_message_free(&message);
    ws_dialer_free(dialer);
}

/* A close that the loop carries on has its limit told, also once the end of the messages is. */
static void a_close_has_a_limit(void)
{
    ws_dialer *dialer = new_dialer();
    ws_conn *conn = dial_with(server_ws, "/silent", dialer);
    ws_message message = WS_MESSAGE_INIT;
    int result, turns = 0;

    EXPECT(WS_AGAIN, ws_close(conn, 1000, NULL, WS_NOWAIT, e));
    CHECK(ws_timeout(conn) > 4000 && ws_timeout(conn) <= 5000);
    EXPECT(WS_AGAIN, ws_recv(conn, WS_NOWAIT, &message, e));
    CHECK(ws_timeout(conn) > 3000);
    /* The loop goes on as ever and never asks ws_close again: the limit ends the connection, and nothing spins. */
    while ((result = ws_process(conn, NULL)) == WS_OK || result == WS_AGAIN) {
        CHECK(turns++ < 100);
        EXPECT(WS_AGAIN, ws_recv(conn, WS_NOWAIT, &message, e));
        turn(conn);
    }
    CHECK(result == WS_E_ABNORMAL);
    CHECK(ws_wants(conn) == 0 && ws_timeout(conn) == -1);
    EXPECT(WS_E_ABNORMAL, ws_recv(conn, WS_NOWAIT, &message, e));
    EXPECT(WS_TIMEOUT, ws_close(conn, 1000, NULL, WS_NOWAIT, e));
    ws_conn_free(conn);
    ws_dialer_free(dialer);
}

int main(int argc, char **argv)
{
    int secure;

    start(argc, argv);
    for (secure = 0; secure < 2; secure++) {
        messages(secure, 0);
        messages(secure, O_NONBLOCK);
        keeps_alive(secure);
        end(secure, "/raw/81026f6b8802" "03e9", NULL, WS_CLOSED);
        end(secure, "/raw/81026f6bc10178", NULL, WS_E_PROTOCOL_RESERVED_BIT);
        end(secure, "/rst", "x", WS_E_ABNORMAL);
    }
    end(0, "/fin", "x", WS_E_ABNORMAL);
    refused();
    busy();
    a_close_has_a_limit();
    return 0;
}
