/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine.h"

#include <string.h>
#include <unistd.h>

#define NODES_MAX 1024

static char *text_of(const char *format, va_list arguments) {
        char *text = NULL;
        g_autofree char *path = g_strdup_vprintf(format, arguments);
        return g_file_get_contents(path, &text, NULL, NULL) ? text : NULL;
}

char *machine_text(const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        char *text = text_of(format, arguments);
        va_end(arguments);
        return text;
}

bool machine_number(uint64_t *number, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *text = text_of(format, arguments);
        va_end(arguments);
        if (text)
                *number = g_ascii_strtoull(text, NULL, 10);
        return text != NULL;
}

bool machine_value(const char *text, const char *name, uint64_t *value) {
        const char *at = text ? strstr(text, name) : NULL;
        if (at)
                *value = g_ascii_strtoull(at + strlen(name), NULL, 10);
        return at != NULL;
}

int32_t machine_nodes(void) {
        int32_t nodes = 0;
        for (bool found = true; found && nodes < NODES_MAX; nodes += found) {
                g_autofree char *path = g_strdup_printf("/sys/devices/system/node/node%d", nodes);
                found = access(path, F_OK) == 0;
        }
        return MAX(nodes, 1);
}
