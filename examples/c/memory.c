/*
 * A client without a socket: the bytes go to a server in the same thread, and come from it, by function calls.
 * usage: memory
 *
 * The shape to copy is move(): what ws_output shows goes out by whatever there is, what has come goes where ws_input
 * says. The server is as small as a server can be: it agrees, and sends back what comes.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "wsdial.h"

/* ---- A server -------------------------------------------------------------------------------- */

struct server {
    int is_open, has_closed;
    unsigned char in[1 << 17], out[1 << 17];
    size_t in_len, out_len;
};

static uint32_t rotated(uint32_t x, int n)
{
    return x << n | x >> (32 - n);
}

/* SHA-1 (FIPS 180-4) of a text of at most 119 bytes, which the handshake asks for. */
static void sha1(const char *text, unsigned char digest[20])
{
    uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
    unsigned char blocks[128] = { 0 };
    size_t len = strlen(text), size = len < 56 ? 64 : 128, at;
    int i;

    memcpy(blocks, text, len);
    blocks[len] = 0x80;
    blocks[size - 2] = (unsigned char)(len * 8 >> 8);
    blocks[size - 1] = (unsigned char)(len * 8);
    for (at = 0; at < size; at += 64) {
        uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

        for (i = 0; i < 16; i++) {
            const unsigned char *p = blocks + at + 4 * i;
            w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
        }
        for (; i < 80; i++) {
            w[i] = rotated(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        }
        for (i = 0; i < 80; i++) {
            uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 || i >= 60 ? b ^ c ^ d : (b & c) | (b & d) | (c & d);
            uint32_t k = i < 20 ? 0x5a827999 : i < 40 ? 0x6ed9eba1 : i < 60 ? 0x8f1bbcdc : 0xca62c1d6;
            uint32_t next = rotated(a, 5) + f + e + k + w[i];

            e = d, d = c, c = rotated(b, 30), b = a, a = next;
        }
        h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
    }
    for (i = 0; i < 20; i++) {
        digest[i] = (unsigned char)(h[i / 4] >> (24 - i % 4 * 8));
    }
}

/* Base64 of 20 bytes. */
static void base64(const unsigned char digest[20], char text[29])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char padded[21] = { 0 };
    int i;

    memcpy(padded, digest, 20);
    for (i = 0; i < 28; i++) {
        const unsigned char *p = padded + i / 4 * 3;
        uint32_t bits = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        text[i] = letters[bits >> (18 - i % 4 * 6) & 63];
    }
    text[27] = '=';
    text[28] = '\0';
}

static void put(struct server *server, const void *bytes, size_t len)
{
    if (len > sizeof server->out - server->out_len) {
        fprintf(stderr, "memory: the server has no room\n");
        exit(1);
    }
    memcpy(server->out + server->out_len, bytes, len);
    server->out_len += len;
}

/* Answers the handshake (RFC 6455 4.2.2). Returns the length of the request, 0 when it is not whole. */
static size_t agree(struct server *server)
{
    char text[128], accept[29], answer[256];
    unsigned char digest[20];
    char *end, *key;

    server->in[server->in_len] = '\0';
    end = strstr((char *)server->in, "\r\n\r\n");
    key = strstr((char *)server->in, "Sec-WebSocket-Key: ");
    if (!end || !key) {
        return 0;
    }
    sprintf(text, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key + strlen("Sec-WebSocket-Key: "));
    sha1(text, digest);
    base64(digest, accept);
    sprintf(answer,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Protocol: json\r\nSec-WebSocket-Accept: %s\r\n\r\n",
            accept);
    put(server, answer, strlen(answer));
    server->is_open = 1;
    return (size_t)(end + 4 - (char *)server->in);
}

/* Sends one frame back without its mask (RFC 6455 5.2). Returns its length, 0 when it is not whole. */
static size_t echo_frame(struct server *server)
{
    unsigned char *in = server->in;
    size_t head = server->in_len < 2 || (in[1] & 127) < 126 ? 2 : (in[1] & 127) == 126 ? 4 : 10;
    size_t len = 0, i;

    if (server->in_len < head + 4) {
        return 0;
    }
    for (i = 2; i < head; i++) {
        len = len << 8 | in[i];
    }
    len = head == 2 ? in[1] & 127 : len;
    if (server->in_len < head + 4 + len) {
        return 0;
    }
    for (i = 0; i < len; i++) {
        in[head + 4 + i] ^= in[head + i % 4];
    }
    server->has_closed = (in[0] & 15) == 8;
    in[1] &= 127;
    put(server, in, head);
    put(server, in + head + 4, len);
    return head + 4 + len;
}

static void serve(struct server *server, const void *bytes, size_t len)
{
    size_t taken;

    memcpy(server->in + server->in_len, bytes, len);
    server->in_len += len;
    while ((taken = server->is_open ? echo_frame(server) : agree(server)) > 0) {
        server->in_len -= taken;
        memmove(server->in, server->in + taken, server->in_len);
    }
}

/* ---- The client ------------------------------------------------------------------------------ */

static void check(int result, ws_error *error, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "memory: %s: %s\n", what, ws_error_message(error));
        exit(1);
    }
}

/* Moves what there is to move, both ways, a thousand bytes at a time as a slow line would. */
static void move(ws_conn *conn, struct server *server)
{
    ws_error *error = NULL;
    const void *bytes;
    void *room;
    size_t len;

    while ((bytes = ws_output(conn, &len)) != NULL) {
        len = len < 1000 ? len : 1000;
        serve(server, bytes, len);
        check(ws_output_done(conn, len, &error), error, "output");
    }
    if (server->out_len > 0 && (room = ws_input(conn, &len)) != NULL) {
        len = len < server->out_len ? len : server->out_len;
        memcpy(room, server->out, len);
        check(ws_input_done(conn, len, &error), error, "input");
        server->out_len -= len;
        memmove(server->out, server->out + len, server->out_len);
    } else if (server->has_closed) {
        check(ws_input_done(conn, 0, &error), error, "input"); /* the server ends the stream */
    }
}

int main(void)
{
    static const size_t sizes[] = { 5, 125, 126, 60000 };
    static struct server server;
    static char data[60000];
    ws_message message = WS_MESSAGE_INIT;
    ws_dialer *dialer = ws_dialer_new();
    ws_error *error = NULL;
    ws_conn *conn = NULL;
    size_t i;
    int result;

    check(ws_dialer_add_subprotocol(dialer, "json", &error), error, "subprotocol");
    check(ws_dial_memory("ws://nowhere/", dialer, &conn, &error), error, "dial");
    while ((result = ws_handshake(conn, WS_NOWAIT, &error)) == WS_AGAIN) {
        move(conn, &server);
    }
    check(result, error, "handshake");
    printf("negotiated protocol: \"%s\"\n", ws_subprotocol(conn));
    memset(data, 'x', sizeof data);
    for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        check(ws_send(conn, WS_BINARY, data, sizes[i], WS_NOWAIT, &error), error, "send");
        while ((result = ws_recv(conn, WS_NOWAIT, &message, &error)) == WS_AGAIN) {
            move(conn, &server);
        }
        check(result, error, "receive");
        if (result != WS_OK || message.len != sizes[i] || memcmp(message.data, data, sizes[i]) != 0) {
            fprintf(stderr, "memory: not what was sent\n");
            return 1;
        }
    }
    while ((result = ws_close(conn, 1000, NULL, WS_NOWAIT, &error)) == WS_AGAIN) {
        move(conn, &server);
    }
    check(result, error, "close");
    printf("%d messages there and back without a socket, closed cleanly: %d\n", (int)i, ws_close_code(conn));
    ws_message_free(&message);
    ws_conn_free(conn);
    ws_dialer_free(dialer);
    return result == WS_OK ? 0 : 1;
}
