/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* HTTP to one server elsewhere, by libcurl, in the event loop: nothing here waits. A server is a stranger: what it sends is
 * bounded in bytes and time, it is who it says by its certificate, and it leads us nowhere else. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/* How long it may take until a server is connected to, in microseconds. */
#define HTTP_CONNECT_TIMEOUT (10 * UINT64_C(1000000))

/* The headers of one answer; requests that are at work at once, others are refused; connections to the server, for which
 * requests wait. */
#define HTTP_HEADER_BYTES_MAX (64 * 1024)
#define HTTP_REQUESTS_MAX 256
#define HTTP_CONNECTIONS_MAX 8

/* Names a file of certificates of authorities, in the environment of the driver; otherwise those of the system. */
#define HTTP_AUTHORITIES_VARIABLE "VIRTBUS_REMOTE_CA"

typedef struct Http Http;
typedef struct HttpRequest HttpRequest;

/* How the server is reached, and who it must be. */
typedef struct HttpTrust {
        bool no_verify;          /* whoever answers is believed */
        const char *fingerprint; /* SHA-256 of the only public key that is believed, in 64 hexadecimal digits; or NULL */
        const char *proxy;       /* "socks5://host:port"; or NULL */
} HttpTrust;

typedef enum HttpMethod { HTTP_GET, HTTP_POST, HTTP_PUT } HttpMethod;

typedef struct HttpQuestion {
        HttpMethod method;
        const char *url;
        const char *const *headers; /* "NAME: VALUE", NULL at the end; or NULL */
        const char *body;           /* copied */
        size_t length;
        const char *username, *password; /* Basic, Negotiate or NTLM, as the server asks; or NULL */
        size_t bytes_max;                /* of the answer's body: more is LimitExceeded */
        uint64_t patience;               /* microseconds that the whole may take */
} HttpQuestion;

typedef struct HttpAnswer {
        long status;
        const char *body; /* with a NUL behind it */
        size_t length;
} HttpAnswer;

/* Called once, not before http_ask has returned: with an answer of any status, or with why there is none: Timeout,
 * LimitExceeded, AccessDenied where the server is not who it must be, ResourceBusy where too much is asked of it already, else
 * HypervisorFailed. */
typedef void (*HttpDone)(void *data, const HttpAnswer *answer, const GError *error);

/* NAME is the server's in errors. */
Http *http_new(sd_event *event, const char *name, const HttpTrust *trust, GError **error);

/* Lets go of all that is asked: nobody is told. */
void http_free(Http *http);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Http, http_free)

/* The cookies that the server gives are sent back to it. */
HttpRequest *http_ask(Http *http, const HttpQuestion *question, HttpDone done, void *data);

/* Forgets a request: DONE is not called. */
void http_cancel(HttpRequest *request);
