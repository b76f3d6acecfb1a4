/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* VMware's configuration of a machine, a .vmx file: lines of KEY = "VALUE", keys in any case. Who reads one takes from it what
 * it makes something of; the rest is known: as what says nothing of the machine (vmx-keys.h), or as what is left. The first
 * fault found stays; what is read after it is the default. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* A stranger's file: more of it is refused. VMware's own have some hundred lines of some hundred bytes. */
#define VMX_BYTES_MAX (512 * 1024)
#define VMX_LINE_BYTES_MAX (64 * 1024)
#define VMX_KEYS_MAX 8192
#define VMX_KEY_BYTES_MAX 256

typedef struct VmxFile VmxFile;

/* Reads a text, which is UTF-8. InvalidArgument names the line; LimitExceeded. */
VmxFile *vmx_file_parse(const char *text, GError **error);
void vmx_file_free(VmxFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmxFile, vmx_file_free)

/* The text of a file's bytes, in UTF-8, as its line .encoding says. */
char *vmx_file_decode(const char *bytes, gsize length, GError **error);

/* The value of a key, whose name is formatted, in plain text; NULL where there is none, or it is empty. It
 * counts as taken. vmx_file_peek does not take it. */
const char *vmx_file_take(VmxFile *file, const char *format, ...) G_GNUC_PRINTF(2, 3);
const char *vmx_file_peek(const VmxFile *file, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Whether it has a key, whatever its value. */
bool vmx_file_has(const VmxFile *file, const char *key);

/* The same as true or false, and as a number from MIN to MAX; OTHERWISE where there is none. "unlimited" and "" are none. */
bool vmx_file_take_flag(VmxFile *file, bool otherwise, const char *format, ...) G_GNUC_PRINTF(3, 4);
int64_t vmx_file_take_number(VmxFile *file, int64_t min, int64_t max, int64_t otherwise, const char *format, ...)
                G_GNUC_PRINTF(5, 6);

/* What begins so is left as it is: taken by nobody. */
void vmx_file_give_back(VmxFile *file, const char *prefix);

/* Sets the first fault: "NAME: ..." is the caller's to write. Returns false. */
bool vmx_file_fail(VmxFile *file, const char *format, ...) G_GNUC_PRINTF(2, 3);
bool vmx_file_has_failed(const VmxFile *file);
GError *vmx_file_steal_error(VmxFile *file);

/* Each key in the order of the file, with its value as it is written. */
typedef void (*VmxEach)(void *data, const char *key, const char *value, bool is_taken);
void vmx_file_each(const VmxFile *file, VmxEach each, void *data);

/* A text with what is between '|' and two hexadecimal digits, or MARK instead of '|', as the character that they say; NULL
 * where that is not UTF-8, or may not be in a document. And a text so written, of which the characters of SPECIAL, and
 * controls, are marked. To be freed. */
char *vmx_unescape(const char *text, char mark);
char *vmx_escape(const char *text, char mark, const char *special);

/* Writes one line; VALUE is plain text. */
void vmx_put(GString *out, const char *value, const char *key_format, ...) G_GNUC_PRINTF(3, 4);
