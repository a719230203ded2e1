// wsdial.hpp against a server: called with its address, plain and over TLS, and the file with its certificate. Compiled
// as each standard from C++17 on.

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include <wsdial.hpp>

#if __cplusplus >= 202002L
#include <span>
#endif

#define CHECK(condition)                                                         \
    do {                                                                         \
        if (!(condition)) {                                                      \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            std::exit(1);                                                        \
        }                                                                        \
    } while (0)

using namespace std::chrono_literals;

namespace {

// The code of what a call throws; 0 when it throws nothing.
template <class Call>
int thrown(Call call) {
    try {
        call();
        return 0;
    } catch (const wsdial::exception &failure) {
        CHECK(std::strlen(failure.what()) > 0 && failure.failure().get() != nullptr);
        CHECK(std::string(failure.what()) == failure.failure().message());
        const wsdial::exception copy = failure;
        CHECK(copy.what() == std::string(failure.what()) && copy.code() == failure.code());
        return failure.code();
    }
}

void times_are_rounded_up_and_have_an_end() {
    static_assert(wsdial::timeout(1ms).ms() == 1 && wsdial::timeout(1s).ms() == 1000);
    CHECK(wsdial::timeout(1us).ms() == 1 && wsdial::timeout(1001us).ms() == 2 && wsdial::timeout(2h).ms() == 7200000);
    CHECK(wsdial::timeout(0s).ms() == WS_NOWAIT && wsdial::timeout(-5s).ms() == WS_NOWAIT);
    CHECK(wsdial::timeout(std::chrono::hours::max()).ms() == WS_FOREVER);
    CHECK(wsdial::timeout(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())).ms() == WS_NOWAIT);
    CHECK(wsdial::forever.ms() == -1 && wsdial::nowait.ms() == 0 && wsdial::by_default.ms() == -2);
}

void bytes_are_seen_where_they_are() {
    const std::vector<std::uint16_t> wide = {1, 2, 3};
    const std::array<unsigned char, 4> few = {{1, 2, 3, 4}};
    const wsdial::bytes from_wide(wide), from_few(few), from_text("text"), none;
    CHECK(from_wide.size() == 6 && from_wide.data() == wide.data());
    CHECK(from_few.size() == 4 && from_few.data() == few.data());
    const unsigned char plain[3] = {1, 0, 3};
    const char room[8] = "text";
    CHECK(wsdial::bytes(plain).size() == 3 && wsdial::bytes(plain).data() == plain && wsdial::bytes(room).size() == 4);
    CHECK(from_text.text() == "text" && none.empty() && none.data() == nullptr);
#if __cplusplus >= 202002L
    const std::span<const unsigned char> part(few.data(), 2);
    CHECK(wsdial::bytes(part).size() == 2);
#endif
}

void objects_move_and_do_not_copy() {
    static_assert(!std::is_copy_constructible_v<wsdial::connection> && std::is_nothrow_move_constructible_v<wsdial::connection>);
    static_assert(!std::is_copy_constructible_v<wsdial::message> && std::is_nothrow_move_assignable_v<wsdial::message>);
    static_assert(!std::is_copy_constructible_v<wsdial::dialer> && !std::is_copy_constructible_v<wsdial::cancel>);
    static_assert(std::is_nothrow_copy_constructible_v<wsdial::exception>);

    wsdial::connection none;
    wsdial::message message;
    CHECK(!none && none.subprotocol().empty() && none.fd() == -1 && none.close_code() == 0);
    CHECK(thrown([&] { none.send("x"); }) == WS_E_USAGE_NULL);
    CHECK(thrown([&] { (void)none.recv(message, 1s); }) == WS_E_USAGE_NULL);
    CHECK(thrown([&] { none.close(); }) == WS_E_USAGE_NULL);
}

// The code of a call that throws nothing; 0 when it did not fail.
template <class Result>
int failed(const Result &result) {
    CHECK(static_cast<bool>(result) == !result.failure());
    return result.failure().code();
}

void what_was_moved_from_is_refused() {
    wsdial::dialer dialer, other;
    dialer.set_proxy("http://127.0.0.1:1");
    other = std::move(dialer);
    CHECK(thrown([&] { dialer.add_subprotocol("json"); }) == WS_E_USAGE_NULL);
    // Not with the defaults instead: what was decided would be lost, the roots to trust among it.
    CHECK(failed(dialer.try_dial("ws://127.0.0.1:1")) == WS_E_USAGE_NULL);
    CHECK(failed(dialer.try_dial_fd(-1, "ws://127.0.0.1:1")) == WS_E_USAGE_NULL);
    CHECK(failed(dialer.try_dial_memory("ws://127.0.0.1:1")) == WS_E_USAGE_NULL);
    CHECK(failed(dialer.try_route("ws://127.0.0.1:1")) == WS_E_USAGE_NULL);
    CHECK(failed(dialer.try_follow(wsdial::error())) == WS_E_USAGE_NULL);
    dialer = std::move(other);
    CHECK(dialer.route("ws://example.org").second == 1);

    // Not as if the token were to be taken away.
    wsdial::cancel token, taken = std::move(token);
    const wsdial::connection conn = dialer.dial_memory("ws://example.org");
    CHECK(failed(conn.try_set_cancel(&token)) == WS_E_USAGE_NULL);
    token = std::move(taken);
    dialer.set_cancel(token);
    conn.set_cancel(token);

    wsdial::dialer silent(std::nothrow), gone = std::move(silent);
    CHECK(failed(silent.add_subprotocol("json").try_dial("ws://127.0.0.1:1")) == WS_E_USAGE_NULL);
    CHECK(gone.set_cancel(wsdial::cancel()).failure().code() == 0);
    token = wsdial::cancel();
    const wsdial::cancel kept = std::move(token);
    CHECK(gone.set_cancel(token).failure().code() == WS_E_USAGE_NULL);
}

// A loop over the messages of a connection that ends before the loop begins does not compile.
template <class Connection, class = void>
struct has_messages : std::false_type {};
template <class Connection>
struct has_messages<Connection, std::void_t<decltype(std::declval<Connection>().messages())>> : std::true_type {};
static_assert(has_messages<wsdial::connection &>::value && has_messages<const wsdial::connection &>::value);
static_assert(!has_messages<wsdial::connection>::value && !has_messages<const wsdial::connection>::value);

void wrong_values_are_refused_at_once() {
    wsdial::dialer dialer;
    CHECK(thrown([&] { dialer.add_subprotocol("no token"); }) == WS_E_OPTION_SUBPROTOCOL);
    CHECK(thrown([&] { dialer.add_header("Upgrade", "x"); }) == WS_E_OPTION_HEADER_RESERVED);
    CHECK(thrown([&] { dialer.add_header("X", "a\r\nB: c"); }) == WS_E_OPTION_HEADER);
    CHECK(thrown([&] { dialer.set_min_tls(0x0302); }) == WS_E_OPTION_VALUE);
    CHECK(thrown([&] { dialer.add_ca_dir("/no/such/folder"); }) == WS_E_OPTION_FILE);
    CHECK(thrown([&] { dialer.set_client_cert_file("/no/such/file"); }) == WS_E_OPTION_FILE);
    CHECK(thrown([&] { dialer.set_client_cert_pem("no PEM"); }) == WS_E_OPTION_PEM);
    CHECK(thrown([&] { dialer.dial("http://localhost"); }) == WS_E_URL_SCHEME);
    CHECK(thrown([&] { dialer.dial("ws://localhost", wsdial::nowait); }) == WS_E_USAGE_TIMEOUT);
    // C would see text cut at the NUL.
    const std::string cut("json\0evil", 9);
    try {
        dialer.add_subprotocol(cut);
        CHECK(false);
    } catch (const wsdial::exception &failure) {
        CHECK(failure.code() == WS_E_OPTION_VALUE);
    }
    CHECK(dialer.try_dial(std::string_view("ws://127.0.0.1:1/\0", 18)).failure().code() == WS_E_URL_SYNTAX);
    // Longer than what needs no memory.
    dialer.add_header("X-Long", std::string(5000, 'x')).add_header("X-Empty", std::string_view());
}

void a_dialer_that_throws_nothing_keeps_the_first_failure() {
    wsdial::dialer dialer(std::nothrow);
    dialer.add_subprotocol("json").add_subprotocol("json").add_header("no token", "");
    CHECK(dialer.failure().code() == WS_E_OPTION_SUBPROTOCOL);
    const auto made = dialer.try_dial("ws://127.0.0.1:1");
    CHECK(!made && made.failure().code() == WS_E_OPTION_SUBPROTOCOL);
    CHECK(std::string(made.failure().message()) == dialer.failure().message());
}

void messages_go_there_and_back(const wsdial::connection &conn) {
    wsdial::message message;
    CHECK(message.empty() && message.text().empty());
    CHECK(conn.send("a text") == wsdial::answer::ok);
    CHECK(conn.recv(message, 10s) == wsdial::answer::ok);
    CHECK(message.kind() == wsdial::kind::text && message.text() == "a text");
    CHECK(message.data()[message.size()] == '\0');

    const std::vector<unsigned char> data = {0, 1, 2, 255};
    conn.send(wsdial::kind::binary, data, 10s);
    CHECK(conn.recv(message, 10s) == wsdial::answer::ok);
    CHECK(message.kind() == wsdial::kind::binary && message.size() == 4 && std::memcmp(message.data(), data.data(), 4) == 0);

    wsdial::message taken = std::move(message);
    CHECK(taken.size() == 4 && message.empty());
    message = std::move(taken);
    CHECK(message.size() == 4);
    CHECK(conn.recv(message, 1ms) == wsdial::answer::timeout && message.empty());
    CHECK(conn.try_recv(message, wsdial::nowait).value() == wsdial::answer::again);
    CHECK(thrown([&] { conn.send("\xff"); }) == WS_E_USAGE_UTF8);
    CHECK(thrown([&] { conn.ping(std::string(126, 'x')); }) == WS_E_USAGE_CONTROL_SIZE);
    CHECK(conn.ping("x") == wsdial::answer::ok && conn.pong() == wsdial::answer::ok && conn.flush() == wsdial::answer::ok);
    conn.set_max_message(1 << 20);
    CHECK(conn.stat(WS_STAT_ROUND_TRIP) == 0);
    CHECK(thrown([&] { conn.stat(-1); }) == WS_E_OPTION_VALUE);
}

void many_messages_go_with_one_call(const wsdial::connection &conn) {
    wsdial::outbox first, empty, out;
    CHECK(conn.send(empty) == wsdial::answer::ok);
    // What was moved from is empty, whatever was taken of it, and is filled like a new one.
    CHECK(thrown([&] { conn.send(first.add("\xff")); }) == WS_E_USAGE_UTF8);
    out = std::move(first);
    CHECK(out.size() == 1 && first.empty() && conn.send(first) == wsdial::answer::ok);
    first.add("one");
    out = std::move(first);
    out.add(wsdial::kind::text, "").clear();
    CHECK(out.empty() && out.add("once more").size() == 1);
    out.clear();
    out.add("one").add(wsdial::kind::binary, std::string_view("\0\1", 2)).add("").add(std::string(300, 'x'));
    CHECK(out.size() == 4 && conn.send(out) == wsdial::answer::ok && out.empty());
    CHECK(thrown([&] { conn.send(out.add("fine").add("\xff")); }) == WS_E_USAGE_UTF8 && out.size() == 2);
    out.clear();
    wsdial::batch batch;
    std::string all;
    for (std::size_t seen = 0; seen < 4; seen += batch.size()) {
        CHECK(conn.recv(batch, 10s) == wsdial::answer::ok && !batch.empty());
        for (const wsdial::batch::item &each : batch)
            all += (each.kind == wsdial::kind::text ? "t" : "b") + std::to_string(each.data.size()) + " ";
    }
    CHECK(all == "t3 b2 t0 t300 ");
    CHECK(batch[batch.size() - 1].data == std::string(300, 'x'));
    wsdial::batch taken = std::move(batch);
    CHECK(batch.empty() && !taken.empty());
    CHECK(conn.recv(taken, 1ms) == wsdial::answer::timeout && taken.empty());
}

void a_message_goes_in_pieces(const wsdial::connection &conn) {
    CHECK(conn.send_fragment(wsdial::kind::text, "one message, ", false) == wsdial::answer::ok);
    CHECK(conn.send_fragment(wsdial::kind::text, "two pieces", true) == wsdial::answer::ok);
    char room[5];
    wsdial::piece got;
    std::string text;
    do {
        CHECK(conn.recv_into(room, sizeof room, got, 10s) == wsdial::answer::ok && got.kind == wsdial::kind::text);
        text.append(room, got.size);
    } while (!got.is_final);
    CHECK(text == "one message, two pieces");
    CHECK(conn.recv_into(room, sizeof room, got, 1ms) == wsdial::answer::timeout && got.size == 0 && !got.is_final);
}

void control_frames_are_seen_on_request(const wsdial::connection &conn) {
    wsdial::message message;
    conn.set_control(true);
    conn.ping("42");
    CHECK(conn.recv(message, 10s) == wsdial::answer::ok && message.kind() == wsdial::kind::pong && message.text() == "42");
    conn.set_control(false);
    conn.set_compression(false);
    CHECK(thrown([&] { conn.set_compression(true, 10); }) == WS_E_OPTION_VALUE);
    CHECK(conn.send_uncompressed(wsdial::kind::text, "plain") == wsdial::answer::ok);
    CHECK(conn.recv(message, 10s) == wsdial::answer::ok && message.text() == "plain");
}

// Knows one cookie, and throws when it is asked for another place.
struct jar final : wsdial::cookie_jar {
    std::string load(std::string_view url) override {
        if (url != "http://example.org/chat")
            throw std::string("not here");
        return "cookie=" + std::string(500, 'x');
    }
    void store(std::string_view, std::string_view set_cookie) override {
        stored = set_cookie;
        throw 1;
    }
    std::string stored;
};

void a_jar_is_asked_and_may_throw() {
    jar cookies;
    wsdial::dialer dialer;
    dialer.set_cookie_jar(cookies).set_max_redirects(3).set_compression().set_compression_level(9, 9, 0);
    const wsdial::connection asked = dialer.dial_memory("ws://example.org/chat");
    CHECK(asked.output().text().find("\r\nCookie: cookie=" + std::string(500, 'x') + "\r\n") != std::string_view::npos);
    const wsdial::connection other = dialer.dial_memory("ws://example.org/other");
    CHECK(other.output().text().find("Cookie") == std::string_view::npos);

    // What the server says sends us elsewhere; who brings the bytes goes there itself.
    const std::string_view answer = "HTTP/1.1 302 Found\r\nLocation: /there\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n";
    other.output_done(other.output().size());
    CHECK(other.input().second >= answer.size());
    std::memcpy(other.input().first, answer.data(), answer.size());
    other.input_done(answer.size());
    const auto redirected = other.try_handshake(wsdial::nowait);
    CHECK(redirected.failure().code() == WS_E_REDIRECT && cookies.stored == "a=b");
    CHECK(std::string_view(redirected.failure().location()) == "ws://example.org/there");
    CHECK(redirected.failure().redirect(0).second == 302 && redirected.failure().redirect(1).first == nullptr);
    const wsdial::dialer next = dialer.follow(redirected.failure());
    CHECK(next.dial_memory(redirected.failure().location()).output().text().substr(0, 11) == "GET /there ");
    CHECK(thrown([&] { dialer.follow(wsdial::error()); }) == WS_E_USAGE_NULL);
}

void the_way_is_told_and_made() {
    wsdial::dialer dialer;
    CHECK(dialer.route("wss://example.org/x") == std::make_pair(std::string("example.org"), 443));
    dialer.set_proxy("http://user:password@[::1]:3128").add_proxy_header("X-Way", "this");
    CHECK(dialer.route("wss://example.org/x") == std::make_pair(std::string("::1"), 3128));
    CHECK(thrown([&] { dialer.set_proxy("ftp://example.org"); }) != 0);
    dialer.clear_proxy().set_proxy_from_env();
    CHECK(dialer.route("ws://127.0.0.1:81").second == 81);
    dialer.set_connect_callback([](void *, const char *, int, int) -> std::ptrdiff_t { return -ECONNREFUSED; }, nullptr);
    CHECK(dialer.try_dial("ws://example.org").failure().code() == WS_E_CONNECT);
}

void a_loop_sees_every_message_and_the_end(const wsdial::connection &conn) {
    for (int i = 0; i < 10; i++)
        conn.send(std::to_string(i));
    int count = 0;
    auto all = conn.messages();
    for (const wsdial::message &message : all) {
        CHECK(message.text() == std::to_string(count));
        if (++count == 10)
            CHECK(conn.close(4000, "enough") == wsdial::answer::ok);
    }
    CHECK(count == 10 && all.answer() == wsdial::answer::closed);
    CHECK(conn.close_code() == 4000 && conn.close() == wsdial::answer::ok);
    CHECK(conn.try_send("late").value() == wsdial::answer::closed);
    CHECK(thrown([&] { conn.close(1000, std::string(124, 'x')); }) == WS_E_USAGE_CLOSE_REASON);
    CHECK(conn.try_close(1000, std::string_view("a\0b", 3)).failure().code() == WS_E_USAGE_CLOSE_REASON);
}

void a_token_ends_a_wait(const char *url) {
    const wsdial::cancel token;
    wsdial::dialer dialer;
    dialer.set_cancel(token);
    const wsdial::connection conn = dialer.dial(std::string(url) + "/echo");
    std::thread firer([&] { token.fire(); });
    wsdial::message message;
    CHECK(conn.recv(message) == wsdial::answer::cancelled);
    firer.join();
    CHECK(thrown([&] { dialer.dial(url); }) == WS_E_CANCELLED);
    token.reset();
    conn.send("still here");
    CHECK(conn.recv(message, 10s) == wsdial::answer::ok && message.text() == "still here");
    conn.clear_cancel();
    token.fire();
    CHECK(conn.recv(message, 1ms) == wsdial::answer::timeout);
#if defined(__cpp_lib_jthread)
    std::stop_source source;
    const wsdial::stop_cancel stopped(source.get_token());
    conn.set_cancel(stopped.token());
    const std::jthread stopper([&] { source.request_stop(); });
    CHECK(conn.recv(message) == wsdial::answer::cancelled);
    const wsdial::stop_cancel late(source.get_token());
    conn.set_cancel(late.token());
    CHECK(conn.recv(message) == wsdial::answer::cancelled);
#endif
}

void a_failure_tells_everything(const char *url) {
    try {
        wsdial::dial(std::string(url) + "/reject");
        CHECK(false);
    } catch (const wsdial::exception &failure) {
        const wsdial::error &error = failure.failure();
        CHECK(failure.code() == WS_E_REJECTED && failure.phase() == WS_PHASE_HANDSHAKE && error.http_status() == 403);
        CHECK(std::string(error.phase_name()) == ws_phase_name(WS_PHASE_HANDSHAKE) && error.close_code() == 0);
        CHECK(error.http_header("no-such-field") == nullptr && error.os_error() == 0);
    }
    const auto refused = wsdial::try_dial("ws://127.0.0.1:1");
    CHECK(!refused && refused.failure().code() == WS_E_CONNECT && refused.failure().os_error() != 0);
    CHECK(thrown([&] { wsdial::try_dial("ws://127.0.0.1:1").value(); }) == WS_E_CONNECT);
}

// A connection of which this thread moves the bytes, between two dialers that never meet a socket: the handshake's request
// is what there is to see.
void bytes_may_be_moved_by_the_caller() {
    const wsdial::connection conn = wsdial::dialer().add_subprotocol("json").dial_memory("ws://example.org/chat");
    CHECK(conn.handshake(wsdial::nowait) == wsdial::answer::again && conn.fd() == -1);
    const wsdial::bytes request = conn.output();
    CHECK(request.text().substr(0, 19) == "GET /chat HTTP/1.1\r");
    conn.output_done(request.size());
    CHECK(conn.output().empty() && conn.wants() == WS_WANT_READ && conn.next_timeout() > 0ms);
    const auto room = conn.input();
    CHECK(room.first != nullptr && room.second >= 16384);
    conn.input_done(0);
    char frame[100];
    std::size_t size = sizeof frame;
    CHECK(thrown([&] { conn.send_output(wsdial::kind::text, "early", frame, size); }) == WS_E_USAGE_STATE && size == 0);
    CHECK(thrown([&] { conn.handshake(wsdial::nowait); }) == WS_E_HANDSHAKE_EOF);
}

int connected(int port) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    CHECK(fd >= 0 && connect(fd, reinterpret_cast<const sockaddr *>(&address), sizeof address) == 0);
    return fd;
}

// The same with a server at the other end of a socket.
void a_message_may_be_put_into_memory(const std::string &server) {
    const int fd = connected(std::stoi(server.substr(server.rfind(':') + 1)));
    const wsdial::connection conn = wsdial::dialer().dial_memory(server + "/echo");
    const auto read = [&] {
        const auto room = conn.input();
        const ssize_t n = recv(fd, room.first, room.second, 0);
        CHECK(n > 0);
        conn.input_done(static_cast<std::size_t>(n));
    };
    while (conn.handshake(wsdial::nowait) == wsdial::answer::again) {
        if (const wsdial::bytes out = conn.output(); !out.empty()) {
            CHECK(send(fd, out.data(), out.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(out.size()));
            conn.output_done(out.size());
        } else {
            read();
        }
    }
    char frame[100];
    std::size_t size = sizeof frame;
    CHECK(conn.send_output(wsdial::kind::text, "whole", frame, size) == wsdial::answer::ok && size == 6 + 5);
    CHECK(send(fd, frame, size, MSG_NOSIGNAL) == static_cast<ssize_t>(size));
    wsdial::message message;
    while (conn.recv(message, wsdial::nowait) == wsdial::answer::again) {
        read();
    }
    CHECK(message.text() == "whole");
    // A frame whose payload is put where it belongs by who reads it.
    const char head[] = {static_cast<char>(0x82), 126, 2, 0};
    const auto room = conn.input();
    std::memcpy(room.first, head, sizeof head);
    conn.input_done(sizeof head);
    char payload[512] = "mine";
    wsdial::piece got;
    CHECK(conn.recv_into(payload, 1, got, wsdial::nowait) == wsdial::answer::again && conn.input_direct() == 512);
    CHECK(thrown([&] { conn.input_direct_done(wsdial::bytes(payload, 0), got); }) == WS_E_USAGE_STATE && got.size == 0);
    CHECK(conn.input_direct_done(wsdial::bytes(payload, 512), got) == wsdial::answer::ok);
    CHECK(got.kind == wsdial::kind::binary && got.size == 512 && got.is_final && conn.input_direct() == 0);
    close(fd);
}

}  // namespace

int main(int argc, char **argv) {
    CHECK(argc == 4);
    times_are_rounded_up_and_have_an_end();
    bytes_are_seen_where_they_are();
    objects_move_and_do_not_copy();
    what_was_moved_from_is_refused();
    wrong_values_are_refused_at_once();
    a_dialer_that_throws_nothing_keeps_the_first_failure();
    bytes_may_be_moved_by_the_caller();
    a_jar_is_asked_and_may_throw();
    the_way_is_told_and_made();
    a_failure_tells_everything(argv[1]);
    a_token_ends_a_wait(argv[1]);
    a_message_may_be_put_into_memory(argv[1]);
    for (const char *url : {argv[1], argv[2]}) {
        wsdial::dialer dialer;
        dialer.add_subprotocol("json").add_subprotocol("v2.bin").add_ca_file(argv[3]).set_keepalive(10s, 10s);
        wsdial::connection first = dialer.dial(std::string(url) + "/echo", 10s);
        const wsdial::connection conn = std::move(first);
        CHECK(!first && conn && conn.subprotocol() == "json" && conn.response_status() == 101);
        CHECK(conn.peer_address() != nullptr && conn.response_header("upgrade") != nullptr);
        CHECK((conn.tls_version() != nullptr) == (std::strncmp(url, "wss", 3) == 0));
        messages_go_there_and_back(conn);
        many_messages_go_with_one_call(conn);
        a_message_goes_in_pieces(conn);
        control_frames_are_seen_on_request(conn);
        a_loop_sees_every_message_and_the_end(conn);
    }
    return 0;
}
