/* wsdial through its C ABI: the five functions, blocking, one thread. --impl batch receives and sends many messages with
 * each call; the callers' own messages lie apart, so gathering them into the block is part of what is measured. */
#include "common.h"
#include "wsdial.h"

static ws_dialer *dialer;

static void ck(int result, int want, ws_error *error, const char *what) {
    if (result == want) return;
    fprintf(stderr, "FAIL %s: %d %s\n", what, result, error ? ws_error_message(error) : "");
    exit(1);
}

static ws_conn *dial(uint64_t count) {
    char path[256], url[400];
    ws_conn *conn;
    ws_error *error;
    path_for(path, sizeof path, count);
    snprintf(url, sizeof url, "%s%s", A.url, path);
    ck(ws_dial(url, dialer, WS_DEFAULT, &conn, &error), WS_OK, error, "dial");
    if (*ws_subprotocol(conn)) fail("a subprotocol that nobody offered");
    return conn;
}

static void send_msg(ws_conn *conn, const void *data, size_t len) {
    ws_error *error;
    ck(ws_send(conn, WS_BINARY, data, len, WS_FOREVER, &error), WS_OK, error, "send");
}

static void recv_msg(ws_conn *conn, ws_message *message) {
    ws_error *error;
    ck(ws_recv(conn, WS_FOREVER, message, &error), WS_OK, error, "recv");
}

static void hang_up(ws_conn *conn) {
    ws_error *error;
    ck(ws_close(conn, 1000, NULL, WS_DEFAULT, &error), WS_OK, error, "close");
    ws_conn_free(conn);
}

static void do_recv(ws_message *message, uint64_t count) {
    ws_conn *conn = dial(count);
    ws_error *error;
    uint64_t n = 0, bytes = 0;
    int result;
    while ((result = ws_recv(conn, WS_FOREVER, message, &error)) == WS_OK) {
        n++;
        bytes += message->len;
    }
    ck(result, WS_CLOSED, error, "recv");
    if (n != count || bytes != count * A.size) fail("messages");
    hang_up(conn);
}

static void do_recv_batches(uint64_t count) {
    ws_conn *conn = dial(count);
    ws_batch batch = WS_BATCH_INIT;
    ws_error *error;
    uint64_t n = 0, bytes = 0, x = 0;
    int result;
    while ((result = ws_recv_batch(conn, WS_FOREVER, 0, 0, &batch, &error)) == WS_OK)
        for (size_t i = 0; i < batch.count; i++) {
            n++;
            bytes += batch.offsets[i + 1] - batch.offsets[i];
            x += (uint8_t)batch.data[batch.offsets[i]];
        }
    ck(result, WS_CLOSED, error, "recv_batch");
    if (n != count || bytes != count * A.size || !(x + 1)) fail("messages");
    ws_batch_free(&batch);
    hang_up(conn);
}

static void sink_reply(ws_conn *conn, ws_message *message, uint64_t count) {
    uint64_t v = 0;
    recv_msg(conn, message);
    if (message->len != 8) fail("sink reply");
    for (int i = 0; i < 8; i++) v = v << 8 | (uint8_t)message->data[i];
    if (!sink_counted(v, count)) fail("the sink counted other bytes");
    hang_up(conn);
}

/* As many in a batch as 64 KiB take, which is what limit-wsb gathers too. */
static void do_send_batches(ws_message *message, const uint8_t *data, uint64_t count) {
    ws_conn *conn = dial(count);
    ws_error *error;
    size_t per = 64 * 1024 / (A.size + 14);
    if (!per) per = 1;
    uint8_t *block = malloc(per * A.size + 1), *kinds = malloc(per);
    size_t *offsets = calloc(per + 1, sizeof *offsets), taken;
    for (uint64_t left = count; left;) {
        size_t k = left < per ? left : per;
        for (size_t i = 0; i < k; i++) {
            memcpy(block + i * A.size, data, A.size);
            offsets[i + 1] = (i + 1) * A.size;
            kinds[i] = WS_BINARY;
        }
        ck(ws_send_batch(conn, kinds, block, offsets, k, WS_FOREVER, &taken, &error), WS_OK, error, "send_batch");
        if (taken != k) fail("taken");
        left -= k;
    }
    free(block);
    free(kinds);
    free(offsets);
    sink_reply(conn, message, count);
}

static void do_send(ws_message *message, const uint8_t *data, uint64_t count) {
    ws_conn *conn = dial(count);
    for (uint64_t i = 0; i < count; i++) send_msg(conn, message_of(data, i), A.size);
    sink_reply(conn, message, count);
}

static void do_rtt(ws_message *message, const uint8_t *data, uint64_t count, int timed) {
    ws_conn *conn = dial(count);
    if (timed) start();
    for (uint64_t i = 0; i < count; i++) {
        uint64_t t = now_ns();
        send_msg(conn, data, A.size);
        recv_msg(conn, message);
        if (message->len != A.size || (uint8_t)message->data[A.size - 1] != data[A.size - 1]) fail("echo");
        if (timed) lat[nlat++] = now_ns() - t;
    }
    hang_up(conn);
}

static void do_idle(uint64_t count) {
    long rss = status_kb("VmRSS:");
    ws_conn **conns = calloc(count, sizeof *conns);
    for (uint64_t i = 0; i < count; i++) conns[i] = dial(1);
    report("wsdial", rss);
    exit(0);
}

static void go(const uint8_t *data, uint64_t count, int timed) {
    ws_message message = WS_MESSAGE_INIT;
    int batches = !strcmp(A.impl, "batch");
    if (timed) start();
    if (batches && !strcmp(A.mode, "recv")) do_recv_batches(count);
    else if (batches && !strcmp(A.mode, "send")) do_send_batches(&message, data, count);
    else if (!strcmp(A.mode, "recv")) do_recv(&message, count);
    else if (!strcmp(A.mode, "send")) do_send(&message, data, count);
    else if (!strcmp(A.mode, "rtt")) do_rtt(&message, data, count, timed);
    else if (!strcmp(A.mode, "dial")) for (uint64_t i = 0; i < count; i++) hang_up(dial(count));
    else if (strcmp(A.mode, "idle")) fail("mode");
    else if (timed) do_idle(count);
    else hang_up(dial(1));
    ws_message_free(&message);
}

int main(int c, char **v) {
    ws_error *error;
    struct rlimit limit;
    args(c, v);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    dialer = ws_dialer_new();
    if (A.ca) {
        ck(ws_dialer_use_system_roots(dialer, 0, &error), WS_OK, error, "system roots");
        ck(ws_dialer_add_ca_file(dialer, A.ca, &error), WS_OK, error, "ca");
    }
    if (A.deflate) ck(ws_dialer_set_compression(dialer, 1, &error), WS_OK, error, "compression");
    uint8_t *data = payload();
    lat_init();
    go(data, warm(), 0);
    go(data, A.count, 1);
    report(strcmp(A.impl, "batch") ? "wsdial" : "wsdial-batch", -1);
    free(data);
    ws_dialer_free(dialer);
    return 0;
}
