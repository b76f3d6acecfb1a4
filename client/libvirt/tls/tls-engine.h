/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What speaks TLS with a client that nobody knows yet: a process of its own without any rights, which reads the client's first
 * byte. What it says of the client is believed; all that it could do is to lie about it. */

#include <glib.h>
#include <stdbool.h>

/* How long a client may take until its certificate is known, in seconds. */
#define TLS_HANDSHAKE_SECONDS 15

/* The server's certificate, its key, the authorities, and the certificates that these have taken back: PEM; the last may be
 * NULL. */
typedef struct TlsFiles {
        GBytes *certificate, *key, *authorities, *revoked;
} TlsFiles;

/* How clients are known. */
typedef struct TlsLogin {
        bool needs_certificate;
        int socket; /* of what hears who a client is (tls/sasl-login.h), and tells the front; -1: its certificate tells */
} TlsLogin;

/* Serves the client at SOCKET, and returns the exit status. When it is known, FRONT sends the descriptor of what it is
 * connected with; the bytes go to and fro, until one side ends. */
int tls_engine_run(int socket, const TlsFiles *files, const TlsLogin *login, int front);
