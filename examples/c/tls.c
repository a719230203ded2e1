/* Own roots and a client certificate, as a company's network asks for them, and what can be told about a refusal.
 *
 *     tls URL CA.pem CLIENT.pem [KEY.pem]
 *
 * CA.pem has the authority that the server's certificate leads to; it is trusted instead of the system's. CLIENT.pem has
 * our certificate, and those that lead from it to an authority that the server knows; the key is in KEY.pem or behind it. */
#include <stdio.h>
#include "wsdial.h"

/* What can be done about it; the sentence of the error says what it is about. */
static const char *advice(int code)
{
    switch (code) {
    case WS_E_OPTION_FILE:
    case WS_E_OPTION_PEM:
        return "look at the file";
    case WS_E_OPTION_KEY:
        return "give the key that belongs to the certificate";
    case WS_E_TLS_EXPIRED:
    case WS_E_TLS_NOT_YET_VALID:
        return "renew the server's certificate, or set this machine's clock";
    case WS_E_TLS_WRONG_HOST:
        return "use a name that the certificate has, or say with ws_dialer_set_server_name which one is meant";
    case WS_E_TLS_UNKNOWN_ISSUER:
        return "add the authority to CA.pem, or let the server send its intermediates";
    case WS_E_TLS_ALERT:
        return "ask the server's people which client certificates they take";
    default:
        return "read the sentence";
    }
}

static int dial(const char *url, const ws_dialer *dialer, ws_error **error)
{
    ws_message message = WS_MESSAGE_INIT;
    ws_conn *conn = NULL;
    int result = ws_dial(url, dialer, WS_DEFAULT, &conn, error);

    if (result == WS_OK) {
        printf("connected: %s, %s\n", ws_tls_version(conn), ws_tls_cipher(conn));
        result = ws_send(conn, WS_TEXT, "hello", 5, WS_DEFAULT, error);
    }
    if (result == WS_OK)
        result = ws_recv(conn, 5000, &message, error);
    if (result == WS_OK) {
        printf("received: %s\n", message.data);
        result = ws_close(conn, 1000, NULL, WS_DEFAULT, error);
    }
    if (result == WS_OK)
        printf("closed cleanly: %d\n", ws_close_code(conn));
    ws_message_free(&message);
    ws_conn_free(conn);
    return result;
}

int main(int argc, char **argv)
{
    ws_dialer *dialer = ws_dialer_new();
    ws_error *error = NULL;
    int result;

    if (argc < 4) {
        fprintf(stderr, "usage: tls URL CA.pem CLIENT.pem [KEY.pem]\n");
        ws_dialer_free(dialer);
        return 2;
    }
    result = ws_dialer_add_ca_file(dialer, argv[2], &error);
    if (result == WS_OK)
        result = ws_dialer_use_system_roots(dialer, 0, &error);
    if (result == WS_OK)
        result = ws_dialer_set_client_cert_file(dialer, argv[3], argc > 4 ? argv[4] : NULL, &error);

    /* One dialer for all dials: it reads and checks the files once, and keeps the sessions that make a second dial
     * cheaper than the first. */
    if (result == WS_OK)
        result = dial(argv[1], dialer, &error);
    if (result == WS_OK)
        result = dial(argv[1], dialer, &error);
    if (result != WS_OK)
        fprintf(stderr, "tls: %s\ntls: %s\n", error ? ws_error_message(error) : ws_strerror(result), advice(result));
    ws_error_free(error);
    ws_dialer_free(dialer);
    return result == WS_OK ? 0 : 1;
}
