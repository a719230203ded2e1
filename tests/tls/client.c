/* One dial, or many, with the TLS options that the command line names, an echo each, and what came of it on one line:
 *
 *   client URL [OPTION...]
 *     --ca FILE, --ca-dir FOLDER     roots, instead of the system's
 *     --cert FILE, --key FILE        who we are
 *     --name NAME, --min 2|3, --key-log FILE, --insecure
 *     --dials N                      so many, one after the other, with one dialer
 *
 * `ok VERSION CIPHER`, or `refused CODE MESSAGE` with exit 1, whether a setter or a dial refuses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wsdial.h"

enum { PATIENCE_MS = 10000 };

static ws_error *error;

static void must(int result)
{
    if (result == WS_OK)
        return;
    printf("refused %d %s\n", result, error ? ws_error_message(error) : ws_strerror(result));
    ws_error_free(error);
    exit(1);
}

static void visit(const char *url, const ws_dialer *dialer, int is_last)
{
    ws_message message = WS_MESSAGE_INIT;
    ws_conn *conn = NULL;

    must(ws_dial(url, dialer, PATIENCE_MS, &conn, &error));
    must(ws_send(conn, WS_TEXT, "hello", 5, PATIENCE_MS, &error));
    must(ws_recv(conn, PATIENCE_MS, &message, &error));
    if (message.len != 5 || memcmp(message.data, "hello", 5) != 0) {
        printf("refused 0 the echo is another\n");
        exit(1);
    }
    must(ws_close(conn, 1000, NULL, PATIENCE_MS, &error));
    if (is_last)
        printf("ok %s %s\n", ws_tls_version(conn), ws_tls_cipher(conn));
    ws_message_free(&message);
    ws_conn_free(conn);
}

int main(int argc, char **argv)
{
    const char *cert = NULL, *key = NULL;
    ws_dialer *dialer = ws_dialer_new();
    long dials = 1, i;
    int at;

    for (at = 2; at < argc; at++) {
        const char *option = argv[at], *value = at + 1 < argc ? argv[at + 1] : "";
        if (strcmp(option, "--insecure") == 0) {
            must(ws_dialer_set_insecure_skip_verify(dialer, 1, &error));
            continue;
        }
        at++;
        if (strcmp(option, "--ca") == 0) {
            must(ws_dialer_add_ca_file(dialer, value, &error));
            must(ws_dialer_use_system_roots(dialer, 0, &error));
        } else if (strcmp(option, "--ca-dir") == 0) {
            must(ws_dialer_add_ca_dir(dialer, value, &error));
            must(ws_dialer_use_system_roots(dialer, 0, &error));
        } else if (strcmp(option, "--cert") == 0) {
            cert = value;
        } else if (strcmp(option, "--key") == 0) {
            key = value;
        } else if (strcmp(option, "--name") == 0) {
            must(ws_dialer_set_server_name(dialer, value, &error));
        } else if (strcmp(option, "--min") == 0) {
            must(ws_dialer_set_min_tls(dialer, value[0] == '3' ? WS_TLS_1_3 : WS_TLS_1_2, &error));
        } else if (strcmp(option, "--key-log") == 0) {
            must(ws_dialer_set_key_log_file(dialer, value, &error));
        } else if (strcmp(option, "--dials") == 0) {
            dials = strtol(value, NULL, 10);
        } else {
            fprintf(stderr, "no option is called %s\n", option);
            return 2;
        }
    }
    if (cert)
        must(ws_dialer_set_client_cert_file(dialer, cert, key, &error));
    for (i = 0; i < dials; i++)
        visit(argv[1], dialer, i + 1 == dials);
    ws_dialer_free(dialer);
    return 0;
}
