#include <stdio.h>

#include <wsdial.h>

/* The request of a handshake whose bytes go nowhere: no socket is needed to see it. */
int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "wss://localhost:12346";
    ws_dialer *dialer = ws_dialer_new();
    ws_conn *conn = NULL;
    ws_error *error = NULL;
    const void *bytes;
    size_t len;
    int result = argc > 2 ? ws_dialer_add_ca_file(dialer, argv[2], &error) : WS_OK;

    if (result == WS_OK)
        result = ws_dial_memory("ws://example.org/chat", dialer, &conn, &error);
    if (result == WS_AGAIN && (bytes = ws_output(conn, &len)) != NULL) {
        printf("%.*s", (int)len, (const char *)bytes);
        result = ws_output_done(conn, len, &error);
    }
    (void)url;
    if (result != WS_OK)
        fprintf(stderr, "%s\n", error ? ws_error_message(error) : ws_strerror(result));
    ws_error_free(error);
    ws_conn_free(conn);
    ws_dialer_free(dialer);
    return result != WS_OK;
}
