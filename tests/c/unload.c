/* A program that loads the library as a plug-in and unloads it: a look-up of a name that was left behind has a
 * thread of its own, so the code stays where it is. Called with the path of the library. */

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <wsdial.h>

#define CHECK(condition)                                                    \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                        \
        }                                                                   \
    } while (0)

static int (*dial)(const char *, const ws_dialer *, int, ws_conn **, ws_error **);

/* In a thread that ends: what Rust keeps for a thread would hold the library as long as the thread lives. */
static void *dial_nobody(void *unused)
{
    ws_conn *conn = NULL;

    (void)unused;
    CHECK(dial("ws://127.0.0.1:1/", NULL, 1000, &conn, NULL) == WS_E_CONNECT);
    CHECK(conn == NULL);
    return NULL;
}

static void dial_in_a_thread(void)
{
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, dial_nobody, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

int main(int argc, char **argv)
{
    void *library = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;

    CHECK(library != NULL);
    /* Such that C99 takes what dlsym answers for a function. */
    *(void **)&dial = dlsym(library, "ws_dial");
    CHECK(dial != NULL);
    dial_in_a_thread();
    CHECK(dlclose(library) == 0);
    CHECK(dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD) == library);
    dial_in_a_thread();
    return 0;
}
