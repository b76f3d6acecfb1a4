/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/registry-answer.h"

#include "options.h"

bool registry_check_options(Call *call, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        bool fine = options_read(options, &error, NULL);
        if (!fine)
                call_fail(call, error);
        return fine;
}

void registry_answer_entry(void *call, Entry *entry, const GError *error) {
        if (entry)
                call_reply(call, "o", published_path(entry->published));
        else
                call_fail(call, error);
}

void registry_answer_nothing(void *call, Entry *entry, const GError *error) {
        (void) entry;
        if (error)
                call_fail(call, error);
        else
                call_reply(call, "");
}

void registry_answer_define(Call *call, Registry *registry, const char *xml, sd_bus_message *options) {
        if (registry_check_options(call, options))
                registry_define(registry, xml, call->uid, registry_answer_entry, call);
}
