/* A connected TCP socket to the address of a test's server. */

#ifndef SOCKET_H
#define SOCKET_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

static int connected(const char *server)
{
    struct sockaddr_in to;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons((unsigned short)atoi(strrchr(server, ':') + 1));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)(void *)&to, sizeof to) == 0);
    return fd;
}

static void url_of(char *url, size_t size, const char *server, const char *path)
{
    CHECK(strlen(server) + strlen(path) < size);
    strcpy(url, server);
    strcat(url, path);
}

#endif
