/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the networks' driver finds of a network that runs, when it starts. It may be damaged, and costs itself alone. */

#include <string.h>

#include "base/registry.h"
#include "fuzz.h"
#include "network/run-state.h"

#define UUID "f52a81b2-424e-490c-823d-6bd4235bc573"

static Networks *open_networks(sd_event *event) {
        g_autoptr(GError) error = NULL;
        g_autofree char *state = g_build_filename(fuzz_folder(), "state", NULL),
                        *runtime = g_build_filename(fuzz_folder(), "run", NULL);
        Networks *networks = (Networks *) registry_open(&networks_kind, event, state, runtime, &error);
        g_assert_no_error(error);
        return networks;
}

/* What was read is written as the same. */
static void check_kept(Networks *networks, const NetworkRun *run) {
        g_autoptr(GError) error = NULL;
        g_autofree char *path = g_strdup_printf("%s/run/networks/" UUID ".xml", fuzz_folder()), *text = NULL;
        g_assert_true(run_state_save(run, &error));
        g_assert_true(g_file_get_contents(path, &text, NULL, &error));
        g_autoptr(xmlDoc) document = xml_parse_own(text, "networkstatus", &error);
        g_assert_no_error(error);
        g_assert_true(xml_child(xmlDocGetRootElement(document), "network"));
        store_save_status(networks->registry.store, UUID, NULL, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        g_autofree char *text = g_strndup((const char *) data, size);
        g_autoptr(GError) error = NULL;
        sd_event *event = NULL;
        g_autoptr(xmlDoc) document = xml_parse_own(text, "networkstatus", &error);
        if (!document) {
                fuzz_check_error(error);
                return 0;
        }
        g_assert_cmpint(sd_event_new(&event), >=, 0);
        Networks *networks = open_networks(event);
        NetworkRun *run = run_state_read(networks, xmlDocGetRootElement(document), UUID, &error);
        if (run) {
                check_kept(networks, run);
                run_state_free(run);
        } else
                fuzz_check_error(error);
        registry_close(&networks->registry);
        sd_event_unref(event);
        return 0;
}
