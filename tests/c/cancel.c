/* A token ends every wait that it was given to, from another thread and from a signal handler; what it ended goes on
 * after a reset as if nothing had been. */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "socket.h"

static ws_cancel *of_the_handler;

static void fire(int signal)
{
    (void)signal;
    errno = 77;
    ws_cancel_fire(of_the_handler);
    if (errno != 77) {
        abort();
    }
}

static void nothing(int signal)
{
    (void)signal;
}

static void handle(void (*handler)(int))
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
}

/* The handler runs in a moment, in this thread, and again until somebody stops it: the first may come before the wait. */
static timer_t alarm_soon(void)
{
    struct itimerspec when = { { 0, 20000000 }, { 0, 20000000 } };
    timer_t timer;

    CHECK(timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0 && timer_settime(timer, 0, &when, NULL) == 0);
    return timer;
}

static ws_cancel *new_token(void)
{
    ws_cancel *token = NULL;

    EXPECT(WS_OK, ws_cancel_new(&token, e));
    CHECK(token != NULL);
    return token;
}

static void dials(ws_dialer *dialer, ws_cancel *token)
{
    ws_conn *conn = NULL;
    char url[2048];
    timer_t timer;
    int fd;

    url_of(url, sizeof url, server_ws, "/hang");
    timer = alarm_soon();
    EXPECT(WS_E_CANCELLED, ws_dial(url, dialer, WS_FOREVER, &conn, e));
    CHECK(conn == NULL);
    EXPECT(WS_E_CANCELLED, ws_dial(url, dialer, WS_FOREVER, &conn, e));
    fd = connected(server_ws);
    EXPECT(WS_E_CANCELLED, ws_dial_fd(fd, url, dialer, WS_FOREVER, &conn, e));
    CHECK(conn == NULL);
    CHECK(timer_delete(timer) == 0);
    ws_cancel_reset(token);
    EXPECT(WS_E_TIMEOUT, ws_dial_fd(fd, url, dialer, 30, &conn, e));
    CHECK(close(fd) == 0);

    /* A handshake that never waited goes on after a cancelled call that came too late to wait. */
    fd = connected(server_ws);
    url_of(url, sizeof url, server_ws, "/echo");
    if (ws_dial_fd(fd, url, dialer, WS_NOWAIT, &conn, NULL) == WS_AGAIN) {
        ws_cancel_fire(token);
        EXPECT(WS_E_CANCELLED, ws_handshake(conn, WS_FOREVER, e));
    }
    ws_cancel_reset(token);
    EXPECT(WS_OK, ws_handshake(conn, WS_FOREVER, e));
    ws_conn_free(conn);
}

static void receives(int secure, const ws_dialer *dialer, ws_cancel *token)
{
    ws_conn *conn = dial_with(secure ? server_wss : server_ws, "/echo", dialer);
    ws_message message = WS_MESSAGE_INIT;
    timer_t timer = alarm_soon();
    int round;

    EXPECT(WS_CANCELLED, ws_recv(conn, WS_FOREVER, &message, e));
    CHECK(timer_delete(timer) == 0);
    for (round = 0; round < 2; round++) {
        EXPECT(WS_CANCELLED, ws_recv(conn, BOUND, &message, e));
        EXPECT(WS_CANCELLED, ws_send(conn, WS_TEXT, "x", 1, WS_FOREVER, e));
        EXPECT(WS_CANCELLED, ws_close(conn, 1000, NULL, WS_DEFAULT, e));
        EXPECT(WS_AGAIN, ws_recv(conn, WS_NOWAIT, &message, e));
    }
    ws_cancel_reset(token);
    EXPECT(WS_OK, ws_send(conn, WS_TEXT, "whole", 5, WS_FOREVER, e));
    EXPECT(WS_OK, ws_recv(conn, WS_FOREVER, &message, e));
    CHECK(strcmp(message.data, "whole") == 0);
    /* Another token, then none. */
    ws_cancel_fire(token);
    EXPECT(WS_OK, ws_set_cancel(conn, NULL, e));
    EXPECT(WS_TIMEOUT, ws_recv(conn, 10, &message, e));
    EXPECT(WS_OK, ws_set_cancel(conn, token, e));
    EXPECT(WS_CANCELLED, ws_recv(conn, WS_FOREVER, &message, e));
    ws_cancel_reset(token);
    EXPECT(WS_OK, ws_close(conn, 1000, NULL, BOUND, e));
    ws_conn_free(conn);
    ws_message_free(&message);
}

/* A sender that the peer does not read from. What was taken stays taken. */
static void sends(const ws_dialer *dialer, ws_cancel *token)
{
    ws_conn *conn = dial_with(server_ws, "/silent", dialer);
    size_t size = 16 << 20; /* more than the buffers of two sockets; under valgrind every byte costs */
    char *data = calloc(size, 1);
    timer_t timer = alarm_soon();

    CHECK(data != NULL);
    EXPECT(WS_PENDING, ws_send(conn, WS_BINARY, data, size, WS_FOREVER, e));
    ws_cancel_reset(token);
    EXPECT(WS_CANCELLED, ws_send(conn, WS_BINARY, data, 1, WS_FOREVER, e));
    ws_cancel_reset(token);
    EXPECT(WS_CANCELLED, ws_flush(conn, WS_FOREVER, e));
    ws_cancel_reset(token);
    EXPECT(WS_CANCELLED, ws_close(conn, 1000, NULL, BOUND, e));
    CHECK(timer_delete(timer) == 0);
    ws_cancel_reset(token);
    ws_conn_free(conn);
    free(data);
}

struct race {
    ws_conn *conn;
    int result;
};

static void *receive(void *argument)
{
    struct race *race = argument;
    ws_message message = WS_MESSAGE_INIT;

    race->result = recv_looked_for(race->conn, &message);
    ws_message_free(&message);
    return NULL;
}

/* One token, many connections, each with a receiver; and freed before they are done with it. */
static void many(void)
{
    enum { COUNT = 20 };
    ws_dialer *dialer = new_dialer();
    ws_cancel *token = new_token();
    struct race races[COUNT];
    pthread_t threads[COUNT];
    int i;

    EXPECT(WS_OK, ws_dialer_set_cancel(dialer, token, e));
    for (i = 0; i < COUNT; i++) {
        races[i].conn = dial_with(server_ws, "/echo", dialer);
        CHECK(pthread_create(&threads[i], NULL, receive, &races[i]) == 0);
        await_receiver(races[i].conn);
    }
    EXPECT(WS_OK, ws_dialer_set_cancel(dialer, NULL, e));
    ws_dialer_free(dialer);
    ws_cancel_fire(token);
    ws_cancel_free(token);
    for (i = 0; i < COUNT; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(races[i].result == WS_CANCELLED);
        ws_conn_free(races[i].conn);
    }
}

/* A signal ends a wait when the dialer asked for it, and does not when not. */
static void interrupted(void)
{
    ws_dialer *dialer = new_dialer();
    ws_message message = WS_MESSAGE_INIT;
    ws_conn *conn = NULL;
    char url[2048];
    timer_t timer;

    handle(nothing);
    conn = dial_with(server_ws, "/echo", dialer);
    timer = alarm_soon();
    EXPECT(WS_TIMEOUT, ws_recv(conn, 100, &message, e));
    ws_conn_free(conn);
    EXPECT(WS_OK, ws_dialer_set_interruptible(dialer, 1, e));
    url_of(url, sizeof url, server_ws, "/hang");
    EXPECT(WS_E_INTERRUPTED, ws_dial(url, dialer, WS_FOREVER, &conn, e));
    CHECK(timer_delete(timer) == 0);
    conn = dial_with(server_ws, "/echo", dialer);
    timer = alarm_soon();
    EXPECT(WS_INTERRUPTED, ws_recv(conn, WS_FOREVER, &message, e));
    EXPECT(WS_INTERRUPTED, ws_recv(conn, BOUND, &message, e));
    CHECK(timer_delete(timer) == 0);
    EXPECT(WS_OK, ws_send(conn, WS_TEXT, "x", 1, BOUND, e));
    EXPECT(WS_OK, ws_recv(conn, BOUND, &message, e));
    ws_conn_free(conn);
    ws_message_free(&message);
    ws_dialer_free(dialer);
}

int main(int argc, char **argv)
{
    ws_dialer *dialer;
    ws_cancel *token;

    start(argc, argv);
    dialer = new_dialer();
    token = of_the_handler = new_token();
    handle(fire);
    EXPECT(WS_OK, ws_dialer_set_cancel(dialer, token, e));
    dials(dialer, token);
    receives(0, dialer, token);
    receives(1, dialer, token);
    sends(dialer, token);
    many();
    interrupted();
    ws_cancel_free(token);
    ws_dialer_free(dialer);
    return 0;
}
