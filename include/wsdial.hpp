// wsdial.hpp: the WebSocket client of wsdial.h for C++17 and later. SPDX-License-Identifier: MIT OR Apache-2.0
//
// Everything is inline over the C functions: the same laws, the same numbers (the WS_ constants of wsdial.h), no thread and
// no state of its own. wsdial.h is the manual of what a call does; this header only says what C++ makes of it. A program:
//
//     #include <iostream>
//     #include <wsdial.hpp>
//
//     int main() try {
//         wsdial::dialer dialer;
//         dialer.add_subprotocol("json");
//         wsdial::connection conn = dialer.dial("ws://localhost:12345");
//         std::cout << "negotiated protocol: \"" << conn.subprotocol() << "\"\n";
//         conn.send("hello");
//         wsdial::message message;
//         if (conn.recv(message, std::chrono::seconds(5)) == wsdial::answer::ok)
//             std::cout << "received: " << message.text() << "\n";
//         conn.close();
//     } catch (const wsdial::exception &failure) {
//         std::cerr << failure.what() << "\n";
//         return 1;
//     }
//
// Failures. A call throws wsdial::exception, which has the code, the phase and everything else that ws_error tells. The
// same call with try_ in front throws nothing and gives a wsdial::result; with -fno-exceptions there are only those. The
// setters of a dialer throw too; those of a dialer(std::nothrow) keep the first failure, for failure() and try_dial.
//
// Objects own what they stand for and may be moved, not copied. A moved-from object may be destroyed and assigned to; any
// call on it fails with WS_E_USAGE_NULL. Threads: as the C functions; law 1 makes destroying a connection the last call.

#ifndef WSDIAL_HPP
#define WSDIAL_HPP

#if __cplusplus < 201703L
#error wsdial.hpp needs C++17 (-std=c++17); wsdial.h does with C++98
#endif

#include <chrono>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__has_include)
#if __has_include(<version>)
#include <version>
#endif
#endif
#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif
#if defined(__cpp_exceptions)
#include <exception>
#endif

#include "wsdial.h"

namespace wsdial {

// What a message is; the last three where control frames are delivered.
enum class kind : int { text = WS_TEXT, binary = WS_BINARY, close = WS_CLOSE, ping = WS_PING, pong = WS_PONG };

// What a call answers when it did not fail; wsdial.h says at each call which of them it gives.
enum class answer : int {
    ok = WS_OK,
    again = WS_AGAIN,
    timeout = WS_TIMEOUT,
    pending = WS_PENDING,
    closed = WS_CLOSED,
    cancelled = WS_CANCELLED,
    interrupted = WS_INTERRUPTED
};

// How long a call may wait: any duration, rounded up to milliseconds. Zero never waits; a negative one is zero. One that
// milliseconds cannot count is for ever.
class timeout {
public:
    template <class Rep, class Period>
    constexpr timeout(std::chrono::duration<Rep, Period> duration) noexcept : ms_(count(duration)) {}
    constexpr int ms() const noexcept { return ms_; }

    static constexpr timeout named(int ms) noexcept { return timeout(ms); }

private:
    constexpr explicit timeout(int ms) noexcept : ms_(ms) {}
    template <class Rep, class Period>
    static constexpr int count(std::chrono::duration<Rep, Period> duration) noexcept {
        // In floating point first, where nothing overflows.
        const double about = std::chrono::duration<double, std::milli>(duration).count();
        if (!(about > 0))
            return WS_NOWAIT;
        if (about >= INT_MAX)
            return WS_FOREVER;
        const int whole = static_cast<int>(about);
        return whole < about ? whole + 1 : whole;
    }
    int ms_;
};

inline constexpr timeout forever = timeout::named(WS_FOREVER);
inline constexpr timeout nowait = timeout::named(WS_NOWAIT);
// 45 s for a dial, 5 s for a close, for ever elsewhere.
inline constexpr timeout by_default = timeout::named(WS_DEFAULT);

// Bytes that somebody else owns: made of a string, a vector, an array (one of char is text up to its NUL, as a literal is), a
// std::span, or a pointer and a size.
class bytes {
public:
    constexpr bytes() noexcept = default;
    constexpr bytes(const void *data, std::size_t size) noexcept : data_(data), size_(size) {}
    constexpr bytes(const char *text) noexcept : bytes(std::string_view(text)) {}
    constexpr bytes(std::string_view text) noexcept : data_(text.data()), size_(text.size()) {}
    template <class Range, class Element = std::remove_pointer_t<decltype(std::data(std::declval<const Range &>()))>,
              std::enable_if_t<std::is_trivially_copyable_v<Element> && !std::is_same_v<Range, bytes> &&
                                   !(std::is_array_v<Range> && std::is_same_v<std::remove_cv_t<Element>, char>),
                               int> = 0>
    constexpr bytes(const Range &range) noexcept : data_(std::data(range)), size_(std::size(range) * sizeof(Element)) {}

    constexpr const void *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    std::string_view text() const noexcept { return {static_cast<const char *>(data_), size_}; }

private:
    const void *data_ = nullptr;
    std::size_t size_ = 0;
};

// A failure, or (when it converts to false) none. Copies share what they show, which lives as long as the last of them.
class error {
public:
    error() noexcept = default;
    // Takes raw, which may be NULL: the words are ws_strerror's then.
    error(int code, ws_error *raw) : code_(code) {
        if (raw != nullptr)
            raw_.reset(raw, ws_error_free);
    }

    explicit operator bool() const noexcept { return code_ != WS_OK; }
    int code() const noexcept { return code_; }
    int phase() const noexcept { return ws_error_phase(raw_.get()); }
    const char *phase_name() const noexcept { return ws_phase_name(phase()); }
    const char *message() const noexcept { return raw_ ? ws_error_message(raw_.get()) : ws_strerror(code_); }
    int os_error() const noexcept { return ws_error_os_error(raw_.get()); }
    int close_code() const noexcept { return ws_error_close_code(raw_.get()); }
    int http_status() const noexcept { return ws_error_http_status(raw_.get()); }
    // The dial explained; NULL where there was none.
    const char *transcript() const noexcept { return ws_error_transcript(raw_.get()); }
    // NULL behind the last field of that name.
    const char *http_header(const char *name, std::size_t index = 0) const noexcept {
        return ws_error_http_header(raw_.get(), name, index);
    }
    bytes http_body() const noexcept {
        std::size_t size = 0;
        const void *body = ws_error_http_body(raw_.get(), &size);
        return {body, size};
    }
    // Position counts all fields, as they came. NULL and NULL behind the last.
    std::pair<const char *, const char *> http_header_at(std::size_t position) const noexcept {
        const char *name = nullptr;
        const char *value = ws_error_http_header_at(raw_.get(), position, &name);
        return {name, value};
    }
    // Where a redirect points that was not followed; NULL for any other failure.
    const char *location() const noexcept { return ws_error_location(raw_.get()); }
    // The redirects that led to the failure: address and status. NULL and 0 behind the last.
    std::pair<const char *, int> redirect(std::size_t index) const noexcept {
        int status = 0;
        const char *from = ws_error_redirect(raw_.get(), index, &status);
        return {from, status};
    }
    const ws_error *get() const noexcept { return raw_.get(); }

private:
    int code_ = WS_OK;
    std::shared_ptr<ws_error> raw_;
};

#if defined(__cpp_exceptions)
// What a failed call throws.
class exception : public std::exception {
public:
    explicit exception(error failure) noexcept : failure_(std::move(failure)) {}
    const char *what() const noexcept override { return failure_.message(); }
    int code() const noexcept { return failure_.code(); }
    int phase() const noexcept { return failure_.phase(); }
    const error &failure() const noexcept { return failure_; }

private:
    error failure_;
};
#endif

namespace detail {

[[noreturn]] inline void raise(error failure) {
#if defined(__cpp_exceptions)
    throw exception(std::move(failure));
#else
    // Only value() of a result that has none comes here.
    (void)failure;
    std::abort();
#endif
}

// Text with the NUL that C wants behind it. Short ones need no memory. A NUL inside would cut it short: such text has no
// pointer.
class terminated {
public:
    explicit terminated(std::string_view text) {
        if (text.find('\0') != std::string_view::npos)
            return;
        if (text.size() < sizeof(short_)) {
            // An empty view may have no data to copy from.
            if (!text.empty())
                std::memcpy(short_, text.data(), text.size());
            short_[text.size()] = '\0';
            pointer_ = short_;
        } else {
            long_.assign(text);
            pointer_ = long_.c_str();
        }
    }
    terminated(const terminated &) = delete;
    terminated &operator=(const terminated &) = delete;
    const char *get() const noexcept { return pointer_; }

private:
    char short_[256];
    std::string long_;
    const char *pointer_ = nullptr;
};

}  // namespace detail

// A value, or the failure because of which there is none.
template <class T>
class [[nodiscard]] result {
public:
    result(T &&value) noexcept(std::is_nothrow_move_constructible_v<T>) : value_(std::move(value)) {}
    result(error failure) noexcept : failure_(std::move(failure)) {}

    bool has_value() const noexcept { return value_.has_value(); }
    explicit operator bool() const noexcept { return has_value(); }
    // Only when there is a value.
    T &operator*() & noexcept { return *value_; }
    T &&operator*() && noexcept { return *std::move(value_); }
    const T &operator*() const & noexcept { return *value_; }
    T *operator->() noexcept { return &*value_; }
    const T *operator->() const noexcept { return &*value_; }
    // Throws the failure when there is no value (without exceptions: std::abort).
    T value() && {
        if (!value_)
            detail::raise(failure_);
        return *std::move(value_);
    }
    // No failure when there is a value.
    const error &failure() const noexcept { return failure_; }

private:
    std::optional<T> value_;
    error failure_;
};

namespace detail {

// Runs a C call that takes `ws_error **` last, which is the argument here.
template <class Call>
result<answer> ask(Call &&call) {
    ws_error *raw = nullptr;
    const int code = call(&raw);
    if (code >= 0)
        return static_cast<answer>(code);
    return error(code, raw);
}

}  // namespace detail

// A received message. Its memory is used again when it is received into again.
class message {
public:
    message() noexcept = default;
    message(message &&other) noexcept : raw_(std::exchange(other.raw_, blank())) {}
    message &operator=(message &&other) noexcept {
        if (this != &other) {
            ws_message_free(&raw_);
            raw_ = std::exchange(other.raw_, blank());
        }
        return *this;
    }
    ~message() { ws_message_free(&raw_); }

    wsdial::kind kind() const noexcept { return static_cast<wsdial::kind>(raw_.kind); }
    const char *data() const noexcept { return raw_.data; }
    std::size_t size() const noexcept { return raw_.len; }
    bool empty() const noexcept { return raw_.len == 0; }
    // The payload as characters, whatever the kind; of a text it is checked UTF-8.
    std::string_view text() const noexcept { return {raw_.data, raw_.len}; }
    wsdial::bytes bytes() const noexcept { return {raw_.data, raw_.len}; }
    ws_message *get() noexcept { return &raw_; }

private:
    static constexpr ws_message blank() noexcept { return WS_MESSAGE_INIT; }
    ws_message raw_ = blank();
};

// Received messages in one block: what ws_recv_batch gives, or any range of them.
class batch {
public:
    struct item {
        wsdial::kind kind;
        std::string_view data;
    };
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = item;
        using difference_type = std::ptrdiff_t;
        using pointer = void;
        using reference = item;

        iterator() noexcept = default;
        iterator(const batch *of, std::size_t at) noexcept : of_(of), at_(at) {}
        item operator*() const noexcept { return (*of_)[at_]; }
        iterator &operator++() noexcept {
            ++at_;
            return *this;
        }
        iterator operator++(int) noexcept { return iterator(of_, at_++); }
        friend bool operator==(const iterator &a, const iterator &b) noexcept { return a.at_ == b.at_; }
        friend bool operator!=(const iterator &a, const iterator &b) noexcept { return a.at_ != b.at_; }

    private:
        const batch *of_ = nullptr;
        std::size_t at_ = 0;
    };

    batch() noexcept = default;
    batch(batch &&other) noexcept : raw_(std::exchange(other.raw_, blank())) {}
    batch &operator=(batch &&other) noexcept {
        if (this != &other) {
            ws_batch_free(&raw_);
            raw_ = std::exchange(other.raw_, blank());
        }
        return *this;
    }
    ~batch() { ws_batch_free(&raw_); }

    std::size_t size() const noexcept { return raw_.count; }
    bool empty() const noexcept { return raw_.count == 0; }
    // index is less than size().
    item operator[](std::size_t index) const noexcept {
        const std::size_t begin = raw_.offsets[index], end = raw_.offsets[index + 1];
        return {static_cast<wsdial::kind>(raw_.kinds[index]), {raw_.data + begin, end - begin}};
    }
    iterator begin() const noexcept { return {this, 0}; }
    iterator end() const noexcept { return {this, raw_.count}; }
    ws_batch *get() noexcept { return &raw_; }

private:
    static constexpr ws_batch blank() noexcept { return WS_BATCH_INIT; }
    ws_batch raw_ = blank();
};

// Messages to be sent with one call, copied into one block. Sending takes off what was taken.
class outbox {
public:
    outbox() noexcept = default;
    outbox(const outbox &) = default;
    outbox &operator=(const outbox &) = default;
    // The one moved from is empty, and may be filled again.
    outbox(outbox &&other) noexcept
        : data_(std::exchange(other.data_, {})),
          offsets_(std::exchange(other.offsets_, {})),
          kinds_(std::exchange(other.kinds_, {})),
          taken_(std::exchange(other.taken_, 0)) {}
    outbox &operator=(outbox &&other) noexcept {
        if (this != &other) {
            data_ = std::exchange(other.data_, {});
            offsets_ = std::exchange(other.offsets_, {});
            kinds_ = std::exchange(other.kinds_, {});
            taken_ = std::exchange(other.taken_, 0);
        }
        return *this;
    }
    ~outbox() = default;

    // Without memory for it nothing is added.
    outbox &add(kind what, bytes data) {
        // What an add left that ran out of memory; a kind is what makes a message.
        offsets_.resize(kinds_.size() + 1);
        data_.resize(offsets_.back());
        data_.append(data.text());
        offsets_.push_back(data_.size());
        kinds_.push_back(static_cast<unsigned char>(what));
        return *this;
    }
    outbox &add(std::string_view text) { return add(kind::text, text); }
    std::size_t size() const noexcept { return kinds_.size() - taken_; }
    bool empty() const noexcept { return size() == 0; }
    void clear() noexcept {
        data_.clear();
        offsets_.clear();
        kinds_.clear();
        taken_ = 0;
    }

private:
    friend class connection;
    std::string data_;
    // One more than kinds, the first is 0; none at all while there is no message.
    std::vector<std::size_t> offsets_;
    std::vector<unsigned char> kinds_;
    std::size_t taken_ = 0;
};

// A piece of a message that was received into the caller's memory.
struct piece {
    wsdial::kind kind = wsdial::kind::binary;
    std::size_t size = 0;
    bool is_final = false;
};

// A jar for cookies; cookie_hooks of wsdial.h says when it is asked. What a function throws is dropped, and counts as
// nothing.
class cookie_jar {
public:
    virtual ~cookie_jar() = default;
    // The value of Cookie for a request to url; empty is none.
    virtual std::string load(std::string_view url) = 0;
    // One Set-Cookie of an answer.
    virtual void store(std::string_view url, std::string_view set_cookie) = 0;
};

namespace detail {

// C calls these: nothing may be thrown through it.
extern "C" {
inline int wsdial_cookies_load(const char *url, char *value, std::size_t room, void *jar) noexcept {
#if defined(__cpp_exceptions)
    try {
#endif
        const std::string cookies = static_cast<cookie_jar *>(jar)->load(url);
        if (cookies.size() < room)
            std::memcpy(value, cookies.c_str(), cookies.size() + 1);
        return cookies.size() < INT_MAX ? static_cast<int>(cookies.size()) : 0;
#if defined(__cpp_exceptions)
    } catch (...) {
        return 0;
    }
#endif
}

inline void wsdial_cookies_store(const char *url, const char *set_cookie, void *jar) noexcept {
#if defined(__cpp_exceptions)
    try {
#endif
        static_cast<cookie_jar *>(jar)->store(url, set_cookie);
#if defined(__cpp_exceptions)
    } catch (...) {
    }
#endif
}
}

}  // namespace detail

// A cancel token: ends every waiting call that it was given to, while it is fired.
class cancel {
public:
#if defined(__cpp_exceptions)
    cancel() : cancel(make().value()) {}
#endif
    static result<cancel> make() {
        ws_cancel *raw = nullptr;
        ws_error *failure = nullptr;
        const int code = ws_cancel_new(&raw, &failure);
        if (code != WS_OK)
            return error(code, failure);
        return cancel(raw);
    }
    cancel(cancel &&) noexcept = default;
    cancel &operator=(cancel &&) noexcept = default;

    // From any thread, and from a signal handler.
    void fire() const noexcept { ws_cancel_fire(raw_.get()); }
    void reset() const noexcept { ws_cancel_reset(raw_.get()); }
    const ws_cancel *get() const noexcept { return raw_.get(); }

private:
    struct freed {
        void operator()(ws_cancel *raw) const noexcept { ws_cancel_free(raw); }
    };
    explicit cancel(ws_cancel *raw) noexcept : raw_(raw) {}
    std::unique_ptr<ws_cancel, freed> raw_;
};

#if defined(__cpp_lib_jthread)
// A cancel token that a std::stop_token fires. Stopping is for good, so there is no reset.
class stop_cancel {
public:
#if defined(__cpp_exceptions)
    explicit stop_cancel(std::stop_token token) : callback_(std::move(token), firer{cancel_}) {}
#endif
    const cancel &token() const noexcept { return cancel_; }

private:
    struct firer {
        const cancel &fired;
        void operator()() const noexcept { fired.fire(); }
    };
    cancel cancel_;
    std::stop_callback<firer> callback_;
};
#endif

class messages;

// A connection. Any thread may call anything at any time; one thread receives at a time.
class connection {
public:
    // No connection: to be assigned to.
    connection() noexcept = default;
    // Takes a connection of the C functions.
    explicit connection(ws_conn *raw) noexcept : raw_(raw) {}
    connection(connection &&) noexcept = default;
    connection &operator=(connection &&) noexcept = default;

    ws_conn *get() const noexcept { return raw_.get(); }
    explicit operator bool() const noexcept { return raw_ != nullptr; }

    // Messages. A string alone is sent as text; other bytes need their kind.
    result<answer> try_send(kind what, bytes data, timeout wait = forever) const {
        return detail::ask([&](ws_error **e) {
            return ws_send(get(), static_cast<int>(what), data.data(), data.size(), wait.ms(), e);
        });
    }
    result<answer> try_send(std::string_view text, timeout wait = forever) const {
        return try_send(kind::text, text, wait);
    }
    // As it is, whatever was agreed about compression.
    result<answer> try_send_uncompressed(kind what, bytes data, timeout wait = forever) const {
        return detail::ask([&](ws_error **e) {
            return ws_send(get(), static_cast<int>(what) | WS_UNCOMPRESSED, data.data(), data.size(), wait.ms(), e);
        });
    }
    result<answer> try_recv(message &into, timeout wait = forever) const {
        return detail::ask([&](ws_error **e) { return ws_recv(get(), wait.ms(), into.get(), e); });
    }
    // Many messages with one call: what was taken is taken off the outbox, whatever the answer.
    result<answer> try_send(outbox &from, timeout wait = forever) const {
        std::size_t taken = 0;
        const std::size_t first = from.taken_, none = 0;
        const std::size_t *offsets = from.offsets_.empty() ? &none : from.offsets_.data() + first;
        auto sent = detail::ask([&](ws_error **e) {
            return ws_send_batch(get(), from.kinds_.data() + first, from.data_.data(), offsets,
                                 from.size(), wait.ms(), &taken, e);
        });
        from.taken_ += taken;
        if (from.empty())
            from.clear();
        return sent;
    }
    // 0 is no limit; a message over max_bytes comes alone.
    result<answer> try_recv(batch &into, timeout wait = forever, std::size_t max_bytes = 0, std::size_t max_messages = 0) const {
        return detail::ask([&](ws_error **e) {
            return ws_recv_batch(get(), wait.ms(), max_bytes, max_messages, into.get(), e);
        });
    }
    // One message in pieces: the kind of each is the message's.
    result<answer> try_send_fragment(kind what, bytes data, bool is_final, timeout wait = forever) const {
        return detail::ask([&](ws_error **e) {
            return ws_send_fragment(get(), static_cast<int>(what), data.data(), data.size(), is_final, wait.ms(), e);
        });
    }
    result<answer> try_recv_into(void *buffer, std::size_t size, piece &got, timeout wait = forever) const {
        int what = 0, is_final = 0;
        got = piece();
        auto received = detail::ask([&](ws_error **e) {
            return ws_recv_into(get(), wait.ms(), buffer, size, &got.size, &what, &is_final, e);
        });
        got.kind = what == 0 ? kind::binary : static_cast<kind>(what);
        got.is_final = is_final != 0;
        return received;
    }
    // reason: UTF-8, at most 123 bytes. Code 0 is a close frame without a code.
    result<answer> try_close(int code = 1000, std::string_view reason = {}, timeout wait = by_default) const {
        const detail::terminated text(reason);
        if (text.get() == nullptr)
            return error(WS_E_USAGE_CLOSE_REASON, nullptr);
        return detail::ask([&](ws_error **e) { return ws_close(get(), code, text.get(), wait.ms(), e); });
    }
    // Sends the close frame and leaves the rest to whoever receives.
    result<answer> try_start_close(int code = 1000, std::string_view reason = {}) const {
        const detail::terminated text(reason);
        if (text.get() == nullptr)
            return error(WS_E_USAGE_CLOSE_REASON, nullptr);
        return detail::ask([&](ws_error **e) { return ws_start_close(get(), code, text.get(), e); });
    }
    result<answer> try_ping(bytes data = {}, timeout wait = forever) const {
        return detail::ask([&](ws_error **e) { return ws_ping(get(), data.data(), data.size(), wait.ms(), e); });
    }
    result<answer> try_pong(bytes data = {}, timeout wait = forever) const {
        return detail::ask([&](ws_error **e) { return ws_pong(get(), data.data(), data.size(), wait.ms(), e); });
    }
    result<answer> try_flush(timeout wait = forever) const {
        return detail::ask([&](ws_error **e) { return ws_flush(get(), wait.ms(), e); });
    }
    result<answer> try_process() const {
        return detail::ask([&](ws_error **e) { return ws_process(get(), e); });
    }
    result<answer> try_handshake(timeout wait = by_default) const {
        return detail::ask([&](ws_error **e) { return ws_handshake(get(), wait.ms(), e); });
    }
    // 0 is no limit.
    result<answer> try_set_max_message(std::size_t limit) const {
        return detail::ask([&](ws_error **e) { return ws_set_max_message(get(), limit, e); });
    }
    // level 1 to 9, or 0 for the dialer's.
    result<answer> try_set_compression(bool on, int level = 0) const {
        return detail::ask([&](ws_error **e) { return ws_set_compression(get(), on, level, e); });
    }
    result<answer> try_set_control(bool deliver, bool auto_pong = true, bool auto_close = true) const {
        return detail::ask([&](ws_error **e) { return ws_set_control(get(), deliver, auto_pong, auto_close, e); });
    }
    // NULL takes the token away.
    result<answer> try_set_cancel(const cancel *token) const {
        if (token != nullptr && token->get() == nullptr)
            return error(WS_E_USAGE_NULL, nullptr); // moved from
        return detail::ask([&](ws_error **e) { return ws_set_cancel(get(), token ? token->get() : nullptr, e); });
    }
    // id: one of WS_STAT_*.
    result<std::uint64_t> try_stat(int id) const {
        std::uint64_t figure = 0;
        ws_error *raw = nullptr;
        const int code = ws_stat(get(), id, &figure, &raw);
        if (code != WS_OK)
            return error(code, raw);
        return result<std::uint64_t>(std::move(figure));
    }
    // Over memory: ws_input_done and ws_output_done.
    result<answer> try_input_done(std::size_t n) const {
        return detail::ask([&](ws_error **e) { return ws_input_done(get(), n, e); });
    }
    result<answer> try_output_done(std::size_t n) const {
        return detail::ask([&](ws_error **e) { return ws_output_done(get(), n, e); });
    }
    // Over memory: data, at most input_direct() bytes of payload that the caller has read, is the next piece.
    result<answer> try_input_direct_done(bytes data, piece &got) const {
        int what = 0, is_final = 0;
        got = piece();
        auto done = detail::ask([&](ws_error **e) {
            return ws_input_direct_done(get(), data.data(), data.size(), &what, &is_final, e);
        });
        if (what != 0)
            got = piece{static_cast<kind>(what), data.size(), is_final != 0};
        return done;
    }
    // Over memory: a message and all that is to be written into room, of which size becomes what was put there.
    result<answer> try_send_output(kind what, bytes data, void *room, std::size_t &size) const {
        return detail::ask([&](ws_error **e) {
            return ws_send_output(get(), static_cast<int>(what), data.data(), data.size(), room, &size, e);
        });
    }

#if defined(__cpp_exceptions)
    answer send(kind what, bytes data, timeout wait = forever) const { return try_send(what, data, wait).value(); }
    answer send(std::string_view text, timeout wait = forever) const { return try_send(text, wait).value(); }
    answer send_uncompressed(kind what, bytes data, timeout wait = forever) const {
        return try_send_uncompressed(what, data, wait).value();
    }
    answer send(outbox &from, timeout wait = forever) const { return try_send(from, wait).value(); }
    answer send_fragment(kind what, bytes data, bool is_final, timeout wait = forever) const {
        return try_send_fragment(what, data, is_final, wait).value();
    }
    [[nodiscard]] answer recv(message &into, timeout wait = forever) const { return try_recv(into, wait).value(); }
    [[nodiscard]] answer recv(batch &into, timeout wait = forever, std::size_t max_bytes = 0, std::size_t max_messages = 0) const {
        return try_recv(into, wait, max_bytes, max_messages).value();
    }
    [[nodiscard]] answer recv_into(void *buffer, std::size_t size, piece &got, timeout wait = forever) const {
        return try_recv_into(buffer, size, got, wait).value();
    }
    answer close(int code = 1000, std::string_view reason = {}, timeout wait = by_default) const {
        return try_close(code, reason, wait).value();
    }
    answer start_close(int code = 1000, std::string_view reason = {}) const { return try_start_close(code, reason).value(); }
    answer ping(bytes data = {}, timeout wait = forever) const { return try_ping(data, wait).value(); }
    answer pong(bytes data = {}, timeout wait = forever) const { return try_pong(data, wait).value(); }
    answer flush(timeout wait = forever) const { return try_flush(wait).value(); }
    answer process() const { return try_process().value(); }
    answer handshake(timeout wait = by_default) const { return try_handshake(wait).value(); }
    void set_max_message(std::size_t limit) const { try_set_max_message(limit).value(); }
    void set_compression(bool on, int level = 0) const { try_set_compression(on, level).value(); }
    void set_control(bool deliver, bool auto_pong = true, bool auto_close = true) const {
        try_set_control(deliver, auto_pong, auto_close).value();
    }
    void set_cancel(const cancel &token) const { try_set_cancel(&token).value(); }
    void clear_cancel() const { try_set_cancel(nullptr).value(); }
    std::uint64_t stat(int id) const { return try_stat(id).value(); }
    void input_done(std::size_t n) const { try_input_done(n).value(); }
    void output_done(std::size_t n) const { try_output_done(n).value(); }
    answer input_direct_done(bytes data, piece &got) const { return try_input_direct_done(data, got).value(); }
    answer send_output(kind what, bytes data, void *room, std::size_t &size) const {
        return try_send_output(what, data, room, size).value();
    }
    // For `for (const wsdial::message &message : conn.messages())`: until the connection is closed, which must live as long.
    class messages messages() const & noexcept;
    void messages() const && = delete;
#endif

    // Facts. What is shown lives as long as the connection; NULL and empty where there is nothing.
    std::string_view subprotocol() const noexcept { return ws_subprotocol(get()); }
    // The last address, where redirects were followed.
    const char *url() const noexcept { return ws_url(get()); }
    // The redirects that led here: address and status. NULL and 0 behind the last.
    std::pair<const char *, int> redirect(std::size_t index) const noexcept {
        int status = 0;
        const char *from = ws_redirect(get(), index, &status);
        return {from, status};
    }
    std::string_view extensions() const noexcept { return ws_extensions(get()); }
    const char *transcript() const noexcept { return ws_transcript(get()); }
    int response_status() const noexcept { return ws_response_status(get()); }
    const char *response_header(const char *name, std::size_t index = 0) const noexcept {
        return ws_response_header(get(), name, index);
    }
    // Position counts all fields, as they came. NULL and NULL behind the last.
    std::pair<const char *, const char *> response_header_at(std::size_t position) const noexcept {
        const char *name = nullptr;
        const char *value = ws_response_header_at(get(), position, &name);
        return {name, value};
    }
    const char *local_address() const noexcept { return ws_local_address(get()); }
    const char *peer_address() const noexcept { return ws_peer_address(get()); }
    const char *tls_version() const noexcept { return ws_tls_version(get()); }
    const char *tls_cipher() const noexcept { return ws_tls_cipher(get()); }
    int close_code() const noexcept { return ws_close_code(get()); }
    std::string_view close_reason() const noexcept {
        std::size_t size = 0;
        const char *reason = ws_close_reason(get(), &size);
        return {reason, size};
    }

    // Event loops.
    std::ptrdiff_t fd() const noexcept { return ws_fd(get()); }
    int wants() const noexcept { return ws_wants(get()); }
    // Nothing: as long as you like.
    std::optional<std::chrono::milliseconds> next_timeout() const noexcept {
        const int ms = ws_timeout(get());
        if (ms < 0)
            return std::nullopt;
        return std::chrono::milliseconds(ms);
    }
    // Over memory. The room is the caller's until try_input_done; what is shown stays until try_output_done.
    std::pair<void *, std::size_t> input() const noexcept {
        std::size_t room = 0;
        void *place = ws_input(get(), &room);
        return {place, room};
    }
    std::size_t input_direct() const noexcept { return ws_input_direct(get()); }
    bytes output() const noexcept {
        std::size_t size = 0;
        const void *data = ws_output(get(), &size);
        return {data, size};
    }

private:
    struct freed {
        void operator()(ws_conn *raw) const noexcept { ws_conn_free(raw); }
    };
    std::unique_ptr<ws_conn, freed> raw_;
};

#if defined(__cpp_exceptions)
// The messages of a connection, one after the other, in one memory: each is there until the next is asked for. The end is
// the close handshake; a failure is thrown. A fired token or a signal ends the loop too: answer() tells.
class messages {
public:
    explicit messages(const connection &conn) noexcept : conn_(&conn) {}

    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = message;
        using difference_type = std::ptrdiff_t;
        using pointer = const message *;
        using reference = const message &;

        iterator() noexcept = default;
        explicit iterator(messages *from) : from_(from) { ++*this; }
        reference operator*() const noexcept { return from_->message_; }
        pointer operator->() const noexcept { return &from_->message_; }
        iterator &operator++() {
            from_->answer_ = from_->conn_->recv(from_->message_);
            if (from_->answer_ != wsdial::answer::ok)
                from_ = nullptr;
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator &a, const iterator &b) noexcept { return a.from_ == b.from_; }
        friend bool operator!=(const iterator &a, const iterator &b) noexcept { return !(a == b); }

    private:
        messages *from_ = nullptr;
    };

    iterator begin() { return iterator(this); }
    iterator end() const noexcept { return {}; }
    wsdial::answer answer() const noexcept { return answer_; }

private:
    const connection *conn_;
    message message_;
    wsdial::answer answer_ = wsdial::answer::ok;
};

inline messages connection::messages() const & noexcept { return wsdial::messages(*this); }
#endif

// What is decided about dialing. Setters return the dialer, so they can be chained.
class dialer {
public:
#if defined(__cpp_exceptions)
    dialer() : dialer(std::nothrow) {
        throws_ = true;
        if (!raw_)
            throw std::bad_alloc();
    }
#endif
    // Setters throw nothing: the first failure is kept, later setters do nothing, and try_dial gives it.
    explicit dialer(std::nothrow_t) noexcept : raw_(ws_dialer_new()) {}
    dialer(dialer &&) noexcept = default;
    dialer &operator=(dialer &&) noexcept = default;

    const ws_dialer *get() const noexcept { return raw_.get(); }
    ws_dialer *get() noexcept { return raw_.get(); }
    // The first failure of a setter, of a dialer that throws nothing.
    const error &failure() const noexcept { return failure_; }

    dialer &add_subprotocol(std::string_view name) { return with(ws_dialer_add_subprotocol, name); }
    dialer &require_subprotocol(bool on = true) { return set(ws_dialer_require_subprotocol, on); }
    dialer &add_header(std::string_view name, std::string_view value) { return with(ws_dialer_add_header, name, value); }
    dialer &set_max_message(std::size_t limit) { return set(ws_dialer_set_max_message, limit); }
    dialer &set_max_rejection_body(std::size_t limit) { return set(ws_dialer_set_max_rejection_body, limit); }
    dialer &set_transcript(bool on = true) { return set(ws_dialer_set_transcript, on); }
    dialer &set_buffer_sizes(std::size_t read, std::size_t write) { return set(ws_dialer_set_buffer_sizes, read, write); }
    dialer &set_keepalive(timeout ping, timeout pong) { return set(ws_dialer_set_keepalive, ping.ms(), pong.ms()); }
    dialer &set_read_ahead(std::size_t count, std::size_t size) { return set(ws_dialer_set_read_ahead, count, size); }
    // http, https, socks5, socks5h, with user and password if need be.
    dialer &set_proxy(std::string_view url) { return with(ws_dialer_set_proxy, url); }
    dialer &clear_proxy() { return set(ws_dialer_set_proxy, static_cast<const char *>(nullptr)); }
    dialer &set_proxy_from_env() { return set(ws_dialer_set_proxy_from_env); }
    dialer &add_proxy_header(std::string_view name, std::string_view value) {
        return with(ws_dialer_add_proxy_header, name, value);
    }
    // As in C: callback makes the descriptor, or answers -errno, and throws nothing.
    dialer &set_connect_callback(ws_connect_fn callback, void *user) { return set(ws_dialer_set_connect_callback, callback, user); }
    dialer &set_max_redirects(int most) { return set(ws_dialer_set_max_redirects, most); }
    // The jar must live as long as the dialer, and as handshakes under way.
    dialer &set_cookie_jar(cookie_jar &jar) {
        return set(ws_dialer_set_cookie_hooks, detail::wsdial_cookies_load, detail::wsdial_cookies_store, static_cast<void *>(&jar));
    }
    dialer &set_compression(bool on = true) { return set(ws_dialer_set_compression, on); }
    // Windows as powers of two, flags of WS_DEFLATE_*; 0 is the default of each.
    dialer &set_compression_params(int client_window_bits, int server_window_bits, int flags = 0) {
        return set(ws_dialer_set_compression_params, client_window_bits, server_window_bits, flags);
    }
    dialer &set_compression_level(int level, int mem_level, std::size_t threshold) {
        return set(ws_dialer_set_compression_level, level, mem_level, threshold);
    }
    dialer &set_control_delivery(bool on = true) { return set(ws_dialer_set_control_delivery, on); }
    dialer &set_auto_pong(bool on) { return set(ws_dialer_set_auto_pong, on); }
    dialer &set_interruptible(bool on = true) { return set(ws_dialer_set_interruptible, on); }
    dialer &add_ca_file(std::string_view path) { return with(ws_dialer_add_ca_file, path); }
    dialer &add_ca_pem(bytes pem) { return set(ws_dialer_add_ca_pem, pem.data(), pem.size()); }
    dialer &add_ca_dir(std::string_view path) { return with(ws_dialer_add_ca_dir, path); }
    // The key may be in the file of the certificate.
    dialer &set_client_cert_file(std::string_view cert) {
        const detail::terminated path(cert);
        if (path.get() == nullptr)
            return failure_ ? *this : failed(error(WS_E_OPTION_VALUE, nullptr));
        return set(ws_dialer_set_client_cert_file, path.get(), static_cast<const char *>(nullptr));
    }
    dialer &set_client_cert_file(std::string_view cert, std::string_view key) {
        return with(ws_dialer_set_client_cert_file, cert, key);
    }
    dialer &set_client_cert_pem(bytes cert, bytes key = {}) {
        return set(ws_dialer_set_client_cert_pem, cert.data(), cert.size(), key.data(), key.size());
    }
    // WS_TLS_1_2 or WS_TLS_1_3.
    dialer &set_min_tls(int version) { return set(ws_dialer_set_min_tls, version); }
    dialer &set_key_log_file(std::string_view path) { return with(ws_dialer_set_key_log_file, path); }
    dialer &set_insecure_skip_verify(bool on) { return set(ws_dialer_set_insecure_skip_verify, on); }
    dialer &use_system_roots(bool on) { return set(ws_dialer_use_system_roots, on); }
    dialer &set_server_name(std::string_view name) { return with(ws_dialer_set_server_name, name); }
    dialer &set_cancel(const cancel &token) {
        if (token.get() == nullptr)
            return failure_ ? *this : failed(error(WS_E_USAGE_NULL, nullptr)); // moved from
        return set(ws_dialer_set_cancel, token.get());
    }
    dialer &clear_cancel() { return set(ws_dialer_set_cancel, nullptr); }

    result<connection> try_dial(std::string_view url, timeout wait = by_default) const {
        return made(url, [&](const char *address, ws_conn **out, ws_error **e) {
            return ws_dial(address, get(), wait.ms(), out, e);
        });
    }
    // The descriptor belongs to the connection when there is one, else it is still the caller's. With nowait the
    // handshake may be still under way: connection::try_handshake carries it on.
    result<connection> try_dial_fd(std::ptrdiff_t fd, std::string_view url, timeout wait = by_default) const {
        return made(url, [&](const char *address, ws_conn **out, ws_error **e) {
            return ws_dial_fd(fd, address, get(), wait.ms(), out, e);
        });
    }
    // The dialer for the dial to failure.location(), when a redirect ended a handshake over the caller's socket or bytes.
    result<dialer> try_follow(const error &redirect) const {
        if (const error none = unusable())
            return none;
        ws_dialer *out = nullptr;
        ws_error *raw = nullptr;
        const int code = ws_dialer_follow(get(), redirect.get(), &out, &raw);
        if (code != WS_OK)
            return error(code, raw);
        return dialer(out, throws_);
    }
    // Where to connect to for try_dial_fd and try_dial_memory: host, or with port 0 the path of a unix socket.
    result<std::pair<std::string, int>> try_route(std::string_view url) const {
        if (const error none = unusable())
            return none;
        const detail::terminated address(url);
        if (address.get() == nullptr)
            return error(WS_E_URL_SYNTAX, nullptr);
        char host[256] = "";
        int port = 0;
        ws_error *raw = nullptr;
        const int code = ws_dialer_route(get(), address.get(), host, sizeof host, &port, &raw);
        if (code != WS_OK)
            return error(code, raw);
        return std::pair<std::string, int>(host, port);
    }
    // A connection whose bytes the caller moves; its handshake is under way.
    result<connection> try_dial_memory(std::string_view url) const {
        return made(url, [&](const char *address, ws_conn **out, ws_error **e) {
            return ws_dial_memory(address, get(), out, e);
        });
    }
#if defined(__cpp_exceptions)
    connection dial(std::string_view url, timeout wait = by_default) const { return try_dial(url, wait).value(); }
    connection dial_fd(std::ptrdiff_t fd, std::string_view url, timeout wait = by_default) const {
        return try_dial_fd(fd, url, wait).value();
    }
    connection dial_memory(std::string_view url) const { return try_dial_memory(url).value(); }
    std::pair<std::string, int> route(std::string_view url) const { return try_route(url).value(); }
    dialer follow(const error &redirect) const { return try_follow(redirect).value(); }
#endif

private:
    struct freed {
        void operator()(ws_dialer *raw) const noexcept { ws_dialer_free(raw); }
    };
    dialer(ws_dialer *raw, bool throws) noexcept : raw_(raw), throws_(throws) {}

    template <class Setter, class... Values>
    dialer &set(Setter setter, Values... values) {
        if (failure_)
            return *this;
        ws_error *raw = nullptr;
        const int code = setter(raw_.get(), values..., &raw);
        return code == WS_OK ? *this : failed(error(code, raw));
    }
    template <class Setter, class... Texts>
    dialer &with(Setter setter, Texts... texts) {
        return put(setter, detail::terminated(texts)...);
    }
    template <class Setter, class... Texts>
    dialer &put(Setter setter, const Texts &...texts) {
        if (((texts.get() == nullptr) || ...))
            return failure_ ? *this : failed(error(WS_E_OPTION_VALUE, nullptr)); // a NUL inside
        return set(setter, texts.get()...);
    }
    dialer &failed(error failure) {
        if (throws_)
            detail::raise(std::move(failure));
        failure_ = std::move(failure);
        return *this;
    }
    // Why nothing can be dialed with this. To C, NULL is a dialer with the defaults: roots and proxies that were set would be lost.
    error unusable() const { return raw_ || failure_ ? failure_ : error(WS_E_USAGE_NULL, nullptr); }

    template <class Dial>
    result<connection> made(std::string_view url, Dial dial) const {
        if (const error none = unusable())
            return none;
        const detail::terminated address(url);
        if (address.get() == nullptr)
            return error(WS_E_URL_SYNTAX, nullptr);
        ws_conn *out = nullptr;
        ws_error *raw = nullptr;
        const int code = dial(address.get(), &out, &raw);
        if (code < 0)
            return error(code, raw);
        return connection(out);
    }

    std::unique_ptr<ws_dialer, freed> raw_;
    error failure_;
    bool throws_ = false;
};

#if defined(__cpp_exceptions)
// Dials with the defaults.
inline connection dial(std::string_view url, timeout wait = by_default) { return dialer().dial(url, wait); }
#endif
inline result<connection> try_dial(std::string_view url, timeout wait = by_default) {
    return dialer(std::nothrow).try_dial(url, wait);
}

}  // namespace wsdial

#endif
