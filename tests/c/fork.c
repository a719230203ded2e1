/* A forked child has a copy of a connection that is its parent's: it may look at facts and free it, every other call is
 * refused, and the parent's connection does not notice. The child's own connections work. */

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static void *receive(void *conn)
{
    ws_message message = WS_MESSAGE_INIT;

    CHECK(recv_looked_for(conn, &message) == WS_OK);
    CHECK(strcmp(message.data, "still ours") == 0);
    ws_message_free(&message);
    return NULL;
}

/* Its handshake is under way when the process forks. */
static ws_conn *opening;

static void child(ws_conn *conn, ws_dialer *dialer)
{
    ws_message message = WS_MESSAGE_INIT;
    ws_conn *own;
    int kind, is_final;
    char to[100];
    size_t len;

    EXPECT_TWICE(WS_E_USAGE_FORKED, ws_send(conn, WS_TEXT, "x", 1, BOUND, e));
    EXPECT_TWICE(WS_E_USAGE_FORKED, ws_recv(conn, BOUND, &message, e));
    EXPECT_TWICE(WS_E_USAGE_FORKED, ws_recv(conn, WS_NOWAIT, &message, e));
    EXPECT_TWICE(WS_E_USAGE_FORKED, ws_ping(conn, "x", 1, BOUND, e));
    EXPECT_TWICE(WS_E_USAGE_FORKED, ws_pong(conn, "x", 1, BOUND, e));
    EXPECT_TWICE(WS_E_USAGE_FORKED, ws_flush(conn, BOUND, e));
    EXPECT_TWICE(WS_E_USAGE_FORKED, ws_start_close(conn, 1000, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_FORKED, ws_close(conn, 1000, NULL, BOUND, e));
    EXPECT_TWICE(WS_E_USAGE_FORKED, ws_process(conn, e));
    EXPECT_TWICE(WS_E_USAGE_FORKED, ws_handshake(conn, BOUND, e));
    EXPECT_TWICE(WS_E_USAGE_FORKED, ws_input_done(conn, 0, e));
    EXPECT_TWICE(WS_E_USAGE_FORKED, ws_output_done(conn, 0, e));
    EXPECT_TWICE(WS_E_USAGE_FORKED, ws_send_output(conn, WS_TEXT, "x", 1, to, (len = sizeof to, &len), e));
    EXPECT_TWICE(WS_E_USAGE_FORKED, ws_input_direct_done(conn, to, 1, &kind, &is_final, e));
    CHECK(ws_input_direct(conn) == 0);
    CHECK(ws_wants(conn) == 0 && ws_timeout(conn) == -1 && ws_fd(conn) >= 0);
    CHECK(ws_input(conn, NULL) == NULL && ws_output(conn, NULL) == NULL);
    EXPECT(WS_OK, ws_set_max_message(conn, 1, e));
    CHECK(ws_response_status(conn) == 101 && ws_close_code(conn) == 0);
    CHECK(ws_close_reason(conn, NULL) == NULL && ws_peer_address(conn) != NULL);
    ws_conn_free(conn);
    EXPECT_TWICE(WS_E_USAGE_FORKED, ws_send(opening, WS_TEXT, "x", 1, BOUND, e));
    EXPECT_TWICE(WS_E_USAGE_FORKED, ws_recv(opening, BOUND, &message, e));
    EXPECT_TWICE(WS_E_USAGE_FORKED, ws_close(opening, 1000, NULL, BOUND, e));
    EXPECT_TWICE(WS_E_USAGE_FORKED, ws_handshake(opening, BOUND, e));
    ws_conn_free(opening);

    own = dial_with(server_wss, "/echo", dialer);
    EXPECT(WS_OK, ws_send(own, WS_TEXT, "mine", 4, BOUND, e));
    EXPECT(WS_OK, ws_recv(own, BOUND, &message, e));
    CHECK(strcmp(message.data, "mine") == 0);
    EXPECT(WS_OK, ws_close(own, 1000, NULL, BOUND, e));
    ws_conn_free(own);
    ws_message_free(&message);
}

static void fork_over(int secure)
{
    ws_dialer *dialer = new_dialer();
    ws_conn *conn = dial_with(secure ? server_wss : server_ws, "/echo", dialer);
    pthread_t thread;
    pid_t pid;
    int status = 0;

    /* A thread of the parent is inside, holding what the child has a copy of. */
    CHECK(pthread_create(&thread, NULL, receive, conn) == 0);
    await_receiver(conn);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        /* What blocks in here is no failure to wait for. */
        alarm(60);
        child(conn, dialer);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT(WS_OK, ws_send(conn, WS_TEXT, "still ours", 10, BOUND, e));
    CHECK(pthread_join(thread, NULL) == 0);
    EXPECT(WS_OK, ws_close(conn, 1000, NULL, BOUND, e));
    ws_conn_free(conn);
    ws_dialer_free(dialer);
}

int main(int argc, char **argv)
{
    start(argc, argv);
    EXPECT(WS_AGAIN, ws_dial_memory("ws://localhost/", NULL, &opening, e));
    fork_over(0);
    fork_over(1);
    ws_conn_free(opening);
    return 0;
}
