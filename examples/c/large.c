/* Streams one message of many mebibytes to an echo server and back through 64 KiB of memory each way, and tells how much
 * memory that took. usage: large [url [ca.pem [mebibytes]]]; 1024 of them, a gigabyte, unless told otherwise.
 *
 * One thread sends fragments while the other receives pieces: a server may send back what it has before it has all. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "wsdial.h"

#define PIECE (64 * 1024)

struct upload {
    ws_conn *conn;
    unsigned long long size;
    int result;
    ws_error *error;
};

/* The message: each byte tells where it belongs. */
static char byte_at(unsigned long long at)
{
    return (char)(at * 2654435761u >> 16);
}

static void *send_all(void *argument)
{
    struct upload *upload = argument;
    unsigned long long at = 0;
    static char piece[PIECE];

    upload->result = WS_OK;
    while (at < upload->size && upload->result == WS_OK) {
        size_t n = upload->size - at < PIECE ? (size_t)(upload->size - at) : PIECE;
        size_t i;

        for (i = 0; i < n; i++)
            piece[i] = byte_at(at + i);
        at += n;
        upload->result =
            ws_send_fragment(upload->conn, WS_BINARY, piece, n, at == upload->size, WS_FOREVER, &upload->error);
    }
    return NULL;
}

/* Receives the message to its end; returns how many bytes of it are as they were sent. */
static unsigned long long receive_all(ws_conn *conn, int *result, ws_error **error)
{
    static char piece[PIECE];
    unsigned long long at = 0, right = 0;
    size_t len, i;
    int kind, is_final = 0;

    *result = WS_OK;
    while (!is_final && *result == WS_OK) {
        *result = ws_recv_into(conn, WS_FOREVER, piece, sizeof piece, &len, &kind, &is_final, error);
        for (i = 0; i < len; i++, at++)
            right += piece[i] == byte_at(at);
    }
    return right;
}

static long resident_kib(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "ws://localhost:12345";
    const char *ca = argc > 2 ? argv[2] : "";
    unsigned long long size = (argc > 3 ? strtoull(argv[3], NULL, 10) : 1024) << 20;
    struct upload upload = {0};
    ws_dialer *dialer = ws_dialer_new();
    ws_conn *conn = NULL;
    ws_error *error = NULL;
    pthread_t sender;
    unsigned long long right = 0;
    long before = 0;
    /* Pieces need no memory of a message's size, so nothing has to limit it. */
    int result = ws_dialer_set_max_message(dialer, 0, &error);

    if (result == WS_OK && *ca)
        result = ws_dialer_add_ca_file(dialer, ca, &error);
    if (result == WS_OK)
        result = ws_dial(url, dialer, WS_DEFAULT, &conn, &error);
    if (result == WS_OK) {
        before = resident_kib();
        upload.conn = conn;
        upload.size = size;
        if (size == 0 || pthread_create(&sender, NULL, send_all, &upload) != 0) {
            fprintf(stderr, "large: nothing to send, or no thread\n");
            return 1;
        }
        right = receive_all(conn, &result, &error);
        if (result != WS_OK)
            ws_close(conn, 1001, NULL, WS_DEFAULT, NULL);
        pthread_join(sender, NULL);
    }
    if (result == WS_OK)
        result = ws_close(conn, 1000, NULL, WS_DEFAULT, &error);
    if (result == WS_OK && right == size)
        printf("%llu MiB there and back, each byte as it was, with %ld KiB of memory more than before; closed cleanly: %d\n",
               size >> 20, resident_kib() - before, ws_close_code(conn));
    else
        fprintf(stderr, "large: %llu of %llu bytes came back: %s\n", right, size,
                error ? ws_error_message(error) : ws_strerror(result));
    ws_error_free(upload.error);
    ws_error_free(error);
    ws_conn_free(conn);
    ws_dialer_free(dialer);
    return result == WS_OK && right == size ? 0 : 1;
}
