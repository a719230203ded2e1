/* A dial through a proxy: where it goes, and what came of it.
 *
 *     proxy URL [PROXY]
 *
 * PROXY is "http://user:password@host:port" and the like, with https, socks5 or socks5h for http. Without it the
 * environment decides: http_proxy for ws, https_proxy for wss, all_proxy for both, no_proxy for what goes there directly. */
#include <stdio.h>
#include "wsdial.h"

/* What the proxy had to say about its refusal, as much as a person wants to see. */
static void tell(const ws_error *error)
{
    const char *challenge = ws_error_http_header(error, "Proxy-Authenticate", 0);
    size_t len = 0;
    const char *body = ws_error_http_body(error, &len);

    fprintf(stderr, "proxy: %s\n", ws_error_message(error));
    switch (ws_error_code(error)) {
    case WS_E_PROXY_AUTH:
        fprintf(stderr, "it wants a user and a password%s%s\n", challenge ? ": " : "", challenge ? challenge : "");
        break;
    case WS_E_PROXY_REJECTED:
        fprintf(stderr, "ask its people whether you may go there\n");
        break;
    case WS_E_PROXY_UNREACHABLE:
        fprintf(stderr, "the proxy is well, the server behind it is not\n");
        break;
    default:
        /* In the proxy's phase it is between us and the proxy, before that there was none, behind it the tunnel stood. */
        fprintf(stderr, "it happened in: %s\n", ws_phase_name(ws_error_phase(error)));
    }
    if (body && len > 0)
        fprintf(stderr, "%.*s\n", (int)(len < 200 ? len : 200), body);
}

int main(int argc, char **argv)
{
    ws_dialer *dialer = ws_dialer_new();
    ws_message message = WS_MESSAGE_INIT;
    ws_conn *conn = NULL;
    ws_error *error = NULL;
    char host[256];
    int port = 0, result;

    if (argc < 2) {
        fprintf(stderr, "usage: proxy URL [PROXY]\n");
        ws_dialer_free(dialer);
        return 2;
    }
    if (argc > 2)
        result = ws_dialer_set_proxy(dialer, argv[2], &error);
    else
        result = ws_dialer_set_proxy_from_env(dialer, &error);

    /* Where the library will connect to; who connects by other means (ws_dial_fd, ws_dial_memory) connects there. */
    if (result == WS_OK)
        result = ws_dialer_route(dialer, argv[1], host, sizeof host, &port, &error);
    if (result == WS_OK) {
        printf("route to %s: %s port %d\n", argv[1], host, port);
        result = ws_dial(argv[1], dialer, 10000, &conn, &error);
    }
    if (result == WS_OK) {
        uint64_t microseconds = 0;

        result = ws_stat(conn, WS_STAT_PROXY, &microseconds, &error);
        printf("connected: %s\n", microseconds ? "through a proxy" : "directly");
    }
    if (result == WS_OK)
        result = ws_send(conn, WS_TEXT, "hello", 5, WS_DEFAULT, &error);
    if (result == WS_OK)
        result = ws_recv(conn, 5000, &message, &error);
    if (result == WS_OK) {
        printf("received: %s\n", message.data);
        result = ws_close(conn, 1000, NULL, WS_DEFAULT, &error);
    }
    if (result == WS_OK)
        printf("closed cleanly: %d\n", ws_close_code(conn));
    if (error)
        tell(error);
    ws_message_free(&message);
    ws_conn_free(conn);
    ws_dialer_free(dialer);
    ws_error_free(error);
    return result == WS_OK ? 0 : 1;
}
