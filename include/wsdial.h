/* wsdial.h: a WebSocket client (RFC 6455) for C and C++. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * One library: blocking calls with time limits, no initialisation, no callbacks. ws_dial makes a
 * connection, ws_send and ws_recv move whole messages, ws_close ends it. Link with -lwsdial. A
 * program:
 *
 *     #include <stdio.h>
 *     #include <wsdial.h>
 *
 *     int main(int argc, char **argv)
 *     {
 *         const char *url = argc > 1 ? argv[1] : "ws://localhost:12345";
 *         ws_dialer *dialer = ws_dialer_new();
 *         ws_conn *conn = NULL;
 *         ws_error *error = NULL;
 *         ws_message message = WS_MESSAGE_INIT;
 *         int result = ws_dialer_add_subprotocol(dialer, "json", &error);
 *
 *         if (result == WS_OK)
 *             result = ws_dial(url, dialer, WS_DEFAULT, &conn, &error);
 *         if (result == WS_OK) {
 *             printf("negotiated protocol: \"%s\"\n", ws_subprotocol(conn));
 *             result = ws_send(conn, WS_TEXT, "hello", 5, WS_DEFAULT, &error);
 *         }
 *         if (result == WS_OK)
 *             result = ws_recv(conn, WS_DEFAULT, &message, &error);
 *         if (result == WS_OK) {
 *             printf("received: %s\n", message.data);
 *             result = ws_close(conn, 1000, NULL, WS_DEFAULT, &error);
 *         }
 *         if (result < 0)
 *             fprintf(stderr, "%s\n", ws_error_message(error));
 *         ws_message_free(&message);
 *         ws_conn_free(conn);
 *         ws_dialer_free(dialer);
 *         ws_error_free(error);
 *         return result == WS_OK ? 0 : 1;
 *     }
 *
 * The laws:
 *
 * 1. On a connection any function may be called from any thread at any time, except ws_conn_free,
 *    which is last.
 * 2. One thread receives at a time (a second is told so with a usage result, never undefined); any
 *    number send; closing is everybody's.
 * 3. Somebody must read: pings, closes and errors arrive on the reading side.
 * 4. Event loops: call until WS_AGAIN, then wait for what ws_wants says, no longer than ws_timeout.
 *    Decrypted data may sit inside while the socket is silent, so a loop that waits first hangs.
 * 5. A message is taken whole or not at all; a timeout, a cancel or a signal loses nothing.
 * 6. Every wait has an end if you give it one; dialing and closing always have one.
 * 7. What we hand out is yours until you free it; what you hand in is yours again when the call
 *    returns.
 *
 * Every call that may wait takes timeout_ms, for the whole call, in milliseconds of the monotonic
 * clock. Every call that may fail answers an int, 0 for done, positive for an ordinary answer of a
 * connection that lives on, negative for a failure, and takes a last argument error: NULL, or the
 * place that is set to the failure, which is the caller's to free, and to NULL when there is none.
 * NULL where something must be is a failure (WS_E_USAGE_NULL), not a crash. Strings are UTF-8. The
 * library raises no signals, writes nothing to stdout or stderr, and leaks no descriptor to a child
 * process. What is shown of a connection or an error lives as long as it does. All is since 0.1. */

#ifndef WS_DIAL_H
#define WS_DIAL_H

/* stdint.h is younger than C89, but no compiler that this library is built for is without it. */
#include <stddef.h>
#include <stdint.h>

/* WS_MUST_USE: an answer that tells whether it worked. WS_NONNULL: an answer that is never NULL. */
#if defined(__has_attribute)
#if __has_attribute(warn_unused_result)
#define WS_MUST_USE __attribute__((warn_unused_result))
#endif
#if __has_attribute(returns_nonnull)
#define WS_NONNULL __attribute__((returns_nonnull))
#endif
#endif
#ifndef WS_MUST_USE
#define WS_MUST_USE
#endif
#ifndef WS_NONNULL
#define WS_NONNULL
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Answers, times, kinds ------------------------------------------------------------------- */

/* What a call answers when it did not fail. A dial answers WS_OK or a failure and nothing else;
 * only ws_dial_fd, ws_dial_memory and ws_handshake may say WS_AGAIN too. */
#define WS_OK          0 /* Done */
#define WS_AGAIN       1 /* Nothing can be done without waiting, and the caller would not wait */
#define WS_TIMEOUT     2 /* The time ran out; nothing was lost; call again if you like */
#define WS_PENDING     3 /* The message was taken whole; bytes remain inside; flush some time */
#define WS_CLOSED      4 /* The connection ended with a close handshake */
#define WS_CANCELLED   5 /* The cancel token is fired; nothing was lost */
#define WS_INTERRUPTED 6 /* A signal arrived and the dialer asked to be told */

/* For timeout_ms, beside a number of milliseconds. */
#define WS_FOREVER (-1) /* As long as it takes */
#define WS_NOWAIT     0 /* Never wait */
#define WS_DEFAULT (-2) /* 45 s for a dial, 5 s for a close, for ever elsewhere */

/* What a message is. */
#define WS_TEXT          1 /* UTF-8 text */
#define WS_BINARY        2 /* Bytes */
#define WS_UNCOMPRESSED 64 /* With either of them, for ws_send: not to be compressed */
#define WS_CLOSE         8 /* A close frame, where control frames are delivered */
#define WS_PING          9 /* A ping, likewise */
#define WS_PONG         10 /* A pong, likewise */

/* ---- Objects --------------------------------------------------------------------------------- */

/* A connection: from ws_dial and its kin, to be freed with ws_conn_free. It owns one file
 * descriptor, or none over memory, and no thread. */
typedef struct ws_conn ws_conn;

/* What is decided about dialing: from ws_dialer_new, to be freed with ws_dialer_free. Any function
 * may be called from any thread; a dial uses what is decided at the moment it begins. Reading the
 * trust roots costs milliseconds and is done once for each dialer: keep one and use it often. */
typedef struct ws_dialer ws_dialer;

/* A failure: immutable, the caller's, to be freed with ws_error_free. */
typedef struct ws_error ws_error;

/* A cancel token: from ws_cancel_new, to be freed with ws_cancel_free. While it is fired, every
 * waiting call that has it ends. It owns one descriptor and may serve a thousand connections. */
typedef struct ws_cancel ws_cancel;

/* A received message. Starts as WS_MESSAGE_INIT and is filled by ws_recv. Its memory is the
 * library's: the next ws_recv into the same struct uses it again, ws_message_free gives it back,
 * once. It is independent of the connection, is not copied by assignment (two structs, one memory),
 * and one thread uses it at a time. After any result but WS_OK data is NULL, len and kind are 0,
 * and the memory stays for the next call. The layout is final, the private part not yours. */
typedef struct ws_message {
    /* The payload; one NUL behind it, not counted. */
    const char *data;
    /* Its length in bytes. */
    size_t len;
    /* WS_TEXT (checked UTF-8) or WS_BINARY. */
    int kind;
    int private_small;
    void *private_memory;
    size_t private_capacity;
    size_t private_reserved[2];
} ws_message;

/* What a message starts as: ws_message message = WS_MESSAGE_INIT; memset to zero is as good. */
#define WS_MESSAGE_INIT { NULL, 0, 0, 0, NULL, 0, { 0, 0 } }

/* Received messages, count of them, in one block. Starts as WS_BATCH_INIT and is filled by
 * ws_recv_batch. Message i is the bytes of data from offsets[i] to offsets[i + 1], of kind
 * kinds[i]; offsets[0] is 0, so that offsets[count] bytes of data are all of them, and copying
 * those, count + 1 offsets and count kinds copies the batch. One NUL is behind the block, none
 * between messages. For its memory, its owner and its layout holds what is said of ws_message;
 * ws_batch_free gives it back. After any result but WS_OK count is 0 and the pointers are NULL. */
typedef struct ws_batch {
    /* The payloads, one behind the other. */
    const char *data;
    /* Where each begins, and where the last ends: count + 1 of them. */
    const size_t *offsets;
    /* WS_TEXT (checked UTF-8) or WS_BINARY, for each. */
    const unsigned char *kinds;
    /* How many messages. */
    size_t count;
    void *private_memory;
    size_t private_reserved[3];
} ws_batch;

/* What a batch starts as, likewise. */
#define WS_BATCH_INIT { NULL, NULL, NULL, 0, NULL, { 0, 0, 0 } }

/* ---- The five -------------------------------------------------------------------------------- */

/* Dials url, "ws://host:port/path?query", wss with TLS, or "ws+unix:/path/of/socket:/path":
 * resolves, connects to any of the host's addresses, does TLS, asks for the upgrade and checks the
 * answer. dialer NULL is the secure defaults. timeout_ms is for all of it: WS_DEFAULT is 45 s,
 * WS_NOWAIT is refused. WS_OK sets *out, the caller's until ws_conn_free. A failure sets it to
 * NULL: WS_E_TIMEOUT when the time ran out (ws_error_phase tells in what), WS_E_REJECTED when the
 * server said no (ws_error_http_status and its neighbours tell more), or what was wrong. A message
 * that came right behind the server's answer is not lost. */
WS_MUST_USE int ws_dial(const char *url, const ws_dialer *dialer, int timeout_ms, ws_conn **out,
                        ws_error **error);

/* The subprotocol that the server picked among those offered; "" for none. */
WS_NONNULL const char *ws_subprotocol(const ws_conn *conn);

/* Sends one whole message of kind WS_TEXT (must be UTF-8: WS_E_USAGE_UTF8 and nothing is sent) or
 * WS_BINARY, or of either | WS_UNCOMPRESSED for one that is not to be compressed. data may be NULL
 * when len is 0; it is neither changed nor kept. Any number of threads may send. WS_OK: handed
 * over. WS_PENDING: taken whole, bytes remain inside; ws_flush or any later call moves them. Not
 * taken, nothing lost: WS_AGAIN with WS_NOWAIT, WS_TIMEOUT otherwise. WS_CLOSED: the connection has
 * ended, or ws_close was called. WS_E_ABNORMAL: no more can be sent; ws_recv tells the end. */
WS_MUST_USE int ws_send(ws_conn *conn, int kind, const void *data, size_t len, int timeout_ms,
                        ws_error **error);

/* Receives the next whole message into *out, answers pings on the way, and finishes what the peer
 * closes. One thread at a time: a second one gets WS_E_USAGE_RECEIVER. WS_AGAIN (with WS_NOWAIT)
 * and WS_TIMEOUT lose nothing, a message that has begun goes on with the next call. WS_CLOSED: the
 * peer's close has come and was answered; ws_close_code tells why. A failure of the connection
 * comes after the messages that came before it, and every later call answers it too. */
WS_MUST_USE int ws_recv(ws_conn *conn, int timeout_ms, ws_message *out, ws_error **error);

/* The close handshake: sends a close frame with code (1000 to 1003, 1007 to 1014, 3000 to 4999, or
 * 0 for none) and reason (UTF-8, at most 123 bytes, or NULL), waits for the peer's, and shuts the
 * connection down. WS_DEFAULT is 5 s. Any thread may call it and as often as it likes: the others
 * join the wait and get the same answer. It wakes who waits in ws_recv and ws_send; messages that
 * it has to read over are dropped; it frees nothing. WS_OK: both close frames have passed.
 * WS_TIMEOUT: the peer's did not come, the connection is shut all the same. WS_AGAIN: with
 * WS_NOWAIT, it goes on; call again. A failure that was there before stays the answer. */
int ws_close(ws_conn *conn, int code, const char *reason, int timeout_ms, ws_error **error);

/* ---- Lifetime -------------------------------------------------------------------------------- */

/* Gives the memory of a message back and makes it WS_MESSAGE_INIT again, ready for another ws_recv.
 * A message that was never filled, or freed already, is fine; so is NULL. */
void ws_message_free(ws_message *message);

/* Frees a connection and closes its descriptor; never waits. A connection that was not closed
 * before is cut. No other call on it may be under way or follow: this is the only function of which
 * that is asked. In a forked child only the child's descriptor is closed. NULL is fine. */
void ws_conn_free(ws_conn *conn);

/* ---- The dialer ------------------------------------------------------------------------------ */

/* A dialer with the defaults: no subprotocols, no extra headers, the operating system's trust
 * roots, messages of at most 64 MiB. The caller's, until ws_dialer_free. */
WS_MUST_USE ws_dialer *ws_dialer_new(void);

/* Frees a dialer. Dials that are under way and connections that it made go on. NULL is fine. */
void ws_dialer_free(ws_dialer *dialer);

/* Each setter checks at once and changes nothing when it fails, nor a dial that is under way. */

/* Offers a subprotocol, behind those offered before; ws_subprotocol tells what the server picked.
 * It must be an HTTP token and not offered already (WS_E_OPTION_SUBPROTOCOL). */
WS_MUST_USE int ws_dialer_add_subprotocol(ws_dialer *dialer, const char *name, ws_error **error);

/* With on not 0 a dial fails with WS_E_HANDSHAKE_NO_SUBPROTOCOL when the server picks none of those
 * offered. RFC 6455 allows a server to do so, and it is no failure unless set here. */
WS_MUST_USE int ws_dialer_require_subprotocol(ws_dialer *dialer, int on, ws_error **error);

/* Adds a header field to the request, such as Authorization, Cookie or Origin; spelling and order
 * are kept, and a name may come several times. Names are HTTP tokens, values hold no CR, LF or NUL
 * (WS_E_OPTION_HEADER). Upgrade, Connection and the Sec-WebSocket- fields of the handshake are
 * refused (WS_E_OPTION_HEADER_RESERVED); Host replaces the one of the address. */
WS_MUST_USE int ws_dialer_add_header(ws_dialer *dialer, const char *name, const char *value,
                                     ws_error **error);

/* Limits received messages to that many bytes; 0 is no limit, 64 MiB unless set. A longer message
 * ends the connection with close code 1009 and WS_E_LIMIT_MESSAGE. */
WS_MUST_USE int ws_dialer_set_max_message(ws_dialer *dialer, size_t bytes, ws_error **error);

/* Keeps at most that many bytes of the body when the server rejects the handshake, for
 * ws_error_http_body; 1 KiB unless set, at most 16 MiB (WS_E_OPTION_VALUE). */
WS_MUST_USE int ws_dialer_set_max_rejection_body(ws_dialer *dialer, size_t bytes, ws_error **error);

/* Follows up to that many redirects (301, 302, 303, 307, 308) of a dial, at most 20; 0, the
 * default, makes each of them a WS_E_REJECTED. http and https in Location stand for ws and wss.
 * Where scheme, host or port change, user and password, Authorization, Cookie, Host, the server
 * name and the client certificate stay behind. Never followed: wss to ws (WS_E_REDIRECT_DOWNGRADE),
 * a bad Location (WS_E_REDIRECT_LOCATION), one too many (WS_E_REDIRECT_LIMIT). Who brings the
 * socket or the bytes gets WS_E_REDIRECT: see ws_dialer_follow. The time is for all. */
WS_MUST_USE int ws_dialer_set_max_redirects(ws_dialer *dialer, int most, ws_error **error);

/* A jar of the program's for cookies. load writes the Cookie value for a request to url as snprintf
 * would, into room bytes with a NUL, and answers its length, 0 or less for none; when that is room
 * or more it is called again with enough. store gets each Set-Cookie of an answer, whatever the
 * answer. url is "https://host/path?query" for wss, http for ws. Both run in the thread that dials
 * (or is in ws_handshake) while it does, several at once when several threads dial; their strings
 * are for the call alone. Neither may call functions of that connection; either may be NULL. user
 * is handed to them and must outlive the dialer and handshakes under way. */
WS_MUST_USE int ws_dialer_set_cookie_hooks(ws_dialer *dialer, int (*load)(const char *url,
                                           char *value, size_t room, void *user),
                                           void (*store)(const char *url, const char *set_cookie,
                                           void *user), void *user, ws_error **error);

/* With on not 0 connections keep what ws_transcript tells: some hundred bytes each, secrets among
 * them. Unless set they do not; what a failed dial did is kept with its error in any case. */
WS_MUST_USE int ws_dialer_set_transcript(ws_dialer *dialer, int on, ws_error **error);

/* The most that one system call reads and writes; 0 is the default, else 1 KiB to 16 MiB. */
WS_MUST_USE int ws_dialer_set_buffer_sizes(ws_dialer *dialer, size_t read, size_t write,
                                           ws_error **error);

/* Sends a ping every ping_ms milliseconds and awaits its pong for pong_ms more: later than that,
 * with nothing else come from the peer either, the connection ends with WS_E_ABNORMAL_PING. 0 for
 * ping_ms is no pings (the default), 0 for pong_ms no limit; a day each at the most
 * (WS_E_OPTION_VALUE). No thread does it: somebody must be in ws_recv, or call ws_process. */
WS_MUST_USE int ws_dialer_set_keepalive(ws_dialer *dialer, int ping_ms, int pong_ms,
                                        ws_error **error);

/* How far ws_process reads ahead when nobody takes the messages: until so many messages, or so many
 * bytes of them, wait for ws_recv; then the peer waits. 16 and 1 MiB unless set, at least one. */
WS_MUST_USE int ws_dialer_set_read_ahead(ws_dialer *dialer, size_t messages, size_t bytes,
                                         ws_error **error);

/* With on not 0 pings, pongs and closes come as messages too: see ws_set_control. */
WS_MUST_USE int ws_dialer_set_control_delivery(ws_dialer *dialer, int on, ws_error **error);

/* With on 0 pings are not answered but by ws_pong; unless set they are. */
WS_MUST_USE int ws_dialer_set_auto_pong(ws_dialer *dialer, int on, ws_error **error);

/* With on not 0 a signal that the program handles ends a wait: a dial with WS_E_INTERRUPTED, any
 * other call with WS_INTERRUPTED, which loses nothing. Unless set, waits go on after a signal. It
 * may also be told without a signal, every 50 ms, while the wait is for another thread. */
WS_MUST_USE int ws_dialer_set_interruptible(ws_dialer *dialer, int on, ws_error **error);

/* With on not 0 permessage-deflate (RFC 7692) is offered; it is not unless switched on. A server is
 * free not to choose it, which is no failure: ws_extensions tells. Costs: docs/compression.md. */
WS_MUST_USE int ws_dialer_set_compression(ws_dialer *dialer, int on, ws_error **error);

/* What is offered with permessage-deflate: the windows as powers of two, 8 to 15, and flags, 0 or
 * any of WS_DEFLATE_* together. 0 for client_window_bits lets the server limit our window, 0 for
 * server_window_bits asks for nothing; so it is unless set. A server that chooses the extension and
 * does not grant what was asked for fails the dial (WS_E_HANDSHAKE_EXTENSION). With a window of 8
 * bits our messages leave uncompressed. Other values are WS_E_OPTION_VALUE. */
WS_MUST_USE int ws_dialer_set_compression_params(ws_dialer *dialer, int client_window_bits,
                                                 int server_window_bits, int flags,
                                                 ws_error **error);

/* The flags of ws_dialer_set_compression_params. */
#define WS_DEFLATE_SERVER_NO_CONTEXT_TAKEOVER 1 /* The server compresses each message by itself */
#define WS_DEFLATE_CLIENT_NO_CONTEXT_TAKEOVER 2 /* We compress each message by itself */
#define WS_DEFLATE_CLIENT_WINDOW_FIXED        4 /* client_max_window_bits is not offered */

/* How our messages are compressed: level 1 (fastest) to 9 (smallest), mem_level 1 (least memory) to
 * 9, 0 for the defaults, which are 6 and 8; other values are WS_E_OPTION_VALUE. Messages under
 * threshold bytes are not compressed; 128 unless set. */
WS_MUST_USE int ws_dialer_set_compression_level(ws_dialer *dialer, int level, int mem_level,
                                                size_t threshold, ws_error **error);

/* ---- The dialer: TLS (docs/tls.md) ----------------------------------------------------------- */

/* Trusts the certificates of a PEM file beside those trusted already. The file is read now
 * (WS_E_OPTION_FILE, WS_E_OPTION_PEM). */
WS_MUST_USE int ws_dialer_add_ca_file(ws_dialer *dialer, const char *path, ws_error **error);

/* Trusts the certificates in len bytes of PEM beside those trusted already (WS_E_OPTION_PEM). */
WS_MUST_USE int ws_dialer_add_ca_pem(ws_dialer *dialer, const void *data, size_t len,
                                     ws_error **error);

/* Trusts the certificates of the PEM files in a directory beside those trusted already. It is read
 * now: every regular file in it and every link to one, whatever its name. Passed over are names
 * that begin with a dot, directories, and files without a certificate; a broken one, and a
 * directory without any certificate, are failures (WS_E_OPTION_FILE, WS_E_OPTION_PEM). */
WS_MUST_USE int ws_dialer_add_ca_dir(ws_dialer *dialer, const char *path, ws_error **error);

/* Whether the operating system's trust roots count beside those added: yes unless on is 0. */
WS_MUST_USE int ws_dialer_use_system_roots(ws_dialer *dialer, int on, ws_error **error);

/* Shows this certificate when the server asks for one. cert is a PEM file with the certificate
 * first, then those that lead to an authority; key is the file of its private key (PKCS#8, PKCS#1
 * or SEC1, without a password), NULL when it is in the same file. Both are read now:
 * WS_E_OPTION_FILE, WS_E_OPTION_PEM, and WS_E_OPTION_KEY for a key that does not fit. */
WS_MUST_USE int ws_dialer_set_client_cert_file(ws_dialer *dialer, const char *cert, const char *key,
                                               ws_error **error);

/* The same from PEM in memory; key NULL with key_len 0 when the key is in cert. */
WS_MUST_USE int ws_dialer_set_client_cert_pem(ws_dialer *dialer, const void *cert, size_t cert_len,
                                              const void *key, size_t key_len, ws_error **error);

/* Sends and checks this name in TLS instead of the address's host (WS_E_OPTION_VALUE). */
WS_MUST_USE int ws_dialer_set_server_name(ws_dialer *dialer, const char *name, ws_error **error);

/* The lowest version of TLS to be taken: WS_TLS_1_2 (the default) or WS_TLS_1_3. */
WS_MUST_USE int ws_dialer_set_min_tls(ws_dialer *dialer, int version, ws_error **error);

/* For ws_dialer_set_min_tls. */
#define WS_TLS_1_2 771 /* TLS 1.2 (RFC 5246), 0x0303 */
#define WS_TLS_1_3 772 /* TLS 1.3 (RFC 8446), 0x0304 */

/* Appends the secrets of every TLS connection to a file, for tshark or Wireshark: who reads it can
 * read and forge what was sent. Made with mode 0600 when it is not there, opened now
 * (WS_E_OPTION_FILE); NULL writes no more. The environment (SSLKEYLOGFILE) is never asked. */
WS_MUST_USE int ws_dialer_set_key_log_file(ws_dialer *dialer, const char *path, ws_error **error);

/* DANGEROUS. With on not 0 any certificate of anybody is taken for the server's: whoever sits
 * between can read and change everything. For a laboratory; to trust one self-signed server, add
 * its certificate with ws_dialer_add_ca_file instead. */
WS_MUST_USE int ws_dialer_set_insecure_skip_verify(ws_dialer *dialer, int on, ws_error **error);

/* ---- The way there: proxies, and connections made by the caller ------------------------------ */

/* Dials through a proxy from now on, or through none for NULL (the default). url is
 * "scheme://user:password@host:port", %-escaped: http (CONNECT; port 80 unless told), https
 * (CONNECT in TLS; 443), socks5 (names are resolved here; 1080) or socks5h (names are resolved by
 * the proxy; 1080); without a scheme it is http. TLS with the proxy always verifies, by the
 * dialer's roots. A url that cannot be used fails with WS_E_URL_*. ws+unix is never proxied. */
WS_MUST_USE int ws_dialer_set_proxy(ws_dialer *dialer, const char *url, ws_error **error);

/* Dials through the proxies that the environment names: http_proxy for ws, https_proxy for wss,
 * all_proxy where that one is not set, lower case before upper (HTTP_PROXY is ignored when
 * REQUEST_METHOD is set, as under CGI); never to localhost and loopback addresses, nor to what
 * no_proxy lists: hosts with all names below them, .domain for those alone, addresses, networks
 * (10.0.0.0/8), each with :port if wanted, or *. The environment is read by this call and not
 * again. A variable that cannot be used is told by the dial that would use it. */
WS_MUST_USE int ws_dialer_set_proxy_from_env(ws_dialer *dialer, ws_error **error);

/* Adds a header field to the CONNECT request to an http or https proxy, never to the server's.
 * Proxy-Authorization replaces user and password of the proxy's address; Host is refused
 * (WS_E_OPTION_HEADER_RESERVED). Else as ws_dialer_add_header. */
WS_MUST_USE int ws_dialer_add_proxy_header(ws_dialer *dialer, const char *name, const char *value,
                                           ws_error **error);

/* Connects to host (an IP address without brackets, a name, or with port 0 the path of a unix
 * socket) within timeout_ms (-1: no limit). Answers a connected stream socket, which is the
 * library's from then on, or -errno: ECANCELED, ETIMEDOUT and EINTR become WS_E_CANCELLED,
 * WS_E_TIMEOUT, WS_E_INTERRUPTED. */
typedef ptrdiff_t (*ws_connect_fn)(void *user, const char *host, int port, int timeout_ms);

/* Lets callback make the connections of ws_dial; NULL is the default, resolver and connect. It is
 * given what ws_dialer_route tells, the proxy's host if there is one, and runs in the dialing
 * thread, so in several at once if several dial; a token does not end it. It must return: no
 * exception, no longjmp. callback and user must stay usable until the dialer is freed or given
 * another, and the dials that have begun are over. */
WS_MUST_USE int ws_dialer_set_connect_callback(ws_dialer *dialer, ws_connect_fn callback,
                                               void *user, ws_error **error);

/* Tells where to connect for ws_dial_fd and ws_dial_memory to url: host and port of the proxy if
 * the dialer has one for it, else of the address; for ws+unix the socket's path and port 0. host
 * gets the string with its NUL, size bytes at most: 256 are enough, else WS_E_USAGE_LENGTH. The
 * dial then speaks to the proxy by itself. dialer: NULL is the defaults. */
WS_MUST_USE int ws_dialer_route(const ws_dialer *dialer, const char *url, char *host, size_t size,
                                int *port, ws_error **error);

/* ---- Facts about a connection ---------------------------------------------------------------- */

/* The address that took the connection, without user and password, and the last one where redirects
 * were followed: "wss://host:8443/path?query", a default port left out. NULL for NULL. */
const char *ws_url(const ws_conn *conn);

/* The redirect number index (from 0, in their order) that led to the connection: the address that
 * answered with it, and its HTTP status in *status (may be NULL). NULL and 0 after the last. */
const char *ws_redirect(const ws_conn *conn, size_t index, int *status);

/* The HTTP status of the server's answer, which is 101; 0 for NULL. */
int ws_response_status(const ws_conn *conn);

/* A header field of the server's answer: the value of the field number index (from 0) among those
 * of that name, any case; NULL behind the last. */
const char *ws_response_header(const ws_conn *conn, const char *name, size_t index);

/* The header field of the server's answer at that position (from 0, as they came): its value, and
 * its name, in the server's spelling, in *name; NULL and NULL behind the last. name may be NULL. */
const char *ws_response_header_at(const ws_conn *conn, size_t position, const char **name);

/* Our end of the connection, "127.0.0.1:54321" or "[::1]:54321"; NULL on a unix socket. */
const char *ws_local_address(const ws_conn *conn);

/* The address that took the connection, written as ws_local_address does; NULL on a unix socket. */
const char *ws_peer_address(const ws_conn *conn);

/* "TLSv1.3" or "TLSv1.2"; NULL without TLS. */
const char *ws_tls_version(const ws_conn *conn);

/* The cipher suite's name, such as "TLS13_AES_256_GCM_SHA384"; NULL without TLS. */
const char *ws_tls_cipher(const ws_conn *conn);

/* The extensions that were agreed, as the server answered: "permessage-deflate" and its parameters,
 * such as "permessage-deflate; client_max_window_bits=12"; "" when there are none, and for NULL. */
WS_NONNULL const char *ws_extensions(const ws_conn *conn);

/* How the connection ended: the peer's close code, 1005 for a close without one, 1006 for a lost
 * connection, the code that we sent for a violation; 0 while it lives, and for NULL. */
int ws_close_code(const ws_conn *conn);

/* The peer's close reason, UTF-8, "" when it gave none, and its length in *len (it may hold NUL;
 * one more is behind it). NULL and 0 while the connection lives. len may be NULL. */
const char *ws_close_reason(const ws_conn *conn, size_t *len);

/* The dial explained, for people: each address that was tried, the phases with their times, the
 * heads of request and answer, and each check with its verdict and the section of the RFC that
 * commands it; for redirects every hop. Plain text in lines of at most 100 columns, whose words may
 * change between versions. Masked are user and password and the values of what looks like a
 * credential: Authorization, cookies, tokens. NULL without ws_dialer_set_transcript, before the
 * handshake is through, and for NULL. */
const char *ws_transcript(const ws_conn *conn);

/* A figure of the connection, in *out: id is one of WS_STAT_* (else WS_E_OPTION_VALUE). 0: none. */
WS_MUST_USE int ws_stat(const ws_conn *conn, int id, uint64_t *out, ws_error **error);

/* For ws_stat. */
#define WS_STAT_ROUND_TRIP         1 /* Microseconds from the last answered keepalive ping to its pong */
#define WS_STAT_RESOLVE            2 /* Microseconds of the dial for the name; 0 when none was looked up */
#define WS_STAT_CONNECT            3 /* Microseconds for connecting; 0 when the caller did */
#define WS_STAT_PROXY              4 /* Microseconds for the exchange with a proxy */
#define WS_STAT_TLS                5 /* Microseconds for TLS with the server */
#define WS_STAT_HANDSHAKE          6 /* Microseconds from upgrade request to verified answer */
#define WS_STAT_MESSAGES_SENT      7 /* Whole messages taken to be sent */
#define WS_STAT_MESSAGES_RECEIVED  8 /* Whole messages that have come */
#define WS_STAT_FRAMES_SENT        9 /* Frames, control frames among them */
#define WS_STAT_FRAMES_RECEIVED   10 /* Frames that have come */
#define WS_STAT_BYTES_SENT        11 /* Payload of the messages, before compression */
#define WS_STAT_BYTES_RECEIVED    12 /* Payload of the messages that came, after inflating */
#define WS_STAT_WIRE_SENT         13 /* Bytes that the socket took: handshake, frames, TLS */
#define WS_STAT_WIRE_RECEIVED     14 /* Bytes that the socket brought */
#define WS_STAT_PINGS_SENT        15 /* Pings, the keepalive's among them */
#define WS_STAT_PINGS_RECEIVED    16 /* Pings that have come */
#define WS_STAT_PONGS_SENT        17 /* Pongs */
#define WS_STAT_PONGS_RECEIVED    18 /* Pongs that have come */

/* ---- More about messages --------------------------------------------------------------------- */

/* As ws_dialer_set_max_message, for this connection and from the next frame on. */
WS_MUST_USE int ws_set_max_message(ws_conn *conn, size_t bytes, ws_error **error);

/* Switches the compression of our messages off (on is 0) or on from the next one on, at that level,
 * 1 to 9, or 0 for the dialer's (WS_E_OPTION_VALUE). Where none was agreed it changes nothing. For
 * one message there is WS_UNCOMPRESSED. What the server compresses is inflated in any case. */
WS_MUST_USE int ws_set_compression(ws_conn *conn, int on, int level, ws_error **error);

/* Sends a ping with at most 125 bytes (WS_E_USAGE_CONTROL_SIZE), between the frames of a message if
 * need be. data may be NULL when len is 0. ws_recv takes the pong unseen. Results: ws_send's. */
WS_MUST_USE int ws_ping(ws_conn *conn, const void *data, size_t len, int timeout_ms,
                        ws_error **error);

/* Sends a pong that nobody asked for, with at most 125 bytes: a sign of life. Pings are answered by
 * ws_recv without it. Arguments and results as for ws_ping. */
WS_MUST_USE int ws_pong(ws_conn *conn, const void *data, size_t len, int timeout_ms,
                        ws_error **error);

/* Writes what WS_PENDING left inside. WS_OK: nothing is left; WS_AGAIN, WS_TIMEOUT: some is. */
WS_MUST_USE int ws_flush(ws_conn *conn, int timeout_ms, ws_error **error);

/* Sends a close frame, arguments as for ws_close, and leaves the rest to whoever receives: ws_recv
 * goes on with messages until the peer's close comes, without a limit. Never waits. WS_PENDING: the
 * frame is still inside. WS_CLOSED: one was sent, or has come, before. ws_close waits for the
 * end. */
WS_MUST_USE int ws_start_close(ws_conn *conn, int code, const char *reason, ws_error **error);

/* ---- Many messages at once ------------------------------------------------------------------- */

/* Receives many messages with one call: waits for the first as ws_recv does, then takes those that
 * are here already, without another system call, until their payloads would be over max_bytes or
 * they are max_messages; 0 is no limit (seldom more than 256 KiB are here; inflated, it ends at 1
 * MiB and a message). A message over max_bytes comes alone. Answers as ws_recv: messages first, an
 * end or a failure behind them with the next call. May be mixed with ws_recv. */
WS_MUST_USE int ws_recv_batch(ws_conn *conn, int timeout_ms, size_t max_bytes, size_t max_messages,
                              ws_batch *out, ws_error **error);

/* As ws_message_free, for a batch. */
void ws_batch_free(ws_batch *batch);

/* Sends count messages in as few system calls as possible, one for many small ones. They lie as in
 * a ws_batch: data has the payloads, offsets (count + 1 of them, rising) where each begins and the
 * last ends, kinds WS_TEXT or WS_BINARY for each; all are checked before anything is sent. Each is
 * taken whole or not at all. *taken, which may be NULL, is how many were, whatever the answer:
 * WS_OK or WS_PENDING for all of them, else as ws_send answers for the first that was not; go on
 * with kinds + *taken, data and offsets + *taken. */
WS_MUST_USE int ws_send_batch(ws_conn *conn, const unsigned char *kinds, const void *data,
                              const size_t *offsets, size_t count, int timeout_ms, size_t *taken,
                              ws_error **error);

/* ---- One message in pieces ------------------------------------------------------------------- */

/* Sends a message in fragments, of which this is the next: is_final 0 for all but the last. kind is
 * the message's, and may be 0 behind the first. The message is the connection's: whoever sends the
 * next fragment goes on with it. Until the last one ws_send and ws_send_batch wait their time, and
 * fail with WS_NOWAIT (WS_E_USAGE_STATE), so do not call them from the thread that is to send the
 * rest; pings, pongs and ws_close go between. Each fragment is taken whole or not at all, results
 * as for ws_send. Text may be cut inside a character. */
WS_MUST_USE int ws_send_fragment(ws_conn *conn, int kind, const void *data, size_t len,
                                 int is_final, int timeout_ms, ws_error **error);

/* Receives the next piece of a message into buffer, as much as is here and has room: *len bytes of
 * it, *kind what the message is, *is_final 1 when it ends with this piece, which may then be empty.
 * A message of any length in memory of one size, read straight into it without TLS. Results as for
 * ws_recv; any but WS_OK sets *len, *kind and *is_final to 0. size 0 is WS_E_USAGE_LENGTH, and so
 * are less than 125 where control frames are delivered, which come whole between pieces. Text is
 * checked as it comes and may be cut inside a character; the message limit counts it all. Inside a
 * message that was begun by this ws_recv and ws_recv_batch fail (WS_E_USAGE_STATE). */
WS_MUST_USE int ws_recv_into(ws_conn *conn, int timeout_ms, void *buffer, size_t size, size_t *len,
                             int *kind, int *is_final, ws_error **error);

/* ---- Control frames -------------------------------------------------------------------------- */

/* What becomes of control frames from the next one on. deliver: pings, pongs and closes come as
 * messages of kind WS_PING, WS_PONG and WS_CLOSE, whose data is the frame's payload (a close's code
 * in two bytes, the higher first, and the reason), in order with the others, and before a message
 * that they come in the middle of. auto_pong 0: pings are not answered but by ws_pong. auto_close
 * 0: the peer's close is answered by ws_close, or the connection is shut after 5 s; a message in
 * fragments may be ended before. WS_CLOSED comes behind the close either way. Defaults: 0, 1, 1. */
WS_MUST_USE int ws_set_control(ws_conn *conn, int deliver, int auto_pong, int auto_close,
                               ws_error **error);

/* ---- Event loops ----------------------------------------------------------------------------- */

/* There is no mode: a connection may be waited on here and blocked on there. One turn of a loop is:
 * ws_process, ws_recv with WS_NOWAIT until it answers WS_AGAIN, then a wait for what ws_wants says,
 * no longer than ws_timeout. docs/event-loops.md has it at length. */

/* The descriptor to wait on in poll, epoll and the like; nobody else may read, write or close it.
 * The same until ws_conn_free. -1 over memory and for NULL. */
ptrdiff_t ws_fd(const ws_conn *conn);

/* What to wait for before the next call is worth it: WS_WANT_READ and WS_WANT_WRITE are the
 * descriptor's directions. With WS_WANT_BUFFERED a call would progress without it, so do not wait;
 * with it and without WS_WANT_READ messages wait to be taken and nothing more is read meanwhile. 0:
 * the end has come and was told, or conn is NULL. Ask anew before every wait. */
int ws_wants(const ws_conn *conn);

/* The bits of ws_wants. */
#define WS_WANT_READ     1 /* For bytes from the peer */
#define WS_WANT_WRITE    2 /* For room to write */
#define WS_WANT_BUFFERED 4 /* For nothing: a call would progress at once */

/* How long to wait at the most before ws_process is to be called whatever the descriptor says: the
 * milliseconds, rounded up, to the next ping or to the limit of a pong, of the handshake or of the
 * close. -1: as long as you like, and for NULL. Ask anew before every wait. */
int ws_timeout(const ws_conn *conn);

/* Does what can be done now without a message being delivered, and never waits: writes, answers
 * pings, sends its own, keeps time limits, carries the handshake on. It reads ahead, as far as
 * ws_dialer_set_read_ahead allows; ws_recv gives the messages out. WS_OK: nothing is left to do
 * now. WS_AGAIN: the handshake, the close or unsent bytes wait for what ws_wants says. WS_CLOSED or
 * the failure: the connection is over and every message was taken. */
WS_MUST_USE int ws_process(ws_conn *conn, ws_error **error);

/* ---- Bring your own socket, or your own bytes ------------------------------------------------ */

/* As ws_dial, over a connected stream socket of the caller's: TLS if url says wss, then the
 * handshake. url says what to ask for, nothing is resolved. The socket may be in either mode and
 * stays in it. When *out is set it belongs to the connection; when *out is NULL it is still the
 * caller's, open. With WS_NOWAIT it may answer WS_AGAIN, with *out set: ws_handshake goes on. */
WS_MUST_USE int ws_dial_fd(ptrdiff_t fd, const char *url, const ws_dialer *dialer, int timeout_ms,
                           ws_conn **out, ws_error **error);

/* Carries on the handshake of a connection from ws_dial_fd or ws_dial_memory. WS_OK: it is open,
 * and has been if it was. WS_AGAIN: with WS_NOWAIT; wait for what ws_wants says and call again. Any
 * failure of ws_dial is final, WS_E_TIMEOUT when the time runs out too; WS_DEFAULT and a handshake
 * that never waits have 45 s; over memory WS_FOREVER, which does not wait there either, lifts that
 * limit. Until it is open the calls that move messages fail (WS_E_USAGE_STATE). */
WS_MUST_USE int ws_handshake(ws_conn *conn, int timeout_ms, ws_error **error);

/* For those who bring the socket or the bytes: when ws_dial_fd, ws_dial_memory or ws_handshake
 * fails with WS_E_REDIRECT, *out is a dialer with the same decisions for the dial to
 * ws_error_location, and for that one: it knows the redirects so far, and leaves behind what must
 * stay. The caller connects anew, dials with it, and frees it. Any other: WS_E_USAGE_STATE. */
WS_MUST_USE int ws_dialer_follow(const ws_dialer *dialer, const ws_error *redirect, ws_dialer **out,
                                 ws_error **error);

/* As ws_dial, over bytes that the caller moves, by any transport: TLS by this library for wss, none
 * for ws. Nothing on such a connection ever waits, every call acts as with WS_NOWAIT. It answers
 * WS_AGAIN and sets *out: move bytes by ws_output and ws_input, call ws_handshake until WS_OK. */
WS_MUST_USE int ws_dial_memory(const char *url, const ws_dialer *dialer, ws_conn **out,
                               ws_error **error);

/* Over memory: room for bytes that came from the peer, *room of it, at least 16 KiB: that of the
 * message itself where much of it is awaited. It is the caller's to fill until ws_input_done,
 * whatever other calls do meanwhile, and costs memory for so long; with room NULL it is taken back
 * unused, and NULL answered. One thread moves input. NULL and 0 when nothing is to be read now:
 * messages wait to be taken (ws_wants says no WS_WANT_READ), it is over, or has a descriptor. */
void *ws_input(ws_conn *conn, size_t *room);

/* Over memory: n bytes were put into the room that ws_input gave, which is given back by this. 0 is
 * the end of what comes, with or without room. ws_recv or ws_process looks at the bytes. */
WS_MUST_USE int ws_input_done(ws_conn *conn, size_t n, ws_error **error);

/* Over memory: how many bytes of payload, if they are what comes next, the caller may read straight
 * into its own memory instead: the next piece of a message, behind what ws_recv_into has brought of
 * it before it said WS_AGAIN. 0: none; under TLS and compression never any. */
size_t ws_input_direct(const ws_conn *conn);

/* Over memory: the n bytes at data, at most ws_input_direct, are such payload, and it was what
 * ws_recv_into would have brought: *kind and *is_final as there. WS_CLOSED: it is too late. */
WS_MUST_USE int ws_input_direct_done(ws_conn *conn, const void *data, size_t n, int *kind,
                                     int *is_final, ws_error **error);

/* Over memory: bytes to be written to the peer, *len of them. They stay where they are until
 * ws_output_done, whatever other calls do meanwhile. One thread moves output. NULL and 0 when there
 * is nothing to write now, or it is not over memory. After the end too: there is a close frame. */
const void *ws_output(ws_conn *conn, size_t *len);

/* Over memory: the first n bytes of what ws_output showed were written. */
WS_MUST_USE int ws_output_done(ws_conn *conn, size_t n, ws_error **error);

/* Over memory: as ws_send with WS_NOWAIT, in one call with what would follow it. When all that is
 * to be written has room in the *n bytes at buffer it is put there and counts as written; *n
 * becomes its length, else 0. Write it before what later calls show. WS_PENDING: there is more. */
WS_MUST_USE int ws_send_output(ws_conn *conn, int kind, const void *data, size_t len, void *buffer,
                               size_t *n, ws_error **error);

/* ---- Cancelling ------------------------------------------------------------------------------ */

/* A token that is not fired; the caller's, until ws_cancel_free. Without a descriptor: WS_E_IO. */
WS_MUST_USE int ws_cancel_new(ws_cancel **out, ws_error **error);

/* Ends every waiting call that has the token, now and until ws_cancel_reset: a dial with
 * WS_E_CANCELLED, any other with WS_CANCELLED, which loses nothing. A call with WS_NOWAIT does not
 * wait and is not ended. Any thread may fire, and a signal handler too: errno stays as it is.
 * Firing a fired token does nothing, and neither does NULL. */
void ws_cancel_fire(const ws_cancel *cancel);

/* Makes the token as new: when every call that it ended has returned, or some may go on. */
void ws_cancel_reset(const ws_cancel *cancel);

/* Drops the caller's share; dialers and connections that have the token keep it. NULL is fine. */
void ws_cancel_free(ws_cancel *cancel);

/* Gives the dialer's later dials and their connections' waiting calls a token, or none for NULL. */
WS_MUST_USE int ws_dialer_set_cancel(ws_dialer *dialer, const ws_cancel *cancel, ws_error **error);

/* Gives the connection another token, or with NULL none. It counts for the calls that begin later;
 * a call that waits already keeps the one it began with. */
WS_MUST_USE int ws_set_cancel(ws_conn *conn, const ws_cancel *cancel, ws_error **error);

/* ---- Errors ---------------------------------------------------------------------------------- */

/* What happened: the WS_E_ number that the failed call answered. 0 for NULL. */
int ws_error_code(const ws_error *error);

/* Where it happened: a WS_PHASE_ number; ws_phase_name has a word for it. A dial that ran out of
 * time tells here what it was waiting for. 0 for NULL. */
int ws_error_phase(const ws_error *error);

/* A sentence for people, UTF-8: host, phase and cause, such as "wss://api.example:443: TLS:
 * certificate expired on 2026-01-02". It holds no passwords, its words may change; "" for NULL. */
WS_NONNULL const char *ws_error_message(const ws_error *error);

/* The errno of the system call that failed, or 0 when none did. */
int ws_error_os_error(const ws_error *error);

/* The close code that belongs to the failure: what we sent for a violation (1002, 1007, 1009), 1006
 * for a lost connection, 0 when there is none. */
int ws_error_close_code(const ws_error *error);

/* The HTTP status of the answer, as header and body below: the server's no, such as 401, its 101
 * that failed a check, or a proxy's no (WS_E_PROXY_REJECTED, _AUTH); 0 for any other failure. */
int ws_error_http_status(const ws_error *error);

/* A header field of the answer that rejected the handshake: the value of the field number index
 * (from 0) among those of that name, any case. NULL behind the last, and for any other failure. */
const char *ws_error_http_header(const ws_error *error, const char *name, size_t index);

/* The header field at that position (from 0, as they came) of the answer that rejected the
 * handshake: its value, and its name, in the server's spelling, in *name; NULL and NULL behind the
 * last, and for any other failure. name may be NULL. */
const char *ws_error_http_header_at(const ws_error *error, size_t position, const char **name);

/* The start of the body of the answer that rejected the handshake, without its transfer coding, and
 * its length in *len: at most what ws_dialer_set_max_rejection_body says. NULL and 0 for any other
 * failure. No NUL is behind it; len may be NULL. */
const void *ws_error_http_body(const ws_error *error, size_t *len);

/* Where the redirect points that the dial failed with, as an address to dial: for WS_E_REDIRECT and
 * WS_E_REDIRECT_LIMIT. NULL for any other failure. */
const char *ws_error_location(const ws_error *error);

/* As ws_redirect, for a dial that failed: the redirects before it, and a WS_E_REDIRECT itself. */
const char *ws_error_redirect(const ws_error *error, size_t index, int *status);

/* As ws_transcript, for a dial that failed, how far it came. NULL if it did not begin. */
const char *ws_error_transcript(const ws_error *error);

/* Frees an error. NULL is fine. */
void ws_error_free(ws_error *error);

/* What an answered number means in a few words, static ones; ws_error_message says more. */
WS_NONNULL const char *ws_strerror(int code);

/* A phase of ws_error_phase in a word, such as "connect" or "TLS". The text is static. */
WS_NONNULL const char *ws_phase_name(int phase);

/* ---- Version --------------------------------------------------------------------------------- */

/* The version of the library that runs, such as "0.1.0". The text is static. */
WS_NONNULL const char *ws_version(void);

/* The version of the library that runs as a number to compare with WS_VERSION_NUMBER, the version
 * of the header that was compiled with: major * 1000000 + minor * 1000 + patch. */
int ws_version_number(void);

#define WS_VERSION_NUMBER 1000 /* The version of this header: major * 1000000 + minor * 1000 + patch */

/* ---- Failures -------------------------------------------------------------------------------- */

/* The call: nothing was done, the connection is as it was. */
#define WS_E_USAGE_NULL         (-101) /* A required pointer is NULL */
#define WS_E_USAGE_KIND         (-102) /* Not a kind of message that can be sent */
#define WS_E_USAGE_STATE        (-103) /* The call does not fit the state of the connection */
#define WS_E_USAGE_RECEIVER     (-104) /* Another thread is receiving on this connection */
#define WS_E_USAGE_FORKED       (-105) /* The connection belongs to the parent of this forked process */
#define WS_E_USAGE_TIMEOUT      (-106) /* Not a usable timeout */
#define WS_E_USAGE_CLOSE_CODE   (-107) /* Not a close code that may be sent */
#define WS_E_USAGE_CLOSE_REASON (-108) /* Not a close reason that can be sent */
#define WS_E_USAGE_CONTROL_SIZE (-109) /* A ping or pong carries at most 125 bytes */
#define WS_E_USAGE_UTF8         (-110) /* A text message must be UTF-8 */
#define WS_E_USAGE_LENGTH       (-111) /* No object in memory is that long */

/* The address. */
#define WS_E_URL_SYNTAX      (-201) /* The address cannot be read */
#define WS_E_URL_SCHEME      (-202) /* The scheme of the address is not ws, wss or ws+unix */
#define WS_E_URL_HOST        (-203) /* The address names no usable host */
#define WS_E_URL_PORT        (-204) /* The port of the address is not usable */
#define WS_E_URL_FRAGMENT    (-205) /* The address has a fragment */
#define WS_E_URL_CREDENTIALS (-206) /* User or password in the address cannot be sent */

/* A setting of the dialer. */
#define WS_E_OPTION_VALUE           (-251) /* The value does not fit the option */
#define WS_E_OPTION_SUBPROTOCOL     (-252) /* Not a usable subprotocol */
#define WS_E_OPTION_HEADER          (-253) /* Not a usable header field */
#define WS_E_OPTION_HEADER_RESERVED (-254) /* The handshake sets that header field itself */
#define WS_E_OPTION_PEM             (-255) /* No usable certificate or key in the PEM */
#define WS_E_OPTION_FILE            (-256) /* The file cannot be read */
#define WS_E_OPTION_KEY             (-257) /* The private key does not fit the certificate */

/* Names, sockets, time. */
#define WS_E_RESOLVE     (-301) /* The host name cannot be resolved */
#define WS_E_CONNECT     (-302) /* No address of the host took the connection */
#define WS_E_IO          (-303) /* Input or output failed */
#define WS_E_TIMEOUT     (-304) /* The time ran out */
#define WS_E_CANCELLED   (-305) /* Cancelled */
#define WS_E_INTERRUPTED (-306) /* Interrupted by a signal */

/* The proxy. */
#define WS_E_PROXY_REJECTED    (-351) /* The proxy refused to connect to the server */
#define WS_E_PROXY_AUTH        (-352) /* The proxy does not accept the credentials */
#define WS_E_PROXY_UNREACHABLE (-353) /* The proxy could not reach the server */
#define WS_E_PROXY_ANSWER      (-354) /* The proxy's answer is malformed */
#define WS_E_PROXY_EOF         (-355) /* The proxy ended the connection inside the exchange */

/* TLS. */
#define WS_E_TLS                (-401) /* TLS failed */
#define WS_E_TLS_ALERT          (-402) /* The peer ended TLS with an alert */
#define WS_E_TLS_INCOMPATIBLE   (-403) /* The peer and we have no TLS parameters in common */
#define WS_E_TLS_ROOTS          (-404) /* There is no usable trust root */
#define WS_E_TLS_CERTIFICATE    (-410) /* The peer's certificate is not acceptable */
#define WS_E_TLS_EXPIRED        (-411) /* The peer's certificate has expired */
#define WS_E_TLS_NOT_YET_VALID  (-412) /* The peer's certificate is not valid yet */
#define WS_E_TLS_WRONG_HOST     (-413) /* The peer's certificate is for another name */
#define WS_E_TLS_UNKNOWN_ISSUER (-414) /* The peer's certificate leads to no trusted root */
#define WS_E_TLS_BAD_SIGNATURE  (-415) /* A signature in the TLS handshake is wrong */
#define WS_E_TLS_UNSUPPORTED    (-416) /* The peer's certificate uses what is not supported */
#define WS_E_TLS_REVOKED        (-417) /* The peer's certificate was revoked */
#define WS_E_TLS_WEAK_KEY       (-418) /* A key of the peer's certificate is too weak */

/* The server's answer to the handshake. */
#define WS_E_REJECTED                 (-501) /* The server rejected the handshake */
#define WS_E_REDIRECT                 (-510) /* The server redirects: connect where it points */
#define WS_E_REDIRECT_LIMIT           (-511) /* The server redirects more often than is followed */
#define WS_E_REDIRECT_LOCATION        (-512) /* The server redirects to nowhere that can be dialed */
#define WS_E_REDIRECT_DOWNGRADE       (-513) /* The server redirects from wss to ws */
#define WS_E_HANDSHAKE_HEAD           (-520) /* The server's answer is not a well-formed HTTP head */
#define WS_E_HANDSHAKE_VERSION        (-521) /* The server's answer is not HTTP/1.1 */
#define WS_E_HANDSHAKE_UPGRADE        (-522) /* The server's Upgrade is not websocket */
#define WS_E_HANDSHAKE_CONNECTION     (-523) /* The server's Connection does not say upgrade */
#define WS_E_HANDSHAKE_ACCEPT         (-524) /* The server's Sec-WebSocket-Accept does not fit the key */
#define WS_E_HANDSHAKE_EXTENSION      (-525) /* The server chose an extension that was not offered */
#define WS_E_HANDSHAKE_SUBPROTOCOL    (-526) /* The server chose a subprotocol that was not offered */
#define WS_E_HANDSHAKE_NO_SUBPROTOCOL (-527) /* The server chose no subprotocol and one is required */
#define WS_E_HANDSHAKE_EOF            (-528) /* The connection ended inside the handshake */

/* Frames and messages: the connection is over, and the peer is told why by a close code. */
#define WS_E_PROTOCOL_RESERVED_BIT     (-601) /* A frame has a reserved bit set */
#define WS_E_PROTOCOL_OPCODE           (-602) /* A frame has a reserved opcode */
#define WS_E_PROTOCOL_MASKED           (-603) /* The server masked a frame */
#define WS_E_PROTOCOL_CONTROL_FRAGMENT (-604) /* A control frame is fragmented */
#define WS_E_PROTOCOL_CONTROL_SIZE     (-605) /* A control frame is longer than 125 bytes */
#define WS_E_PROTOCOL_LENGTH           (-606) /* A frame's length is not written as it must be */
#define WS_E_PROTOCOL_CONTINUATION     (-607) /* A continuation frame continues nothing */
#define WS_E_PROTOCOL_INTERLEAVED      (-608) /* A new message begins inside a fragmented one */
#define WS_E_PROTOCOL_CLOSE_CODE       (-609) /* The server's close code must not be sent */
#define WS_E_PROTOCOL_CLOSE_BODY       (-610) /* The server's close frame has a body of one byte */
#define WS_E_UTF8                      (-620) /* The server sent text that is not UTF-8 */
#define WS_E_DEFLATE                   (-630) /* The server sent compressed data that cannot be inflated */

/* Limits. */
#define WS_E_LIMIT_MESSAGE (-701) /* The message is over the limit */
#define WS_E_LIMIT_HEAD    (-702) /* The head of the answer is over its limit */
#define WS_E_LIMIT_FIELDS  (-703) /* The answer has too many header fields */
#define WS_E_LIMIT_MEMORY  (-704) /* There is not enough memory */

/* The end without a close handshake. */
#define WS_E_ABNORMAL           (-801) /* The connection ended without a close handshake */
#define WS_E_ABNORMAL_TRUNCATED (-802) /* The TLS stream was cut without close_notify */
#define WS_E_ABNORMAL_PING      (-803) /* The server did not answer a keepalive ping in time */

/* A fault of ours. */
#define WS_E_INTERNAL (-901) /* A fault inside the library */

/* Where it happened, from ws_error_phase. */
#define WS_PHASE_NONE      0 /* Before anything was sent: arguments, address, options */
#define WS_PHASE_RESOLVE   1 /* Looking up the host name */
#define WS_PHASE_CONNECT   2 /* Connecting the socket */
#define WS_PHASE_PROXY     3 /* The exchange with a proxy */
#define WS_PHASE_TLS       4 /* The TLS handshake */
#define WS_PHASE_HANDSHAKE 5 /* The upgrade request and the head of its answer */
#define WS_PHASE_BODY      6 /* The body of an answer that is a rejection */
#define WS_PHASE_SEND      7 /* Sending */
#define WS_PHASE_RECV      8 /* Receiving */
#define WS_PHASE_CLOSE     9 /* Closing */

#ifdef __cplusplus
}
#endif

#endif
