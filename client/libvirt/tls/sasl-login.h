/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What hears by SASL who a client is, with Cyrus's library: a process of its own, which may read what that needs, such as
 * passwords and keys, and nothing else. Its word is believed; what speaks TLS with the client only carries the bytes. */

/* How long a client may take, in seconds: a person may have to type a password. */
#define SASL_LOGIN_SECONDS 120

/* Serves the client at SOCKET until it has proven who it is, or has not, and returns the exit status. Its name is sent to
 * FRONT, which answers with a byte where that is let in. FOLDER: of libvirt.conf, where SASL says its mechanisms and where its
 * passwords are; NULL for the library's own places. */
int sasl_login_run(int socket, int front, const char *folder);
