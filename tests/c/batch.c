/* Many messages with one call: ws_batch, its memory, and what is told. */

#include "check.h"

/* Frozen: a program that was compiled with today's header runs with any later library. */
typedef char size_is_frozen[sizeof(ws_batch) == 8 * sizeof(void *) ? 1 : -1];

static void nothing(const ws_batch *batch)
{
    CHECK(batch->data == NULL && batch->offsets == NULL && batch->kinds == NULL && batch->count == 0);
}

/* Receives until `count` messages have come, each of which must be as it was sent. */
static void expect(ws_conn *conn, ws_batch *batch, const char *data, const size_t *offsets, const unsigned char *kinds,
                   size_t count)
{
    size_t seen = 0, i;

    while (seen < count) {
        EXPECT(WS_OK, ws_recv_batch(conn, BOUND, 0, 0, batch, e));
        CHECK(batch->count > 0 && batch->offsets[0] == 0);
        for (i = 0; i < batch->count; i++, seen++) {
            size_t len = batch->offsets[i + 1] - batch->offsets[i];

            CHECK(seen < count && batch->kinds[i] == kinds[seen]);
            CHECK(len == offsets[seen + 1] - offsets[seen]);
            CHECK(memcmp(batch->data + batch->offsets[i], data + offsets[seen], len) == 0);
        }
        CHECK(batch->data[batch->offsets[batch->count]] == '\0');
    }
}

static void there_and_back(int secure)
{
    static const char data[] = "one" "two\0" "" "m\xc3\xa4rchen";
    static const size_t offsets[] = {0, 3, 7, 7, 15};
    static const unsigned char kinds[] = {WS_TEXT, WS_BINARY, WS_TEXT, WS_TEXT};
    ws_conn *conn = dial(secure, "/echo");
    ws_batch batch = WS_BATCH_INIT;
    ws_batch kept = WS_BATCH_INIT;
    ws_message message = WS_MESSAGE_INIT;
    size_t taken = 9;

    EXPECT(WS_AGAIN, ws_recv_batch(conn, WS_NOWAIT, 0, 0, &batch, e));
    nothing(&batch);
    EXPECT(WS_OK, ws_send_batch(conn, kinds, data, offsets, 4, BOUND, &taken, e));
    CHECK(taken == 4);
    expect(conn, &batch, data, offsets, kinds, 4);
    /* From the second on, and back from where it came. */
    EXPECT(WS_OK, ws_send_batch(conn, kinds + 1, data, offsets + 1, 3, BOUND, NULL, e));
    expect(conn, &batch, data, offsets + 1, kinds + 1, 3);
    EXPECT(WS_OK, ws_send(conn, WS_TEXT, "alone", 5, BOUND, e));
    EXPECT(WS_OK, ws_recv_batch(conn, BOUND, 1, 1, &kept, e));
    CHECK(kept.count == 1 && strcmp(kept.data, "alone") == 0);
    EXPECT(WS_OK, ws_send_batch(conn, kept.kinds, kept.data, kept.offsets, kept.count, BOUND, &taken, e));
    EXPECT(WS_OK, ws_recv(conn, BOUND, &message, e));
    CHECK(taken == 1 && strcmp(message.data, "alone") == 0);
    /* None at all. */
    EXPECT(WS_OK, ws_send_batch(conn, NULL, NULL, offsets, 0, BOUND, &taken, e));
    CHECK(taken == 0);
    EXPECT(WS_TIMEOUT, ws_recv_batch(conn, 10, 0, 0, &batch, e));
    nothing(&batch);
    EXPECT(WS_OK, ws_close(conn, 1000, NULL, BOUND, e));
    EXPECT(WS_CLOSED, ws_recv_batch(conn, BOUND, 0, 0, &batch, e));
    nothing(&batch);
    EXPECT(WS_CLOSED, ws_send_batch(conn, kinds, data, offsets, 4, BOUND, &taken, e));
    CHECK(taken == 0);
    ws_conn_free(conn);
    /* It outlives the connection. */
    CHECK(strcmp(kept.data, "alone") == 0);
    ws_batch_free(&batch);
    nothing(&batch);
    ws_batch_free(&batch);
    ws_batch_free(&kept);
    ws_message_free(&message);
}

/* Nothing is sent of what cannot be sent whole. */
static void refused(void)
{
    static const unsigned char kinds[] = {WS_TEXT, WS_TEXT, WS_BINARY};
    static const unsigned char odd[] = {WS_TEXT, 9, WS_BINARY};
    static const size_t offsets[] = {0, 1, 2, 3};
    static const size_t falling[] = {0, 2, 1, 3};
    static const size_t beyond[] = {0, 9, 2, 3};
    ws_conn *conn = dial(0, "/echo");
    ws_message message = WS_MESSAGE_INIT;
    size_t taken = 9;

    EXPECT(WS_E_USAGE_UTF8, ws_send_batch(conn, kinds, "a\xff" "b", offsets, 3, BOUND, &taken, e));
    CHECK(taken == 0);
    EXPECT(WS_E_USAGE_KIND, ws_send_batch(conn, odd, "abc", offsets, 3, BOUND, &taken, e));
    EXPECT(WS_E_USAGE_LENGTH, ws_send_batch(conn, kinds, "abc", falling, 3, BOUND, &taken, e));
    EXPECT(WS_E_USAGE_LENGTH, ws_send_batch(conn, kinds, "abc", beyond, 3, BOUND, &taken, e));
    EXPECT(WS_E_USAGE_LENGTH, ws_send_batch(conn, kinds, "abc", offsets, (size_t)-1, BOUND, &taken, e));
    EXPECT(WS_E_USAGE_TIMEOUT, ws_send_batch(conn, kinds, "abc", offsets, 3, -3, &taken, e));
    CHECK(taken == 0);
    EXPECT(WS_OK, ws_send(conn, WS_TEXT, "first", 5, BOUND, e));
    EXPECT(WS_OK, ws_recv(conn, BOUND, &message, e));
    CHECK(strcmp(message.data, "first") == 0);
    ws_conn_free(conn);
    ws_message_free(&message);
}

/* Large messages, then small ones, into the same memory, which becomes less in time; a limit and one over it. */
static void large_and_small(int secure)
{
    static const size_t sizes[] = {3000000, 1, 0, 70000};
    ws_conn *conn = dial(secure, "/big/3000000,1,0,70000");
    ws_batch batch = WS_BATCH_INIT;
    size_t seen = 0, i, n;

    while (seen < 4) {
        EXPECT(WS_OK, ws_recv_batch(conn, BOUND, 1000, 2, &batch, e));
        CHECK(batch.count == 1 || (batch.count == 2 && batch.offsets[2] <= 1000));
        for (i = 0; i < batch.count; i++, seen++) {
            CHECK(batch.offsets[i + 1] - batch.offsets[i] == sizes[seen] && batch.kinds[i] == WS_BINARY);
        }
        for (n = 0; n < batch.offsets[batch.count]; n++) {
            CHECK(batch.data[n] == 'x');
        }
    }
    for (i = 0; i < 40; i++) {
        EXPECT(WS_OK, ws_send(conn, WS_TEXT, "small", 5, BOUND, e));
        EXPECT(WS_OK, ws_recv_batch(conn, BOUND, 0, 0, &batch, e));
        CHECK(batch.count == 1 && strcmp(batch.data, "small") == 0);
    }
    EXPECT(WS_OK, ws_close(conn, 1000, NULL, BOUND, e));
    ws_conn_free(conn);
    ws_batch_free(&batch);
}

/* Messages first, the failure with the next call; what a struct shows after any other answer is nothing. */
static void failing(void)
{
    /* "hi", a message over the limit of 5 */
    ws_conn *conn = dial(0, "/raw/81026869820661626364" "6566");
    ws_batch batch = WS_BATCH_INIT;

    EXPECT(WS_OK, ws_set_max_message(conn, 5, e));
    EXPECT(WS_OK, ws_recv_batch(conn, BOUND, 0, 0, &batch, e));
    CHECK(batch.count == 1 && strcmp(batch.data, "hi") == 0 && batch.kinds[0] == WS_TEXT);
    EXPECT(WS_E_LIMIT_MESSAGE, ws_recv_batch(conn, BOUND, 0, 0, &batch, e));
    nothing(&batch);
    EXPECT(WS_E_LIMIT_MESSAGE, ws_recv_batch(conn, WS_NOWAIT, 0, 0, &batch, e));
    EXPECT(WS_E_USAGE_TIMEOUT, ws_recv_batch(conn, -3, 0, 0, &batch, e));
    nothing(&batch);
    ws_conn_free(conn);
    ws_batch_free(&batch);
}

int main(int argc, char **argv)
{
    size_is_frozen *unused = NULL;

    (void)unused;
    start(argc, argv);
    there_and_back(0);
    there_and_back(1);
    refused();
    large_and_small(0);
    large_and_small(1);
    failing();
    return 0;
}
