#include <stdio.h>

#include <wsdial.h>

/* Takes the proxy that the environment names, if it names one for the address, and tells which way that is. */
int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "wss://localhost:12346";
    ws_dialer *dialer = ws_dialer_new();
    ws_conn *conn = NULL;
    ws_error *error = NULL;
    char host[256];
    int port = 0;
    int result = argc > 2 ? ws_dialer_add_ca_file(dialer, argv[2], &error) : WS_OK;

    if (result == WS_OK)
        result = ws_dialer_set_proxy_from_env(dialer, &error);
    if (result == WS_OK)
        result = ws_dialer_route(dialer, url, host, sizeof host, &port, &error);
    if (result == WS_OK) {
        printf("by way of %s, port %d\n", host, port);
        result = ws_dial(url, dialer, WS_DEFAULT, &conn, &error);
    }
    if (result != WS_OK)
        fprintf(stderr, "%s\n", error ? ws_error_message(error) : ws_strerror(result));
    ws_error_free(error);
    ws_conn_free(conn);
    ws_dialer_free(dialer);
    return result != WS_OK;
}
