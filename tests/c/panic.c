/* A fault inside the library comes out as a code: that connection is over, the process and the others are not. For a
 * library with the feature test-hooks only. */

#include <pthread.h>

#include "check.h"

int ws_test_panic(ws_conn *conn, ws_error **error);

static void *receive(void *conn)
{
    ws_message message = WS_MESSAGE_INIT;

    CHECK(recv_looked_for(conn, &message) == WS_E_INTERNAL);
    ws_message_free(&message);
    return NULL;
}

/* Who waits for ever on the connection comes back. */
static void wakes(int secure)
{
    ws_conn *conn = dial(secure, "/echo");
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, receive, conn) == 0);
    await_receiver(conn);
    CHECK(ws_test_panic(conn, NULL) == WS_E_INTERNAL);
    CHECK(pthread_join(thread, NULL) == 0);
    ws_conn_free(conn);
}

int main(int argc, char **argv)
{
    ws_conn *conn, *other;
    ws_message message = WS_MESSAGE_INIT;
    ws_error *error = NULL;

    start(argc, argv);
    conn = dial(0, "/echo");
    other = dial(1, "/echo");
    CHECK(ws_test_panic(conn, &error) == WS_E_INTERNAL);
    CHECK(strstr(ws_error_message(error), "a test's panic") != NULL);
    ws_error_free(error);
    CHECK(ws_test_panic(NULL, NULL) == WS_E_USAGE_NULL);

    EXPECT_TWICE(WS_E_INTERNAL, ws_send(conn, WS_TEXT, "x", 1, BOUND, e));
    EXPECT_TWICE(WS_E_INTERNAL, ws_recv(conn, BOUND, &message, e));
    EXPECT_TWICE(WS_E_INTERNAL, ws_ping(conn, "x", 1, BOUND, e));
    EXPECT_TWICE(WS_E_INTERNAL, ws_pong(conn, "x", 1, BOUND, e));
    EXPECT_TWICE(WS_E_INTERNAL, ws_flush(conn, BOUND, e));
    EXPECT_TWICE(WS_E_INTERNAL, ws_start_close(conn, 1000, NULL, e));
    EXPECT_TWICE(WS_E_INTERNAL, ws_close(conn, 1000, NULL, BOUND, e));
    EXPECT_TWICE(WS_E_INTERNAL, ws_set_max_message(conn, 1, e));
    EXPECT_TWICE(WS_E_INTERNAL, ws_test_panic(conn, e));
    CHECK(ws_response_status(conn) == 101);
    ws_conn_free(conn);

    EXPECT(WS_OK, ws_send(other, WS_TEXT, "alive", 5, BOUND, e));
    EXPECT(WS_OK, ws_recv(other, BOUND, &message, e));
    CHECK(strcmp(message.data, "alive") == 0);
    EXPECT(WS_OK, ws_close(other, 1000, NULL, BOUND, e));
    ws_conn_free(other);
    ws_message_free(&message);
    wakes(0);
    wakes(1);
    return 0;
}
