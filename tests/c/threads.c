/* One receiver, two senders, a third thread that closes; a second receiver is told so; a dialer used and changed by
 * many at once. */

#include <pthread.h>

#include "check.h"

enum { MESSAGES = 200, SIZE = 20000 };

static ws_conn *conn;
static ws_dialer *dialer;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int received;

static void *receive(void *unused)
{
    ws_message message = WS_MESSAGE_INIT;
    ws_error *error = NULL;
    int result;

    while ((result = ws_recv(conn, WS_FOREVER, &message, &error)) == WS_OK) {
        size_t i;

        CHECK(message.len == SIZE && message.kind == WS_BINARY);
        for (i = 1; i < SIZE; i++) {
            CHECK(message.data[i] == message.data[0]);
        }
        pthread_mutex_lock(&lock);
        received++;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
    }
    check_result(__FILE__, __LINE__, "ws_recv", WS_CLOSED, result, error);
    ws_message_free(&message);
    return unused;
}

static void *send_many(void *letter)
{
    char *data = malloc(SIZE);
    int i, result = WS_OK;

    CHECK(data != NULL);
    memset(data, *(char *)letter, SIZE);
    for (i = 0; i < MESSAGES && result >= 0 && result != WS_CLOSED; i++) {
        result = ws_send(conn, WS_BINARY, data, SIZE, WS_FOREVER, NULL);
    }
    CHECK(result == WS_OK || result == WS_PENDING || result == WS_CLOSED);
    free(data);
    return NULL;
}

static void *close_it(void *unused)
{
    pthread_mutex_lock(&lock);
    while (received < MESSAGES / 2) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
    EXPECT(WS_OK, ws_close(conn, 1000, "in the middle", BOUND, e));
    return unused;
}

static void talk(int secure)
{
    pthread_t threads[4];
    char letters[] = "ab";
    int i;

    received = 0;
    conn = dial(secure, "/echo");
    CHECK(pthread_create(&threads[0], NULL, receive, NULL) == 0);
    CHECK(pthread_create(&threads[1], NULL, send_many, &letters[0]) == 0);
    CHECK(pthread_create(&threads[2], NULL, send_many, &letters[1]) == 0);
    CHECK(pthread_create(&threads[3], NULL, close_it, NULL) == 0);
    for (i = 0; i < 4; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    CHECK(received >= MESSAGES / 2);
    ws_conn_free(conn);
}

static void *receive_alone(void *unused)
{
    ws_message message = WS_MESSAGE_INIT;

    CHECK(recv_looked_for(conn, &message) == WS_CLOSED);
    ws_message_free(&message);
    return unused;
}

static void second_receiver(void)
{
    pthread_t thread;
    ws_message message = WS_MESSAGE_INIT;

    conn = dial(0, "/echo");
    CHECK(pthread_create(&thread, NULL, receive_alone, NULL) == 0);
    await_receiver(conn);
    EXPECT(WS_E_USAGE_RECEIVER, ws_recv(conn, BOUND, &message, e));
    CHECK(message.data == NULL);
    EXPECT(WS_OK, ws_close(conn, 1000, NULL, BOUND, e));
    CHECK(pthread_join(thread, NULL) == 0);
    ws_conn_free(conn);
}

static void *use_dialer(void *number)
{
    char name[40];
    int i;

    for (i = 0; i < 10; i++) {
        ws_conn *mine = dial_with(i % 2 ? server_ws : server_wss, "/echo", dialer);

        snprintf(name, sizeof name, "p-%d-%d", *(int *)number, i);
        EXPECT(WS_OK, ws_dialer_add_subprotocol(dialer, name, e));
        EXPECT(WS_OK, ws_close(mine, 1000, NULL, BOUND, e));
        ws_conn_free(mine);
    }
    return NULL;
}

static void one_dialer(void)
{
    pthread_t threads[3];
    int numbers[3], i;

    dialer = new_dialer();
    for (i = 0; i < 3; i++) {
        numbers[i] = i;
        CHECK(pthread_create(&threads[i], NULL, use_dialer, &numbers[i]) == 0);
    }
    for (i = 0; i < 3; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    EXPECT(WS_E_OPTION_SUBPROTOCOL, ws_dialer_add_subprotocol(dialer, "p-2-9", e));
    ws_dialer_free(dialer);
}

int main(int argc, char **argv)
{
    start(argc, argv);
    talk(0);
    talk(1);
    second_receiver();
    one_dialer();
    return 0;
}
