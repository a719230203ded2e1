/* What the C tests share: checks that say where and what, and a dial that must succeed.
 *
 * Every program is called with the addresses of the test's server, plain and over TLS, and the file with
 * its certificate. The second address may be a plain one too, where nothing of TLS is to be seen. */

#ifndef CHECK_H
#define CHECK_H

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wsdial.h>

/* Nothing that ends in time takes longer. */
#define BOUND 20000

static const char *server_ws;
static const char *server_wss;
static const char *server_ca;
static int server_has_tls;

static void failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    exit(1);
}

static void check_result(const char *file, int line, const char *call, int want, int got, ws_error *error)
{
    if (got != want) {
        fprintf(stderr, "%s:%d: %s: %d instead of %d: %s\n", file, line, call, got, want,
                error ? ws_error_message(error) : ws_strerror(got));
        exit(1);
    }
    if ((got < 0) != (error != NULL) || ws_error_code(error) != (got < 0 ? got : 0)) {
        failed(file, line, "error does not go with the result");
    }
    if (got < 0 && ws_error_message(error)[0] == '\0') {
        failed(file, line, "an error without a sentence");
    }
    ws_error_free(error);
}

#define CHECK(condition)                                \
    do {                                                \
        if (!(condition)) {                             \
            failed(__FILE__, __LINE__, #condition);     \
        }                                               \
    } while (0)

/* Something that is not a pointer to an error: a call has to write over it. */
#define RUBBISH ((ws_error *)(void *)&server_ws)

/* The call must answer that, with an error that goes with it. It is written with `e` as its last argument. */
#define EXPECT(want, call)                                              \
    do {                                                                \
        ws_error *error_of_it = RUBBISH;                                \
        ws_error **e = &error_of_it;                                    \
        int result_of_it = (call);                                      \
        check_result(__FILE__, __LINE__, #call, (want), result_of_it, error_of_it); \
    } while (0)

/* The same, and once more with NULL for the error: nobody has to want it. */
#define EXPECT_TWICE(want, call)                \
    do {                                        \
        ws_error **e = NULL;                    \
        int bare_result = (call);               \
        CHECK(bare_result == (want));           \
        EXPECT(want, call);                     \
    } while (0)

static void start(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s ws://... wss://... ca.pem\n", argv[0]);
        exit(2);
    }
    server_ws = argv[1];
    server_wss = argv[2];
    server_ca = argv[3];
    server_has_tls = strncmp(server_wss, "wss:", 4) == 0;
}

/* A dialer that trusts the server. */
static ws_dialer *new_dialer(void)
{
    ws_dialer *dialer = ws_dialer_new();

    CHECK(dialer != NULL);
    EXPECT(WS_OK, ws_dialer_use_system_roots(dialer, 0, e));
    EXPECT(WS_OK, ws_dialer_add_ca_file(dialer, server_ca, e));
    return dialer;
}

static ws_conn *dial_with(const char *server, const char *path, const ws_dialer *dialer)
{
    char url[2048];
    ws_conn *conn = NULL;

    CHECK(strlen(server) + strlen(path) < sizeof url);
    strcpy(url, server);
    strcat(url, path);
    EXPECT(WS_OK, ws_dial(url, dialer, BOUND, &conn, e));
    CHECK(conn != NULL);
    return conn;
}

/* A connection over ws, or over wss when secure is not 0. */
static ws_conn *dial(int secure, const char *path)
{
    ws_dialer *dialer = new_dialer();
    ws_conn *conn = dial_with(secure ? server_wss : server_ws, path, dialer);

    ws_dialer_free(dialer);
    return conn;
}

/* Receives for ever, in a thread that another one looks for: while that one looks it is itself in ws_recv. */
static int recv_looked_for(ws_conn *conn, ws_message *message)
{
    int result;

    while ((result = ws_recv(conn, WS_FOREVER, message, NULL)) == WS_E_USAGE_RECEIVER) {
        sched_yield();
    }
    return result;
}

/* Returns when another thread is in ws_recv; nothing else tells. */
static void await_receiver(ws_conn *conn)
{
    ws_message message = WS_MESSAGE_INIT;
    int result;

    while ((result = ws_recv(conn, WS_NOWAIT, &message, NULL)) == WS_AGAIN) {
        sched_yield();
    }
    CHECK(result == WS_E_USAGE_RECEIVER);
    CHECK(message.data == NULL);
}

/* Not every program uses every helper. */
void check_h_is_used(void);
void check_h_is_used(void)
{
    (void)dial;
    (void)start;
    (void)recv_looked_for;
    (void)await_receiver;
    (void)server_has_tls;
}

#endif
