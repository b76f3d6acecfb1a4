/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "errors.h"
#include "fd-groups.h"

#define OPTIONS_MAX 16 /* that a method has */

typedef struct Option {
        const char *name;
        int type;
        void *value;
        bool given;
} Option;

/* The signature of a type. */
static const char *signature_of(const Option *option, char basic[2]) {
        basic[0] = (char) option->type;
        basic[1] = '\0';
        return option->type == OPTION_FDS ? FD_GROUPS_SIGNATURE : basic;
}

static bool refuse(GError **error, sd_bus_message *message, const char *name, const char *what, const Option *options, size_t n) {
        g_autoptr(GString) known = g_string_new(NULL);
        char basic[2];
        for (size_t i = 0; i < n; i++)
                g_string_append_printf(known, "%s%s (%s)", i > 0 ? ", " : "", options[i].name, signature_of(&options[i], basic));
        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s: option '%.64s' %s; options are: %s",
                                 sd_bus_message_get_member(message), name, what, n > 0 ? known->str : "none");
}

static Option *find_option(Option *options, size_t n, const char *name) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(options[i].name, name) == 0)
                        return &options[i];
        return NULL;
}

static int store(sd_bus_message *message, const Option *option, GError **error) {
        char basic[2];
        int boolean, r = sd_bus_message_enter_container(message, 'v', signature_of(option, basic));
        if (r < 0)
                return r;
        if (option->type == OPTION_FDS)
                return fd_groups_read(message, option->value, error) ? sd_bus_message_exit_container(message) : -EINVAL;
        r = sd_bus_message_read_basic(message, (char) option->type, option->type == 'b' ? &boolean : option->value);
        if (r < 0)
                return r;
        if (option->type == 'b')
                *(bool *) option->value = boolean;
        return sd_bus_message_exit_container(message);
}

bool options_read(sd_bus_message *message, GError **error, ...) {
        Option options[OPTIONS_MAX];
        size_t n = 0;
        va_list arguments;
        va_start(arguments, error);
        for (const char *name; n < OPTIONS_MAX && (name = va_arg(arguments, const char *)); n++) {
                options[n].name = name;
                options[n].type = va_arg(arguments, int);
                options[n].value = va_arg(arguments, void *);
                options[n].given = false;
        }
        va_end(arguments);

        char basic[2];
        g_autoptr(GError) refused = NULL;
        int r = sd_bus_message_enter_container(message, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
                const char *name, *contents;
                r = sd_bus_message_read_basic(message, 's', &name);
                if (r < 0)
                        break;
                Option *option = find_option(options, n, name);
                if (!option)
                        return refuse(error, message, name, "is unknown", options, n);
                if (option->given)
                        return refuse(error, message, name, "is given twice", options, n);
                r = sd_bus_message_peek_type(message, NULL, &contents);
                if (r < 0)
                        break;
                if (strcmp(contents, signature_of(option, basic)) != 0)
                        return refuse(error, message, name, "has another type", options, n);
                r = store(message, option, &refused);
                if (r < 0)
                        break;
                option->given = true;
                r = sd_bus_message_exit_container(message);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        if (refused)
                g_propagate_error(error, g_steal_pointer(&refused));
        else if (r < 0)
                virtbus_error_set_errno(error, -r, "%s: the options cannot be read", sd_bus_message_get_member(message));
        return r >= 0;
}

bool path_check(const char *path, GError **error) {
        return path[0] == '/' ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "'%.256s' is not an absolute path", path);
}
