/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The agent in a guest. */

#include <stdio.h>
#include <string.h>

#include "ctl.h"

/* How long between two questions whether a program in a guest has ended, in microseconds. */
#define EXEC_PAUSE_MIN 5000
#define EXEC_PAUSE_MAX 500000

static GVariant *ask(Ctl *ctl, const char *path, const char *method, GVariant *arguments, GError **error) {
        GError *failure = NULL;
        GVariant *answer = ctl_call(ctl, path, "org.virtbus1.Domain.Guest", method, arguments, NULL, NULL, &failure);
        if (g_error_matches(failure, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT)) {
                g_clear_error(&failure);
                g_set_error(&failure, VIRTBUS_ERROR, VIRTBUS_ERROR_AGENT_UNAVAILABLE,
                            "the domain has no channel for an agent: attach one of type unix with the target name "
                            "org.qemu.guest_agent.0");
        }
        if (failure)
                g_propagate_error(error, failure);
        return answer;
}

static int agent_info(Ctl *ctl, const char *path) {
        static const char *const methods[] = { "GetHostName",   "GetOSInfo", "GetTimeZone",
                                               "GetInterfaces", "GetUsers",  "GetFileSystems" };
        g_autoptr(JsonObject) object = json_object_new();
        for (size_t i = 0; i < G_N_ELEMENTS(methods); i++) {
                g_autoptr(GError) error = NULL;
                g_autoptr(GVariant) answer = ask(ctl, path, methods[i], NULL, &error);
                if (!answer && i == 0)
                        return ctl_fail(g_steal_pointer(&error));
                if (!answer)
                        continue; /* an agent need not know everything */
                g_autoptr(GVariant) value =
                                g_variant_n_children(answer) == 1 ? g_variant_get_child_value(answer, 0) : g_variant_ref(answer);
                json_object_set_member(object, methods[i] + strlen("Get"), output_json_of(value));
        }
        g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), object);
        output_print_json(node);
        return EXIT_DONE;
}

/* Runs a program in the guest, and ends as it has. */
static int agent_exec(Ctl *ctl, const char *path, char **command) {
        g_autoptr(GError) error = NULL;
        GVariantBuilder none, bytes;
        gint64 pid;
        g_variant_builder_init(&none, G_VARIANT_TYPE("as"));
        g_variant_builder_init(&bytes, G_VARIANT_TYPE("ay"));
        g_autoptr(GVariant) begun = ask(ctl, path, "Exec",
                                        g_variant_new("(s^asasayb)", command[0], command + 1, &none, &bytes, TRUE), &error);
        if (!begun)
                return ctl_fail(g_steal_pointer(&error));
        g_variant_get(begun, "(x)", &pid);
        /* The agent's protocol tells of no end: it is asked, less and less often. */
        for (gulong pause = EXEC_PAUSE_MIN;; pause = MIN(pause * 2, EXEC_PAUSE_MAX)) {
                g_autoptr(GVariant) state = ask(ctl, path, "GetExecStatus", g_variant_new("(x)", pid), &error);
                gboolean has_ended = FALSE;
                if (!state)
                        return ctl_fail(g_steal_pointer(&error));
                g_variant_get_child(state, 0, "b", &has_ended);
                if (!has_ended) {
                        g_usleep(pause);
                        continue;
                }
                int status = EXIT_DONE;
                for (gsize i = 1; i < g_variant_n_children(state); i++) {
                        g_autoptr(GVariant) child = g_variant_get_child_value(state, i);
                        gsize n = 0;
                        if (g_variant_is_of_type(child, G_VARIANT_TYPE_BYTESTRING)) {
                                const char *data = g_variant_get_fixed_array(child, &n, 1);
                                fwrite(data, 1, n, i + 1 < g_variant_n_children(state) && i < 4 ? stdout : stderr);
                        } else if (i == 1 && g_variant_is_of_type(child, G_VARIANT_TYPE_INT32))
                                status = g_variant_get_int32(child);
                        else if (i == 1 && g_variant_is_of_type(child, G_VARIANT_TYPE_INT64))
                                status = (int) g_variant_get_int64(child);
                }
                fflush(stdout);
                return status;
        }
}

int verb_agent(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        const char *what = arguments[1] ? arguments[1] : "info";
        if (!domain)
                return status;
        g_autofree char *path = g_strdup_printf("%s/guest", ctl_path(domain));
        if (!virtbus_domain_get_active(domain)) {
                fprintf(stderr, "virtbusctl: domain '%s' is %s: there is no agent to ask until it is started\n",
                        virtbus_domain_get_name(domain), virtbus_domain_get_state(domain));
                return EXIT_FAILED;
        }
        if (strcmp(what, "info") == 0)
                return agent_info(ctl, path);
        if (strcmp(what, "exec") == 0 && arguments[2])
                return agent_exec(ctl, path, arguments + 2);
        if (strcmp(what, "ping") != 0) {
                fprintf(stderr, "virtbusctl: agent knows ping, info, and exec PROGRAM [ARGUMENT...]\n");
                return EXIT_USAGE;
        }
        g_autoptr(GVariant) answer = ask(ctl, path, "Ping", NULL, &error);
        return answer ? EXIT_DONE : ctl_fail(g_steal_pointer(&error));
}
