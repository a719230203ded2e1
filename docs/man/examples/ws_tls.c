#include <stdio.h>

#include <wsdial.h>

/* Trusts one authority and no other, and speaks TLS 1.3 only. */
int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "wss://localhost:12346";
    ws_dialer *dialer = ws_dialer_new();
    ws_conn *conn = NULL;
    ws_error *error = NULL;
    int result = argc > 2 ? ws_dialer_add_ca_file(dialer, argv[2], &error) : WS_OK;

    if (result == WS_OK && argc > 2)
        result = ws_dialer_use_system_roots(dialer, 0, &error);
    if (result == WS_OK)
        result = ws_dialer_set_min_tls(dialer, WS_TLS_1_3, &error);
    if (result == WS_OK)
        result = ws_dial(url, dialer, WS_DEFAULT, &conn, &error);
    if (result == WS_OK)
        printf("%s, %s\n", ws_tls_version(conn), ws_tls_cipher(conn));
    if (result != WS_OK)
        fprintf(stderr, "%s\n", error ? ws_error_message(error) : ws_strerror(result));
    ws_error_free(error);
    ws_conn_free(conn);
    ws_dialer_free(dialer);
    return result != WS_OK;
}
