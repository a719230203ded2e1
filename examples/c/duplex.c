/*
 * One connection, four threads: one receives, two send without a lock of their own, and one closes in the middle of it.
 * Every message must come back whole and in its sender's order, and all must end.
 * usage: duplex [url [ca.pem [messages of each sender]]]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "wsdial.h"

enum { SENDERS = 2, LARGEST = 4000 };

static ws_conn *conn;
static int count = 1000; /* messages of each sender */

/* How far the receiver has come; the closer waits for the half. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t progress = PTHREAD_COND_INITIALIZER;
static int received;
static int receiver_done;
static int failed;

static void fail(const char *who, int result, ws_error *error)
{
    fprintf(stderr, "duplex: %s: %s\n", who, error ? ws_error_message(error) : ws_strerror(result));
    ws_error_free(error);
    pthread_mutex_lock(&lock);
    failed = 1;
    pthread_mutex_unlock(&lock);
}

/* "<sender> <number> " and dots, so that a torn message cannot look like a whole one: the length follows the number. */
static size_t compose(char *text, int sender, int number)
{
    size_t head = (size_t)sprintf(text, "%d %d ", sender, number);
    size_t dots = (size_t)(number * 37 % LARGEST);

    memset(text + head, '.', dots);
    return head + dots;
}

static void *send_all(void *argument)
{
    int sender = *(const int *)argument, number;
    char text[LARGEST + 32];

    for (number = 0; number < count; number++) {
        ws_error *error = NULL;
        int result = ws_send(conn, WS_TEXT, text, compose(text, sender, number), WS_FOREVER, &error);

        if (result == WS_OK)
            continue;
        if (result != WS_CLOSED) /* the closer ends the senders in the middle of their work: that is no fault */
            fail("send", result, error);
        break;
    }
    return NULL;
}

static int is_next(const ws_message *message, int *next)
{
    char expected[LARGEST + 32];
    int sender = message->data[0] - '0';

    return message->kind == WS_TEXT && sender >= 0 && sender < SENDERS &&
           message->len == compose(expected, sender, next[sender]++) &&
           memcmp(message->data, expected, message->len) == 0;
}

static void *receive_all(void *argument)
{
    int next[SENDERS] = {0};
    ws_message message = WS_MESSAGE_INIT;
    ws_error *error = NULL;
    int result;

    while ((result = ws_recv(conn, WS_FOREVER, &message, &error)) == WS_OK) {
        pthread_mutex_lock(&lock);
        received++;
        if (!is_next(&message, next)) {
            fprintf(stderr, "duplex: message %d came torn or out of order\n", received);
            failed = 1;
        }
        pthread_cond_signal(&progress);
        pthread_mutex_unlock(&lock);
    }
    if (result != WS_CLOSED)
        fail("receive", result, error);
    ws_message_free(&message);

    pthread_mutex_lock(&lock);
    receiver_done = 1;
    pthread_cond_signal(&progress);
    pthread_mutex_unlock(&lock);
    return argument;
}

static void *close_in_the_middle(void *argument)
{
    ws_error *error = NULL;
    int result;

    pthread_mutex_lock(&lock);
    while (received < count * SENDERS / 2 && !receiver_done)
        pthread_cond_wait(&progress, &lock);
    pthread_mutex_unlock(&lock);

    result = ws_close(conn, 1000, "enough", WS_DEFAULT, &error);
    if (result != WS_OK)
        fail("close", result, error);
    return argument;
}

static int dial(int argc, char **argv)
{
    ws_error *error = NULL;
    ws_dialer *dialer = ws_dialer_new();
    int result = ws_dialer_add_subprotocol(dialer, "json", &error);

    if (result == WS_OK && argc > 2 && *argv[2])
        result = ws_dialer_add_ca_file(dialer, argv[2], &error);
    if (result == WS_OK)
        result = ws_dial(argc > 1 ? argv[1] : "ws://localhost:12345", dialer, WS_DEFAULT, &conn, &error);
    ws_dialer_free(dialer);
    if (result != WS_OK)
        fail("dial", result, error);
    return result;
}

int main(int argc, char **argv)
{
    int names[SENDERS] = {0, 1}, i;
    pthread_t threads[SENDERS + 2];

    if (argc > 3)
        count = atoi(argv[3]);
    if (dial(argc, argv) != WS_OK)
        return 1;
    printf("negotiated protocol: \"%s\"\n", ws_subprotocol(conn));

    if (pthread_create(&threads[SENDERS], NULL, receive_all, NULL) != 0 ||
        pthread_create(&threads[SENDERS + 1], NULL, close_in_the_middle, NULL) != 0)
        abort();
    for (i = 0; i < SENDERS; i++)
        if (pthread_create(&threads[i], NULL, send_all, &names[i]) != 0)
            abort();
    for (i = 0; i < SENDERS + 2; i++)
        pthread_join(threads[i], NULL);

    printf("received: %d messages, each whole and in its order\n", received);
    printf("closed cleanly: %d\n", ws_close_code(conn));
    ws_conn_free(conn);
    return failed;
}
