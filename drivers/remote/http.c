/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "remote/http.h"

#include <curl/curl.h>
#include <string.h>

#include "errors.h"
#include "log.h"

/* Microseconds by which curl's clock may be late: it has a request begin by a time of 0. */
#define TIMER_ACCURACY 1000

struct Http {
        sd_event *event;
        char *name;
        bool no_verify;
        char *pin, *proxy;
        CURLM *multi;
        CURLSH *share;          /* cookies */
        sd_event_source *timer; /* curl's own */
        sd_event_source *ready; /* something may have ended */
        GHashTable *sockets;    /* descriptor -> sd_event_source */
        GHashTable *requests;   /* HttpRequest */
        GQueue refused;         /* of those the ones that could not be asked */
};

struct HttpRequest {
        Http *http;
        CURL *curl;
        struct curl_slist *headers;
        GString *answer;
        char *body;
        size_t length, sent, bytes_max, header_bytes;
        bool is_too_long;
        char fault[CURL_ERROR_SIZE];
        GError *refusal;
        HttpDone done;
        void *data;
};

/* All but the answer. */
static void let_go(HttpRequest *request) {
        g_queue_remove(&request->http->refused, request);
        if (request->curl) {
                curl_multi_remove_handle(request->http->multi, request->curl);
                curl_easy_cleanup(request->curl);
        }
        curl_slist_free_all(request->headers);
        if (request->body) /* which may have a password in it */
                explicit_bzero(request->body, request->length);
        g_clear_pointer(&request->body, g_free);
}

static void request_free(void *data) {
        HttpRequest *request = data;
        let_go(request);
        g_clear_error(&request->refusal);
        g_string_free(request->answer, TRUE);
        g_free(request);
}

/* What has ended */

static GError *fault_of(const HttpRequest *request, CURLcode code) {
        GError *error = NULL;
        const char *name = request->http->name;
        if (request->is_too_long)
                virtbus_error_set(&error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "%s has sent more than %zu bytes as an answer", name,
                                  request->bytes_max);
        else if (code == CURLE_OPERATION_TIMEDOUT)
                virtbus_error_set(&error, VIRTBUS_ERROR_TIMEOUT, "%s has not answered in time", name);
        else if (code == CURLE_SSL_PINNEDPUBKEYNOTMATCH)
                virtbus_error_set(
                                &error, VIRTBUS_ERROR_ACCESS_DENIED,
                                "the key of %s is not the one of the URI's fingerprint: somebody else answers, or it has another "
                                "certificate now",
                                name);
        else if (code == CURLE_PEER_FAILED_VERIFICATION)
                virtbus_error_set(&error, VIRTBUS_ERROR_ACCESS_DENIED,
                                  "the certificate of %s is not to be trusted: %s; have the system trust who has signed it, or "
                                  "pass the fingerprint of its key in the URI",
                                  name, *request->fault ? request->fault : curl_easy_strerror(code));
        else
                virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%s is not reached: %s", name,
                                  *request->fault ? request->fault : curl_easy_strerror(code));
        return error;
}

static void end(HttpRequest *request, CURLcode code) {
        g_autoptr(GError) error = request->refusal   ? g_steal_pointer(&request->refusal)
                                  : code != CURLE_OK ? fault_of(request, code)
                                                     : NULL;
        HttpAnswer answer = { .body = request->answer->str, .length = request->answer->len };
        if (request->curl)
                curl_easy_getinfo(request->curl, CURLINFO_RESPONSE_CODE, &answer.status);
        g_hash_table_steal(request->http->requests, request);
        let_go(request); /* who is told may free the Http */
        request->done(request->data, error ? NULL : &answer, error);
        g_string_free(request->answer, TRUE);
        g_free(request);
}

/* One at a time: who is told of one may let go of all. */
static int on_ready(sd_event_source *source, void *data) {
        Http *http = data;
        int left;
        (void) source;
        if (!g_queue_is_empty(&http->refused)) {
                sd_event_source_set_enabled(http->ready, SD_EVENT_ONESHOT);
                end(g_queue_peek_head(&http->refused), CURLE_OK);
                return 0;
        }
        CURLMsg *message = curl_multi_info_read(http->multi, &left);
        if (!message)
                return 0;
        if (left > 0)
                sd_event_source_set_enabled(http->ready, SD_EVENT_ONESHOT);
        if (message->msg != CURLMSG_DONE)
                return 0;
        HttpRequest *request = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &request);
        end(request, code);
        return 0;
}

static void act(Http *http, curl_socket_t fd, int events) {
        int running;
        CURLMcode code = curl_multi_socket_action(http->multi, fd, events, &running);
        if (code != CURLM_OK)
                log_error("%s: %s", http->name, curl_multi_strerror(code));
        sd_event_source_set_enabled(http->ready, SD_EVENT_ONESHOT);
}

/* curl's descriptors and clock */

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *data) {
        (void) source;
        act(data, fd,
            (revents & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) | (revents & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                            (revents & EPOLLERR ? CURL_CSELECT_ERR : 0));
        return 0;
}

static int on_socket(CURL *curl, curl_socket_t fd, int what, void *data, void *of_socket) {
        Http *http = data;
        (void) curl;
        (void) of_socket;
        sd_event_source *source = g_hash_table_lookup(http->sockets, GINT_TO_POINTER(fd));
        if (what == CURL_POLL_REMOVE) {
                g_hash_table_remove(http->sockets, GINT_TO_POINTER(fd));
                return 0;
        }
        uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
        if (source)
                return sd_event_source_set_io_events(source, events) < 0 ? -1 : 0;
        if (sd_event_add_io(http->event, &source, fd, events, on_io, http) < 0)
                return -1;
        g_hash_table_insert(http->sockets, GINT_TO_POINTER(fd), source);
        return 0;
}

static int on_time(sd_event_source *source, uint64_t usec, void *data) {
        (void) source;
        (void) usec;
        act(data, CURL_SOCKET_TIMEOUT, 0);
        return 0;
}

static int on_timer(CURLM *multi, long milliseconds, void *data) {
        Http *http = data;
        (void) multi;
        if (milliseconds < 0)
                return sd_event_source_set_enabled(http->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
        return sd_event_source_set_time_relative(http->timer, (uint64_t) milliseconds * 1000) < 0 ||
                                               sd_event_source_set_enabled(http->timer, SD_EVENT_ONESHOT) < 0
                               ? -1
                               : 0;
}

/* What is sent and received */

static size_t on_answer(char *bytes, size_t size, size_t n, void *data) {
        HttpRequest *request = data;
        request->is_too_long = size * n > request->bytes_max - request->answer->len;
        if (request->is_too_long)
                return 0;
        g_string_append_len(request->answer, bytes, (gssize) (size * n));
        return size * n;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *data) {
        HttpRequest *request = data;
        (void) bytes;
        request->header_bytes += size * n;
        return request->header_bytes > HTTP_HEADER_BYTES_MAX ? 0 : size * n;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *data) {
        HttpRequest *request = data;
        size_t length = MIN(size * n, request->length - request->sent);
        memcpy(bytes, request->body + request->sent, length);
        request->sent += length;
        return length;
}

/* A server may ask for it once more, with credentials. */
static int on_seek(void *data, curl_off_t offset, int origin) {
        HttpRequest *request = data;
        if (origin != SEEK_SET || offset < 0 || (size_t) offset > request->length)
                return CURL_SEEKFUNC_FAIL;
        request->sent = (size_t) offset;
        return CURL_SEEKFUNC_OK;
}

static void set_trust(const Http *http, CURL *curl) {
        bool verifies = !http->no_verify && !http->pin;
        const char *authorities = g_getenv(HTTP_AUTHORITIES_VARIABLE);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, (long) verifies);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, verifies ? 2L : 0L);
        curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
        if (http->pin)
                curl_easy_setopt(curl, CURLOPT_PINNEDPUBLICKEY, http->pin);
        if (authorities)
                curl_easy_setopt(curl, CURLOPT_CAINFO, authorities);
        curl_easy_setopt(curl, CURLOPT_PROXY, http->proxy ? http->proxy : ""); /* and none of the environment */
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
}

static void set_question(CURL *curl, HttpRequest *request, const HttpQuestion *question) {
        static const char *const names[] = { [HTTP_GET] = "GET", [HTTP_POST] = "POST", [HTTP_PUT] = "PUT" };
        curl_easy_setopt(curl, CURLOPT_URL, question->url);
        if (question->method == HTTP_POST)
                curl_easy_setopt(curl, CURLOPT_POST, 1L);
        else if (question->method == HTTP_PUT)
                curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, names[question->method]);
        if (question->method != HTTP_GET) {
                curl_easy_setopt(curl, question->method == HTTP_POST ? CURLOPT_POSTFIELDSIZE_LARGE : CURLOPT_INFILESIZE_LARGE,
                                 (curl_off_t) question->length);
                curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_body);
                curl_easy_setopt(curl, CURLOPT_READDATA, request);
                curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_seek);
                curl_easy_setopt(curl, CURLOPT_SEEKDATA, request);
        }
        request->headers = curl_slist_append(NULL, "Expect:");
        for (size_t i = 0; question->headers && question->headers[i]; i++)
                request->headers = curl_slist_append(request->headers, question->headers[i]);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, request->headers);
        if (question->username) {
                curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long) CURLAUTH_ANY);
                curl_easy_setopt(curl, CURLOPT_USERNAME, question->username);
                curl_easy_setopt(curl, CURLOPT_PASSWORD, question->password);
        }
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long) MAX(question->patience / 1000, 1));
        curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long) (MIN(HTTP_CONNECT_TIMEOUT, question->patience) / 1000));
}

static void refuse(HttpRequest *request, VirtbusError code, const char *why) {
        virtbus_error_set(&request->refusal, code, "%s cannot be asked: %s", request->http->name, why);
        g_queue_push_tail(&request->http->refused, request);
        sd_event_source_set_enabled(request->http->ready, SD_EVENT_ONESHOT);
}

static void set_handlers(CURL *curl, HttpRequest *request) {
        curl_easy_setopt(curl, CURLOPT_SHARE, request->http->share);
        curl_easy_setopt(curl, CURLOPT_COOKIEFILE, "");
        curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
        curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
        curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, request->fault);
        curl_easy_setopt(curl, CURLOPT_PRIVATE, request);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, request);
        curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(curl, CURLOPT_HEADERDATA, request);
}

HttpRequest *http_ask(Http *http, const HttpQuestion *question, HttpDone done, void *data) {
        HttpRequest *request = g_new0(HttpRequest, 1);
        request->http = http;
        request->answer = g_string_new(NULL);
        request->bytes_max = question->bytes_max;
        request->done = done;
        request->data = data;
        g_hash_table_add(http->requests, request);
        if (g_hash_table_size(http->requests) > HTTP_REQUESTS_MAX) {
                refuse(request, VIRTBUS_ERROR_RESOURCE_BUSY, "too many requests wait already; call again when some are done");
                return request;
        }
        if (!(request->curl = curl_easy_init())) {
                refuse(request, VIRTBUS_ERROR_LIMIT_EXCEEDED, "the host has no memory left");
                return request;
        }
        request->length = question->length;
        request->body = g_memdup2(question->body, question->length);
        set_trust(http, request->curl);
        set_question(request->curl, request, question);
        set_handlers(request->curl, request);
        CURLMcode code = curl_multi_add_handle(http->multi, request->curl);
        if (code != CURLM_OK)
                refuse(request, VIRTBUS_ERROR_HYPERVISOR_FAILED, curl_multi_strerror(code));
        return request;
}

void http_cancel(HttpRequest *request) {
        g_hash_table_remove(request->http->requests, request);
}

/* The whole */

/* What libcurl takes as a pin: base64 of what the fingerprint has in hexadecimal digits. */
static char *pin_of(const char *fingerprint) {
        guchar bytes[32];
        for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = (guchar) (g_ascii_xdigit_value(fingerprint[2 * i]) << 4 |
                                     g_ascii_xdigit_value(fingerprint[2 * i + 1]));
        g_autofree char *text = g_base64_encode(bytes, sizeof bytes);
        return g_strconcat("sha256//", text, NULL);
}

Http *http_new(sd_event *event, const char *name, const HttpTrust *trust, GError **error) {
        static gsize is_ready = 0;
        if (g_once_init_enter(&is_ready)) {
                curl_global_init(CURL_GLOBAL_DEFAULT);
                g_once_init_leave(&is_ready, 1);
        }
        g_autoptr(Http) http = g_new0(Http, 1);
        http->event = sd_event_ref(event);
        http->name = g_strdup(name);
        http->no_verify = trust->no_verify;
        http->pin = trust->fingerprint ? pin_of(trust->fingerprint) : NULL;
        http->proxy = g_strdup(trust->proxy);
        http->multi = curl_multi_init();
        http->share = curl_share_init();
        http->sockets = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify) (void (*)(void)) sd_event_source_disable_unref);
        http->requests = g_hash_table_new_full(NULL, NULL, request_free, NULL);
        if (!http->multi || !http->share ||
            sd_event_add_time_relative(event, &http->timer, CLOCK_MONOTONIC, 0, TIMER_ACCURACY, on_time, http) < 0 ||
            sd_event_add_defer(event, &http->ready, on_ready, http) < 0) {
                virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "%s cannot be connected to: the host has no memory left",
                                  name);
                return NULL;
        }
        sd_event_source_set_enabled(http->timer, SD_EVENT_OFF);
        sd_event_source_set_enabled(http->ready, SD_EVENT_OFF);
        curl_share_setopt(http->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);
        curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
        curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
        curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timer);
        curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
        curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long) HTTP_CONNECTIONS_MAX);
        return g_steal_pointer(&http);
}

void http_free(Http *http) {
        if (!http)
                return;
        g_clear_pointer(&http->requests, g_hash_table_unref);
        if (http->multi)
                curl_multi_cleanup(http->multi);
        if (http->share)
                curl_share_cleanup(http->share);
        g_hash_table_unref(http->sockets);
        sd_event_source_disable_unref(http->timer);
        sd_event_source_disable_unref(http->ready);
        sd_event_unref(http->event);
        g_free(http->name);
        g_free(http->pin);
        g_free(http->proxy);
        g_free(http);
}
