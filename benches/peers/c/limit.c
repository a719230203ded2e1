/* Limits: --impl tcp  the same bytes over a raw blocking socket, no WebSocket work at all;
 *         --impl ws   bare WebSocket framing, no validation: 256 KiB receive buffer, messages handed out
 *                     as (pointer, length); sending = header + mask-copy into one buffer, one send per message;
 *         --impl wsb  like ws, but small messages are gathered (64 KiB) before a send: what an API with
 *                     explicit flush could reach;
 *         --deflate   (ws) inflate every message with zlib, (wsb) with libdeflate.
 * wss through blocking OpenSSL. */
#include "common.h"
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <libdeflate.h>
#include <openssl/ssl.h>
#include <zlib.h>
#include <sys/socket.h>

enum { GATHER = 64 * 1024 };
static size_t CAP = 256 * 1024; /* LIMIT_CAP in the environment changes it */
struct conn { int fd; SSL *ssl; uint8_t *buf; size_t at, end, cap; };
static SSL_CTX *ctx;
static uint8_t *msgbuf;
static uint32_t seed = 88172645;
static uint32_t rnd(void) { seed ^= seed << 13; seed ^= seed >> 17; seed ^= seed << 5; return seed; }

static size_t rd(struct conn *c, void *p, size_t n) {
    ssize_t k = c->ssl ? SSL_read(c->ssl, p, n) : recv(c->fd, p, n, 0);
    if (k <= 0) fail("read");
    return k;
}
static void wr(struct conn *c, const void *p, size_t n) {
    while (n) {
        ssize_t k = c->ssl ? SSL_write(c->ssl, p, n) : send(c->fd, p, n, MSG_NOSIGNAL);
        if (k <= 0) fail("write");
        p = (const char *)p + k;
        n -= k;
    }
}

/* one permessage-deflate message without context takeover */
static z_stream zs;
static struct libdeflate_decompressor *ld;
static size_t inflate_msg(uint8_t *p, size_t n, uint8_t *o, size_t cap) {
    uint8_t save[9], tail[9] = {0, 0, 255, 255, 1, 0, 0, 255, 255};
    size_t k = 0;
    memcpy(save, p + n, 9); /* the tail goes behind the payload, over the next frame, for a moment */
    memcpy(p + n, tail, 9);
    if (!strcmp(A.impl, "wsb")) {
        if (!ld) ld = libdeflate_alloc_decompressor();
        if (libdeflate_deflate_decompress(ld, p, n + 9, o, cap, &k)) fail("libdeflate");
    } else {
        if (!zs.state) inflateInit2(&zs, -15);
        else inflateReset(&zs);
        zs.next_in = p; zs.avail_in = n + 4; zs.next_out = o; zs.avail_out = cap;
        int r = inflate(&zs, Z_SYNC_FLUSH);
        if (r != Z_OK && r != Z_BUF_ERROR) fail("inflate");
        k = cap - zs.avail_out;
    }
    memcpy(p + n, save, 9);
    return k;
}

/* The same the other way: what is to be sent of a message. */
static size_t deflate_msg(const uint8_t *p, size_t n, uint8_t *o, size_t cap) {
    static z_stream z;
    if (!z.state) deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    else deflateReset(&z);
    z.next_in = (uint8_t *)p; z.avail_in = n; z.next_out = o; z.avail_out = cap;
    if (deflate(&z, Z_SYNC_FLUSH) != Z_OK || z.avail_out == 0) fail("deflate");
    return cap - z.avail_out - 4;
}

static struct conn dial(const char *path, size_t cap) {
    struct conn c = {0};
    int one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(A.port))};
    if (inet_pton(AF_INET, A.host, &a.sin_addr) != 1) fail("numeric host only");
    c.fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c.fd, (void *)&a, sizeof a)) fail("connect");
    setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (A.tls) {
        c.ssl = SSL_new(ctx);
        SSL_set_fd(c.ssl, c.fd);
        if (SSL_connect(c.ssl) != 1) fail("SSL_connect");
    }
    c.buf = malloc(cap + 16);
    c.cap = cap;
    int n = snprintf((char *)c.buf, cap,
                     "GET %s HTTP/1.1\r\nHost: %s:%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n", path, A.host, A.port,
                     A.deflate ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "");
    wr(&c, c.buf, n);
    for (;;) {
        c.end += rd(&c, c.buf + c.end, cap - c.end - 1);
        c.buf[c.end] = 0;
        char *e = strstr((char *)c.buf, "\r\n\r\n");
        if (!e) continue;
        if (memcmp(c.buf, "HTTP/1.1 101", 12)) fail((char *)c.buf);
        c.at = e + 4 - (char *)c.buf;
        return c;
    }
}
static void hang_up(struct conn *c) {
    if (c->ssl) { SSL_shutdown(c->ssl); SSL_free(c->ssl); }
    close(c->fd);
    free(c->buf);
}

static void mask_copy(uint8_t *restrict d, const uint8_t *restrict s, size_t n, uint32_t m) {
    uint64_t k = (uint64_t)m << 32 | m;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) { uint64_t v; memcpy(&v, s + i, 8); v ^= k; memcpy(d + i, &v, 8); }
    uint8_t r[8];
    memcpy(r, &k, 8);
    for (; i < n; i++) d[i] = s[i] ^ r[i & 7];
}
static size_t head(uint8_t *h, int b0, size_t n, uint32_t m) {
    size_t at = 2;
    h[0] = b0;
    if (n < 126) h[1] = 0x80 | n;
    else if (n < 65536) { h[1] = 0xfe; h[2] = n >> 8; h[3] = n; at = 4; }
    else { h[1] = 0xff; for (int i = 0; i < 8; i++) h[2 + i] = (uint64_t)n >> (56 - 8 * i); at = 10; }
    memcpy(h + at, &m, 4);
    return at + 4;
}
/* one message; chunks of CAP so that the buffer stays in the cache */
static void send_msg(struct conn *c, uint8_t *o, int b0, const uint8_t *p, size_t n) {
    uint32_t m = rnd();
    size_t h = head(o, b0, n, m);
    do {
        size_t k = n < CAP - h ? n : (CAP - h) & ~(size_t)7;
        mask_copy(o + h, p, k, m);
        wr(c, o, h + k);
        p += k;
        n -= k;
        h = 0;
    } while (n);
}

/* next message: pointer + length; opcode in *op */
static uint8_t *next_msg(struct conn *c, size_t *len, int *op) {
    for (;;) {
        uint8_t *h = c->buf + c->at;
        size_t have = c->end - c->at, hl = 2;
        if (have >= 2) {
            uint64_t n = h[1] & 127;
            if (n == 126) { hl = 4; if (have >= 4) n = h[2] << 8 | h[3]; }
            else if (n == 127) { hl = 10; if (have >= 10) { n = 0; for (int i = 0; i < 8; i++) n = n << 8 | h[2 + i]; } }
            if (have >= hl) {
                *op = h[0] & 15;
                *len = n;
                if (have - hl >= n) { c->at += hl + n; return h + hl; }
                if (hl + n > c->cap) { /* large: the rest straight into the message buffer */
                    size_t got = have - hl;
                    memcpy(msgbuf, h + hl, got);
                    c->at = c->end = 0;
                    while (got < n) got += rd(c, msgbuf + got, n - got);
                    return msgbuf;
                }
            }
        }
        if (c->at == c->end) c->at = c->end = 0;
        else if (c->end == c->cap || c->cap - c->at < c->cap / 16) { memmove(c->buf, h, have); c->at = 0; c->end = have; }
        c->end += rd(c, c->buf + c->end, c->cap - c->end);
    }
}

static void check8(const uint8_t *p, uint64_t count) {
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) v = v << 8 | p[i];
    if (!sink_counted(v, count)) fail("the sink counted other bytes");
}

static void go(int tcp, int gather, uint64_t count, int timed) {
    char path[256];
    uint64_t S = A.size;
    path_for(path, sizeof path, count);
    uint8_t *data = payload(), *o = malloc((S > CAP ? S : CAP) + 64), *z = malloc(S + S / 8 + 64);
    size_t fl = S < 126 ? 6 : S < 65536 ? 8 : 14; /* masked header */
    if (timed) start();
    if (!strcmp(A.mode, "recv")) {
        struct conn c = dial(path, CAP);
        if (tcp) {
            uint64_t total = count * (S + fl - 4) + 4, got = c.end - c.at;
            while (got < total) got += rd(&c, c.buf, CAP);
            if (got != total) fail("bytes");
        } else {
            uint64_t n = 0, bytes = 0, x = 0;
            int op;
            size_t len;
            for (;;) {
                uint8_t *p = next_msg(&c, &len, &op);
                if (op == 8) break;
                if (A.deflate) { len = inflate_msg(p, len, data, S + 1); p = data; }
                n++;
                bytes += len;
                x += p[0];
            }
            if (n != count || bytes != count * S || !(x + 1)) fail("messages");
            send_msg(&c, o, 0x88, (uint8_t *)"\3\350", 2);
        }
        hang_up(&c);
    } else if (!strcmp(A.mode, "send")) {
        struct conn c = dial(path, CAP);
        int op;
        size_t len;
        if (tcp) {
            size_t per = CAP / (S + fl);
            if (!per) per = 1;
            uint8_t *t = malloc(per * (S + fl) + 64), *q = t;
            for (size_t i = 0; i < per; i++) { uint32_t m = rnd(); size_t h = head(q, 0x82, S, m); mask_copy(q + h, data, S, m); q += h + S; }
            for (uint64_t left = count; left;) { size_t k = left < per ? left : per; wr(&c, t, k * (S + fl)); left -= k; }
            free(t);
        } else if (gather && S < GATHER / 2) {
            size_t at = 0;
            for (uint64_t i = 0; i < count; i++) {
                if (at + S + 14 > GATHER) { wr(&c, o, at); at = 0; }
                uint32_t m = rnd();
                at += head(o + at, 0x82, S, m);
                mask_copy(o + at, data, S, m);
                at += S;
            }
            wr(&c, o, at);
        } else if (A.deflate)
            for (uint64_t i = 0; i < count; i++) send_msg(&c, o, 0xc2, z, deflate_msg(message_of(data, i), S, z, S + S / 8 + 64));
        else
            for (uint64_t i = 0; i < count; i++) send_msg(&c, o, 0x82, data, S);
        uint8_t *p = next_msg(&c, &len, &op);
        if (len != 8) fail("sink reply");
        check8(p, count);
        hang_up(&c);
    } else if (!strcmp(A.mode, "rtt")) {
        struct conn c = dial(path, CAP);
        int op;
        size_t len;
        if (timed) start();
        if (tcp) {
            size_t h = head(o, 0x82, S, 0x12345678);
            mask_copy(o + h, data, S, 0x12345678);
            for (uint64_t i = 0; i < count; i++) {
                uint64_t t = now_ns();
                wr(&c, o, h + S);
                for (size_t got = 0; got < S + fl - 4;) got += rd(&c, c.buf, CAP);
                if (timed) lat[nlat++] = now_ns() - t;
            }
        } else
            for (uint64_t i = 0; i < count; i++) {
                uint64_t t = now_ns();
                send_msg(&c, o, 0x82, data, S);
                uint8_t *p = next_msg(&c, &len, &op);
                if (len != S || p[S - 1] != data[S - 1]) fail("echo");
                if (timed) lat[nlat++] = now_ns() - t;
            }
        hang_up(&c);
    } else if (!strcmp(A.mode, "dial")) {
        for (uint64_t i = 0; i < count; i++) {
            struct conn c = dial(path, 4096);
            int op;
            size_t len;
            send_msg(&c, o, 0x88, (uint8_t *)"\3\350", 2);
            next_msg(&c, &len, &op);
            if (op != 8) fail("close");
            hang_up(&c);
        }
    } else if (!strcmp(A.mode, "idle")) {
        if (!timed) { struct conn c = dial(path, 4096); hang_up(&c); return; }
        long rss = status_kb("VmRSS:");
        struct conn *cs = calloc(count, sizeof *cs);
        for (uint64_t i = 0; i < count; i++) cs[i] = dial(path, 4096);
        char name[32];
        snprintf(name, sizeof name, "limit-%s", A.impl);
        report(name, rss);
        exit(0);
    } else fail("mode");
    free(data);
    free(o);
    free(z);
}

int main(int c, char **v) {
    args(c, v);
    if (getenv("LIMIT_CAP")) CAP = atol(getenv("LIMIT_CAP"));
    struct rlimit rl;
    getrlimit(RLIMIT_NOFILE, &rl);
    rl.rlim_cur = rl.rlim_max;
    setrlimit(RLIMIT_NOFILE, &rl);
    if (A.tls) {
        ctx = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, 0);
        SSL_CTX_set_mode(ctx, SSL_MODE_AUTO_RETRY);
        if (!A.ca || SSL_CTX_load_verify_locations(ctx, A.ca, 0) != 1) fail("ca");
    }
    int tcp = !strcmp(A.impl, "tcp");
    char name[32];
    snprintf(name, sizeof name, "limit-%s", A.impl);
    msgbuf = malloc(A.size + 16);
    lat_init();
    go(tcp, !strcmp(A.impl, "wsb"), warm(), 0);
    go(tcp, !strcmp(A.impl, "wsb"), A.count, 1);
    report(name, -1);
    return 0;
}
