#include <stdio.h>

#include <wsdial.h>

/* Sends three messages with one call, and takes what comes back as it comes. */
int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "wss://localhost:12346";
    ws_dialer *dialer = ws_dialer_new();
    ws_conn *conn = NULL;
    ws_error *error = NULL;
    static const size_t offsets[] = { 0, 3, 6, 11 };
    static const unsigned char kinds[] = { WS_TEXT, WS_TEXT, WS_TEXT };
    ws_batch batch = WS_BATCH_INIT;
    size_t i, seen = 0;
    int result = argc > 2 ? ws_dialer_add_ca_file(dialer, argv[2], &error) : WS_OK;

    if (result == WS_OK)
        result = ws_dial(url, dialer, WS_DEFAULT, &conn, &error);
    if (result == WS_OK)
        result = ws_send_batch(conn, kinds, "onetwothree", offsets, 3, WS_FOREVER, NULL, &error);
    while (result == WS_OK && seen < 3) {
        result = ws_recv_batch(conn, 5000, 1 << 20, 100, &batch, &error);
        for (i = 0; i < batch.count; i++, seen++)
            printf("%.*s\n", (int)(batch.offsets[i + 1] - batch.offsets[i]), batch.data + batch.offsets[i]);
    }
    ws_batch_free(&batch);
    if (result != WS_OK)
        fprintf(stderr, "%s\n", error ? ws_error_message(error) : ws_strerror(result));
    ws_error_free(error);
    ws_conn_free(conn);
    ws_dialer_free(dialer);
    return result != WS_OK;
}
