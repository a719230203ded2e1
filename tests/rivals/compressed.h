/* permessage-deflate with every combination of parameters, both ways. The server is told nothing: it has to take what is
 * offered, or to say no. Included by client.c, whose helpers it uses. */

/* What was asked for and agreed must fit; a server that chose the extension without granting it fails the dial, which is
 * right as well (gorilla knows no windows and answers as if none had been asked for). */
static ws_conn *dial_compressed(int client_bits, int server_bits, int flags, int *is_refused) {
    ws_error *error = NULL;
    ws_conn *conn = NULL;
    ws_dialer *dialer = new_dialer(NULL);
    int result;
    must_be(WS_OK, ws_dialer_set_compression(dialer, 1, &error), &error, "set_compression");
    must_be(WS_OK, ws_dialer_set_compression_params(dialer, client_bits, server_bits, flags, &error), &error, "params");
    must_be(WS_OK, ws_dialer_set_compression_level(dialer, 1, 1 + flags, 0, &error), &error, "level");
    result = ws_dial(url, dialer, PATIENCE_MS, &conn, &error);
    ws_dialer_free(dialer);
    *is_refused = result == WS_E_HANDSHAKE_EXTENSION && strstr(ws_error_message(error), "asked for") != NULL;
    if (*is_refused) {
        ws_error_free(error);
        return NULL;
    }
    must_be(WS_OK, result, &error, "ws_dial");
    return conn;
}

static void echo_compressed(ws_conn *conn, int kind, size_t size, int also_plain) {
    ws_message message = WS_MESSAGE_INIT;
    unsigned char *data = pattern(kind, size);
    send_bytes(conn, kind, data, size);
    receive(conn, &message);
    expect_pattern(&message, kind, size);
    if (also_plain) {
        send_bytes(conn, kind | WS_UNCOMPRESSED, data, size);
        receive(conn, &message);
        expect_pattern(&message, kind, size);
    }
    free(data);
    ws_message_free(&message);
}

/* Several messages each way, so that each has a context to refer to, and some that end it. */
static void talk_compressed(ws_conn *conn, int has_large) {
    static const size_t sizes[] = {0, 10, 130, 1000, 1000, 70000, 300};
    ws_message message = WS_MESSAGE_INIT;
    ws_error *error = NULL;
    size_t i;
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        echo_compressed(conn, WS_TEXT, sizes[i] / 10 * 10, i == 3);
        echo_compressed(conn, WS_BINARY, sizes[i], i == 4);
    }
    say(conn, "do fragments text 100000 9");
    receive(conn, &message);
    expect_pattern(&message, WS_TEXT, 100000);
    say(conn, "do send binary 5000");
    receive(conn, &message);
    expect_pattern(&message, WS_BINARY, 5000);
    must_be(WS_OK, ws_set_compression(conn, 0, 0, &error), &error, "set_compression off");
    ask(conn, "this one is not compressed", "this one is not compressed");
    must_be(WS_OK, ws_set_compression(conn, 1, 9, &error), &error, "set_compression on");
    echo_compressed(conn, WS_TEXT, 2000, 0);
    if (has_large) {
        echo_compressed(conn, WS_BINARY, 1 << 20, 0);
        echo_compressed(conn, WS_TEXT, (1 << 20) / 10 * 10, 0);
        say(conn, "do send binary 1048576");
        receive(conn, &message);
        expect_pattern(&message, WS_BINARY, 1048576);
    }
    ask(conn, "still in step", "still in step");
    ws_message_free(&message);
}

/* The value behind NAME= in what was agreed, 0 when it is not there. */
static int agreed_bits(const char *agreed, const char *name) {
    const char *at = strstr(agreed, name);
    return at ? atoi(at + strlen(name) + 1) : 0;
}

static void compressed(void) {
    static const int windows[] = {0, 8, 9, 12, 15};
    int c, s, flags, chose = 0, refused = 0, silent = 0;
    for (c = 0; c < 6; c++)
        for (s = 0; s < 5; s++)
            for (flags = 0; flags < 4; flags++) {
                /* The last round does not offer client_max_window_bits. */
                int client_bits = c < 5 ? windows[c] : 0, server_bits = windows[s], is_refused;
                int all_flags = flags | (c < 5 ? 0 : WS_DEFLATE_CLIENT_WINDOW_FIXED);
                ws_conn *conn = dial_compressed(client_bits, server_bits, all_flags, &is_refused);
                const char *agreed;
                if (is_refused) {
                    refused++;
                    continue;
                }
                agreed = ws_extensions(conn);
                if (*agreed == '\0') {
                    silent++;
                } else {
                    chose++;
                    MUST(strncmp(agreed, "permessage-deflate", 18) == 0, "agreed was `%s`", agreed);
                    MUST(!(flags & 1) || strstr(agreed, "server_no_context_takeover"), "agreed was `%s`", agreed);
                    MUST(server_bits == 0 || agreed_bits(agreed, "server_max_window_bits") <= server_bits, "`%s`", agreed);
                }
                talk_compressed(conn, (c == 0 || c == 2) && (s == 0 || s == 3));
                finish(conn);
            }
    printf("compressed: %d combinations agreed, %d not chosen by the server, %d not granted\n", chose, silent, refused);
    MUST(chose >= 12, "only %d combinations were agreed", chose);
}

static void over_the_limit_inflated(void) {
    ws_error *error = NULL;
    ws_dialer *dialer = new_dialer(NULL);
    must_be(WS_OK, ws_dialer_set_compression(dialer, 1, &error), &error, "set_compression");
    must_be(WS_OK, ws_dialer_set_max_message(dialer, 99999, &error), &error, "set_max_message");
    expect_failure(dialer, "do send binary 100000", WS_E_LIMIT_MESSAGE, 1009);
}

static void invalid_utf8_inflated(void) {
    ws_error *error = NULL;
    ws_dialer *dialer = new_dialer(NULL);
    must_be(WS_OK, ws_dialer_set_compression(dialer, 1, &error), &error, "set_compression");
    expect_failure(dialer, "do invalid", WS_E_UTF8, 1007);
}
