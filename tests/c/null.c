/* NULL in every pointer of every function: one at a time, and all at once. It is a result, never a crash. */

#include "check.h"

static void facts(ws_conn *conn)
{
    const char *name = "x";
    size_t len = 7;
    int status = 7;

    CHECK(strcmp(ws_subprotocol(NULL), "") == 0);
    CHECK(ws_url(NULL) == NULL && ws_url(conn) != NULL);
    CHECK(ws_transcript(NULL) == NULL && ws_transcript(conn) == NULL);
    CHECK(ws_redirect(NULL, 0, &status) == NULL && status == 0);
    CHECK(ws_redirect(conn, 0, NULL) == NULL);
    CHECK(ws_redirect(NULL, 0, NULL) == NULL);
    CHECK(ws_response_status(NULL) == 0);
    CHECK(ws_response_header(NULL, "X-Test", 0) == NULL);
    CHECK(ws_response_header(conn, NULL, 0) == NULL);
    CHECK(ws_response_header(NULL, NULL, 0) == NULL);
    CHECK(ws_response_header_at(NULL, 0, &name) == NULL && name == NULL);
    CHECK(ws_response_header_at(conn, 0, NULL) != NULL);
    CHECK(ws_response_header_at(NULL, 0, NULL) == NULL);
    CHECK(ws_local_address(NULL) == NULL);
    CHECK(ws_peer_address(NULL) == NULL);
    CHECK(ws_tls_version(NULL) == NULL);
    CHECK(ws_tls_cipher(NULL) == NULL);
    CHECK(strcmp(ws_extensions(NULL), "") == 0 && strcmp(ws_extensions(conn), "") == 0);
    CHECK(ws_close_code(NULL) == 0);
    CHECK(ws_close_reason(NULL, &len) == NULL && len == 0);
    CHECK(ws_close_reason(conn, NULL) == NULL);
    CHECK(ws_close_reason(NULL, NULL) == NULL);
    CHECK(ws_fd(NULL) == -1 && ws_fd(conn) >= 0);
    CHECK(ws_wants(NULL) == 0);
    CHECK(ws_timeout(NULL) == -1);
}

static void errors(void)
{
    ws_error *error = NULL;
    const char *name = "x";
    size_t len = 7;
    int status = 7;

    CHECK(ws_error_code(NULL) == 0);
    CHECK(ws_error_phase(NULL) == 0);
    CHECK(strcmp(ws_error_message(NULL), "") == 0);
    CHECK(ws_error_os_error(NULL) == 0);
    CHECK(ws_error_close_code(NULL) == 0);
    CHECK(ws_error_http_status(NULL) == 0);
    CHECK(ws_error_http_header(NULL, "Server", 0) == NULL);
    CHECK(ws_error_http_header(NULL, NULL, 0) == NULL);
    CHECK(ws_error_http_header_at(NULL, 0, &name) == NULL && name == NULL);
    CHECK(ws_error_http_header_at(NULL, 0, NULL) == NULL);
    CHECK(ws_error_http_body(NULL, &len) == NULL && len == 0);
    CHECK(ws_error_http_body(NULL, NULL) == NULL);
    CHECK(ws_error_location(NULL) == NULL && ws_error_transcript(NULL) == NULL);
    CHECK(ws_error_redirect(NULL, 0, &status) == NULL && status == 0);
    CHECK(ws_error_redirect(NULL, 0, NULL) == NULL);
    CHECK(ws_ping(NULL, NULL, 0, 0, &error) == WS_E_USAGE_NULL);
    CHECK(ws_error_location(error) == NULL && ws_error_redirect(error, 0, NULL) == NULL);
    CHECK(ws_error_transcript(error) == NULL);
    CHECK(strstr(ws_error_message(error), "conn") != NULL);
    CHECK(ws_error_http_header(error, NULL, 0) == NULL);
    CHECK(ws_error_http_body(error, NULL) == NULL);
    ws_error_free(error);
    ws_error_free(NULL);
}

static void dialing(void)
{
    ws_conn *conn = (ws_conn *)(void *)&server_ws;
    ws_error *error = NULL;

    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dial(NULL, NULL, BOUND, &conn, e));
    CHECK(conn == NULL);
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dial(server_ws, NULL, BOUND, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dial(NULL, NULL, BOUND, NULL, e));
    CHECK(ws_dial(server_ws, NULL, BOUND, NULL, &error) == WS_E_USAGE_NULL);
    CHECK(strstr(ws_error_message(error), "out") != NULL);
    ws_error_free(error);
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dial_fd(0, NULL, NULL, BOUND, &conn, e));
    CHECK(conn == NULL);
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dial_fd(0, server_ws, NULL, BOUND, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dial_memory(NULL, NULL, &conn, e));
    CHECK(conn == NULL);
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dial_memory(server_ws, NULL, NULL, e));
    /* NULL for the dialer is the defaults. */
    EXPECT_TWICE(WS_OK, (ws_conn_free(conn), ws_dial(server_ws, NULL, BOUND, &conn, e)));
    ws_conn_free(conn);
}

/* Proxies, and connections that the caller makes. */
static void way(ws_dialer *dialer)
{
    char host[8];
    int port = 7;

    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_proxy(NULL, "http://localhost", e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_proxy(NULL, NULL, e));
    EXPECT_TWICE(WS_OK, ws_dialer_set_proxy(dialer, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_proxy_from_env(NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_add_proxy_header(NULL, "Name", "value", e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_add_proxy_header(dialer, NULL, "value", e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_add_proxy_header(dialer, "Name", NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_add_proxy_header(NULL, NULL, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_connect_callback(NULL, NULL, NULL, e));
    EXPECT_TWICE(WS_OK, ws_dialer_set_connect_callback(dialer, NULL, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_route(dialer, NULL, host, sizeof host, &port, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_route(dialer, "ws://a", NULL, sizeof host, &port, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_route(dialer, "ws://a", host, sizeof host, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_route(NULL, NULL, NULL, 0, NULL, e));
    EXPECT_TWICE(WS_OK, ws_dialer_route(NULL, "ws://a", host, sizeof host, &port, e));
    CHECK(strcmp(host, "a") == 0 && port == 80);
    EXPECT_TWICE(WS_E_USAGE_LENGTH, ws_dialer_route(NULL, "ws://a.example", host, sizeof host, &port, e));
    CHECK(strcmp(host, "") == 0 && port == 0);
}

static void follow(ws_dialer *dialer)
{
    ws_dialer *next = (ws_dialer *)(void *)&server_ws;
    ws_error *other = NULL;

    CHECK(ws_ping(NULL, NULL, 0, 0, &other) == WS_E_USAGE_NULL);
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_follow(NULL, other, &next, e));
    CHECK(next == NULL);
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_follow(dialer, NULL, &next, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_follow(dialer, other, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_follow(NULL, NULL, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_STATE, ws_dialer_follow(dialer, other, &next, e));
    ws_error_free(other);
}

static void setters(void)
{
    ws_dialer *dialer = ws_dialer_new();

    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_add_subprotocol(NULL, "json", e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_add_subprotocol(dialer, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_add_subprotocol(NULL, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_require_subprotocol(NULL, 1, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_add_header(NULL, "Origin", "x", e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_add_header(dialer, NULL, "x", e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_add_header(dialer, "Origin", NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_add_header(NULL, NULL, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_max_message(NULL, 1, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_max_rejection_body(NULL, 1, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_buffer_sizes(NULL, 0, 0, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_add_ca_file(NULL, server_ca, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_add_ca_file(dialer, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_add_ca_file(NULL, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_add_ca_pem(NULL, "x", 1, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_add_ca_pem(dialer, NULL, 1, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_add_ca_pem(NULL, NULL, 1, e));
    EXPECT_TWICE(WS_E_OPTION_PEM, ws_dialer_add_ca_pem(dialer, NULL, 0, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_use_system_roots(NULL, 1, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_server_name(NULL, "localhost", e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_server_name(dialer, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_server_name(NULL, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_add_ca_dir(NULL, ".", e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_add_ca_dir(dialer, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_add_ca_dir(NULL, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_client_cert_file(NULL, server_ca, server_ca, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_client_cert_file(dialer, NULL, server_ca, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_client_cert_file(dialer, NULL, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_client_cert_file(NULL, NULL, NULL, e));
    EXPECT_TWICE(WS_E_OPTION_PEM, ws_dialer_set_client_cert_file(dialer, server_ca, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_client_cert_pem(NULL, "x", 1, "x", 1, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_client_cert_pem(dialer, NULL, 1, "x", 1, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_client_cert_pem(dialer, "x", 1, NULL, 1, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_client_cert_pem(NULL, NULL, 1, NULL, 1, e));
    EXPECT_TWICE(WS_E_OPTION_PEM, ws_dialer_set_client_cert_pem(dialer, NULL, 0, NULL, 0, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_min_tls(NULL, WS_TLS_1_3, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_key_log_file(NULL, "x", e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_key_log_file(NULL, NULL, e));
    EXPECT_TWICE(WS_OK, ws_dialer_set_key_log_file(dialer, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_insecure_skip_verify(NULL, 1, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_keepalive(NULL, 1, 1, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_read_ahead(NULL, 1, 1, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_control_delivery(NULL, 1, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_auto_pong(NULL, 1, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_interruptible(NULL, 1, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_compression(NULL, 1, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_compression_params(NULL, 0, 0, 0, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_compression_level(NULL, 0, 0, 0, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_cancel(NULL, NULL, e));
    EXPECT_TWICE(WS_OK, ws_dialer_set_cancel(dialer, NULL, e));
    way(dialer);
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_max_redirects(NULL, 1, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_transcript(NULL, 1, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_dialer_set_cookie_hooks(NULL, NULL, NULL, NULL, e));
    EXPECT_TWICE(WS_OK, ws_dialer_set_cookie_hooks(dialer, NULL, NULL, NULL, e));
    follow(dialer);
    ws_dialer_free(dialer);
    ws_dialer_free(NULL);
}

static void tokens(ws_conn *conn)
{
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_cancel_new(NULL, e));
    ws_cancel_fire(NULL);
    ws_cancel_reset(NULL);
    ws_cancel_free(NULL);
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_set_cancel(NULL, NULL, e));
    EXPECT_TWICE(WS_OK, ws_set_cancel(conn, NULL, e));
}

/* Bytes that the caller moves, on no connection and on one that moves them itself. */
static void bytes(ws_conn *conn)
{
    size_t len = 7;
    char to[100];
    int kind = 7, is_final = 7;

    CHECK(ws_input(NULL, &len) == NULL && len == 0);
    CHECK(ws_input(NULL, NULL) == NULL);
    CHECK(ws_input(conn, (len = 7, &len)) == NULL && len == 0);
    CHECK(ws_output(NULL, (len = 7, &len)) == NULL && len == 0);
    CHECK(ws_output(NULL, NULL) == NULL);
    CHECK(ws_output(conn, (len = 7, &len)) == NULL && len == 0);
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_input_done(NULL, 1, e));
    EXPECT_TWICE(WS_E_USAGE_STATE, ws_input_done(conn, 1, e));
    CHECK(ws_input_direct(NULL) == 0 && ws_input_direct(conn) == 0);
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_input_direct_done(NULL, to, 1, &kind, &is_final, e));
    CHECK(kind == 0 && is_final == 0);
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_input_direct_done(conn, NULL, 1, &kind, &is_final, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_input_direct_done(conn, to, 1, NULL, &is_final, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_input_direct_done(conn, to, 1, &kind, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_STATE, ws_input_direct_done(conn, to, 1, &kind, &is_final, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_output_done(NULL, 1, e));
    EXPECT_TWICE(WS_E_USAGE_STATE, ws_output_done(conn, 0, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_send_output(NULL, WS_TEXT, "x", 1, to, (len = 7, &len), e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_send_output(conn, WS_TEXT, "x", 1, NULL, (len = 7, &len), e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_send_output(conn, WS_TEXT, "x", 1, to, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_send_output(conn, WS_TEXT, NULL, 1, to, (len = 7, &len), e));
    EXPECT_TWICE(WS_E_USAGE_STATE, ws_send_output(conn, WS_TEXT, "x", 1, to, (len = 7, &len), e));
    CHECK(len == 0);
}

static void calls(ws_conn *conn)
{
    ws_message message = WS_MESSAGE_INIT;
    ws_batch batch = WS_BATCH_INIT;
    uint64_t figure = 7;
    const unsigned char kinds[1] = {WS_TEXT};
    const size_t offsets[2] = {0, 1};
    size_t taken = 7, len = 7;
    int kind = 7, is_final = 7;
    char to[200];

    EXPECT_TWICE(WS_E_USAGE_NULL, ws_send(NULL, WS_TEXT, "x", 1, BOUND, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_send(conn, WS_TEXT, NULL, 1, BOUND, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_send(NULL, WS_TEXT, NULL, 1, BOUND, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_recv(NULL, BOUND, &message, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_recv(conn, BOUND, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_recv(NULL, BOUND, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_close(NULL, 1000, "bye", BOUND, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_close(NULL, 1000, NULL, BOUND, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_ping(NULL, "x", 1, BOUND, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_ping(conn, NULL, 1, BOUND, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_pong(NULL, "x", 1, BOUND, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_pong(conn, NULL, 1, BOUND, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_flush(NULL, BOUND, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_start_close(NULL, 1000, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_recv_batch(NULL, BOUND, 0, 0, &batch, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_recv_batch(conn, BOUND, 0, 0, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_recv_batch(NULL, BOUND, 0, 0, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_send_batch(NULL, kinds, "x", offsets, 1, BOUND, &taken, e));
    CHECK(taken == 0);
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_send_batch(conn, NULL, "x", offsets, 1, BOUND, &taken, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_send_batch(conn, kinds, NULL, offsets, 1, BOUND, &taken, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_send_batch(conn, kinds, "x", NULL, 1, BOUND, &taken, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_send_batch(NULL, NULL, NULL, NULL, 1, BOUND, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_send_fragment(NULL, WS_TEXT, "x", 1, 1, BOUND, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_send_fragment(conn, WS_TEXT, NULL, 1, 1, BOUND, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_recv_into(NULL, BOUND, to, sizeof to, &len, &kind, &is_final, e));
    CHECK(len == 0 && kind == 0 && is_final == 0);
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_recv_into(conn, BOUND, NULL, sizeof to, &len, &kind, &is_final, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_recv_into(conn, BOUND, to, sizeof to, NULL, &kind, &is_final, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_recv_into(conn, BOUND, to, sizeof to, &len, NULL, &is_final, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_recv_into(conn, BOUND, to, sizeof to, &len, &kind, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_recv_into(NULL, BOUND, NULL, 0, NULL, NULL, NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_set_control(NULL, 0, 1, 1, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_set_max_message(NULL, 1, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_set_compression(NULL, 1, 0, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_process(NULL, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_handshake(NULL, BOUND, e));
    EXPECT_TWICE(WS_OK, ws_handshake(conn, BOUND, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_stat(NULL, WS_STAT_ROUND_TRIP, &figure, e));
    EXPECT_TWICE(WS_E_USAGE_NULL, ws_stat(conn, WS_STAT_ROUND_TRIP, NULL, e));
    EXPECT_TWICE(WS_E_OPTION_VALUE, ws_stat(conn, 0, &figure, e));
    CHECK(figure == 0);
    /* Nothing of it has harmed the connection; NULL with length 0 is an empty message. */
    EXPECT_TWICE(WS_OK, ws_ping(conn, NULL, 0, BOUND, e));
    EXPECT_TWICE(WS_OK, ws_pong(conn, NULL, 0, BOUND, e));
    EXPECT(WS_OK, ws_send(conn, WS_TEXT, NULL, 0, BOUND, e));
    EXPECT(WS_OK, ws_recv(conn, BOUND, &message, e));
    CHECK(message.data != NULL && message.len == 0 && message.data[0] == '\0' && message.kind == WS_TEXT);
    EXPECT(WS_E_USAGE_NULL, ws_recv(NULL, BOUND, &message, e));
    CHECK(message.data == NULL && message.len == 0 && message.kind == 0);
    EXPECT_TWICE(WS_OK, ws_close(conn, 1000, NULL, BOUND, e));
    ws_message_free(&message);
    ws_message_free(NULL);
    ws_batch_free(&batch);
    ws_batch_free(NULL);
    ws_conn_free(NULL);
}

int main(int argc, char **argv)
{
    ws_conn *conn;

    start(argc, argv);
    conn = dial(0, "/echo");
    facts(conn);
    errors();
    dialing();
    setters();
    tokens(conn);
    bytes(conn);
    calls(conn);
    ws_conn_free(conn);
    return 0;
}
