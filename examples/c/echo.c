/*
 * An echo client: a thread that prints what comes, a ticker that sends the time, and Ctrl-C closes cleanly.
 * usage: echo [url [ca.pem [milliseconds between ticks]]]
 *
 * The shape to copy: somebody reads all the time (pings and closes arrive there), anybody sends, anybody closes.
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "wsdial.h"

struct reader {
    ws_conn *conn;
    pthread_t owner; /* told with SIGUSR1 when the connection has ended */
    int result;
    ws_error *error;
};

static void *read_all(void *argument)
{
    struct reader *reader = argument;
    ws_message message = WS_MESSAGE_INIT;

    while ((reader->result = ws_recv(reader->conn, WS_FOREVER, &message, &reader->error)) == WS_OK) {
        printf("received: %s\n", message.data);
        fflush(stdout);
    }
    ws_message_free(&message);
    pthread_kill(reader->owner, SIGUSR1);
    return NULL;
}

static int report(int result, ws_error **error)
{
    fprintf(stderr, "echo: %s\n", *error ? ws_error_message(*error) : ws_strerror(result));
    ws_error_free(*error);
    *error = NULL;
    return 1;
}

static int dial(int argc, char **argv, ws_conn **conn)
{
    ws_error *error = NULL;
    ws_dialer *dialer = ws_dialer_new();
    int result = ws_dialer_add_subprotocol(dialer, "json", &error);

    if (result == WS_OK && argc > 2 && *argv[2])
        result = ws_dialer_add_ca_file(dialer, argv[2], &error);
    if (result == WS_OK)
        result = ws_dial(argc > 1 ? argv[1] : "ws://localhost:12345", dialer, WS_DEFAULT, conn, &error);
    ws_dialer_free(dialer);
    return result == WS_OK ? 0 : report(result, &error);
}

/* Sends the time at each tick, until a signal comes: SIGINT and SIGTERM from people, SIGUSR1 from the reader. */
static int tick(ws_conn *conn, const sigset_t *signals, long milliseconds)
{
    struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    ws_error *error = NULL;

    for (;;) {
        char text[64];
        time_t now;
        int result, signal = sigtimedwait(signals, NULL, &pause);

        if (signal > 0)
            return 0;
        now = time(NULL);
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
        result = ws_send(conn, WS_TEXT, text, strlen(text), WS_FOREVER, &error);
        if (result != WS_OK)
            return result == WS_CLOSED ? 0 : report(result, &error);
    }
}

int main(int argc, char **argv)
{
    struct reader reader = {.conn = NULL};
    ws_error *error = NULL;
    pthread_t thread;
    sigset_t signals;
    int failed, result;

    /* Blocked in every thread and taken with sigtimedwait: no handler, no flag. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);

    if (dial(argc, argv, &reader.conn))
        return 1;
    printf("negotiated protocol: \"%s\"\n", ws_subprotocol(reader.conn));
    fflush(stdout);
    reader.owner = pthread_self();
    if (pthread_create(&thread, NULL, read_all, &reader) != 0) {
        fprintf(stderr, "echo: no thread to be had\n");
        ws_conn_free(reader.conn);
        return 1;
    }

    failed = tick(reader.conn, &signals, argc > 3 ? atol(argv[3]) : 1000);
    result = ws_close(reader.conn, 1000, "", WS_DEFAULT, &error);
    pthread_join(thread, NULL);
    if (result != WS_OK)
        failed = report(result, &error);
    else if (reader.result < 0)
        failed = report(reader.result, &reader.error);
    else
        printf("closed cleanly: %d\n", ws_close_code(reader.conn));
    ws_error_free(reader.error);
    ws_conn_free(reader.conn);
    return failed;
}
