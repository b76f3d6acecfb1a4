/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "style.h"

#include <glib.h>
#include <string.h>

/* What is passed on as it is, from its beginning to its end: there are quotes in it that are none of attributes. */
static const struct { const char *begin, *end; } verbatim[] = { { "<!--", "-->" }, { "<![CDATA[", "]]>" }, { "<?", "?>" } };

static const char *append_value(GString *styled, const char *at) {
        for (; *at && *at != '"'; at++)
                if (*at == '\'')
                        g_string_append(styled, "&apos;");
                else
                        g_string_append_c(styled, *at);
        return at;
}

/* From '<' to '>', which may stand in an attribute. */
static const char *append_tag(GString *styled, const char *at) {
        for (; *at && *at != '>'; at += *at != '\0') {
                g_string_append_c(styled, *at == '"' ? '\'' : *at);
                if (*at == '"') {
                        at = append_value(styled, at + 1);
                        g_string_append_c(styled, '\'');
                } else if (*at == '\'') {
                        size_t length = strcspn(at + 1, "'");
                        g_string_append_len(styled, at + 1, (gssize) length);
                        g_string_append(styled, at[1 + length] ? "'" : "");
                        at += length + (at[1 + length] ? 1 : 0);
                }
        }
        return at;
}

static const char *append_verbatim(GString *styled, const char *at) {
        const char *end = NULL;
        for (size_t i = 0; !end && i < G_N_ELEMENTS(verbatim); i++)
                if (g_str_has_prefix(at, verbatim[i].begin)) {
                        end = strstr(at, verbatim[i].end);
                        end = end ? end + strlen(verbatim[i].end) : at + strlen(at);
                }
        if (end)
                g_string_append_len(styled, at, end - at);
        return end;
}

char *style_document(const char *text) {
        GString *styled = g_string_sized_new(strlen(text));
        const char *body = g_str_has_prefix(text, "<?xml ") ? strstr(text, "?>") : NULL;
        const char *at = body ? body + strlen("?>") : text;
        at += body ? strspn(at, "\r\n") : 0;
        while (*at) {
                const char *next = append_verbatim(styled, at);
                if (!next) {
                        next = *at == '<' ? append_tag(styled, at) : at;
                        if (*next)
                                g_string_append_c(styled, *next++);
                }
                at = next;
        }
        return g_string_free(styled, FALSE);
}
