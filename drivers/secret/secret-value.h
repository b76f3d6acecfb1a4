/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A secret's value in memory, wiped when it goes, and the form of the file that it is kept in.
 *
 * A file's first line says its format, its form, and the digest of what follows, which is base64: of the value itself, or what
 * systemd-creds(1) has made of it. A file whose digest is another is damaged. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* The largest value, in bytes: as in libvirt. None has no bytes. */
#define SECRET_VALUE_BYTES_MAX (64 * 1024)

/* The largest file of one: systemd-creds adds a header, and base64 a third. */
#define SECRET_FILE_BYTES_MAX (4 * SECRET_VALUE_BYTES_MAX)

/* How long a client may take to write a value into its pipe, in milliseconds. */
#define SECRET_CLIENT_PATIENCE 10000

typedef struct SecretValue {
        size_t size;
        uint8_t bytes[];
} SecretValue;

/* A copy; NULL with InvalidArgument for none, LimitExceeded for too many bytes. */
SecretValue *secret_value_new(const void *bytes, size_t size, GError **error);
void secret_value_free(SecretValue *value);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SecretValue, secret_value_free)

/* Reads a descriptor to its end. It may be a pipe, and waits: for a worker. */
SecretValue *secret_value_read(int fd, GError **error);

/* A file in memory that nobody can change, at its beginning; or -1. */
int secret_value_to_memory(const SecretValue *value, GError **error);

/* Text with a value in it: wiped, then freed. NULL is nothing. */
void secret_text_free(char *text);

typedef enum ValueForm {
        VALUE_PLAIN,
        VALUE_SEALED, /* by systemd-creds */
} ValueForm;

/* The text of a file; of a plain one it is to be freed by secret_text_free. */
char *secret_file_of_value(const SecretValue *value);
char *secret_file_of_sealed(const char *sealed);

/* Reads the first line; *REST is what follows. InvalidXML: it is damaged. Unsupported: a later version has written it. */
bool secret_file_parse(const char *text, ValueForm *form, const char **rest, GError **error);

/* Reads what follows it in a plain file. */
SecretValue *secret_value_from_plain(const char *rest, GError **error);
