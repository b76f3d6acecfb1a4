/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a driver finds when it starts: a file of a running domain, of a definition, or of what a QEMU can do, told apart by how it
 * begins. All of it may be damaged, and costs itself alone. */

#include <string.h>

#include "domain/connection-table.h"
#include "qemu/monitor/capabilities-xml.h"
#include "stage.h"

/* Beside what the input is. */
#define NEIGHBOUR "a1b2c3d4-0000-4000-8000-000000000002"
static const char neighbour[] =
                "<?virtbus owner=\"0\" autostart=\"no\"?><domain type='qemu'><name>neighbour</name><uuid>" NEIGHBOUR
                "</uuid><memory unit='MiB'>64</memory><os><type arch='x86_64' machine='pc'>hvm</type></os></domain>";

static void use_capabilities(const char *text) {
        static const char *const machines[] = { "pc", "q35", "none" };
        static const char *const paths[] = { "/code", NULL };
        static const CapabilitiesInstalled installed = { paths, true, true };
        g_autoptr(Capabilities) capabilities = capabilities_parse(text);
        if (!capabilities)
                return;
        g_autoptr(GPtrArray) cpus = capabilities_cpus(capabilities, capabilities_has_kvm(capabilities));
        for (size_t i = 0; i < 2 * G_N_ELEMENTS(machines); i++) {
                g_autoptr(GError) error = NULL;
                g_autofree char *xml =
                                capabilities_domain_xml(capabilities, "/q", machines[i / 2], i % 2, &installed, NULL, &error);
                if (!xml)
                        fuzz_check_error(error);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        g_autofree char *text = g_strndup((const char *) data, size);
        Stage stage;
        if (text[0] == '{') {
                use_capabilities(text);
                return 0;
        }
        stage_clean();
        stage_write("state/domains/" NEIGHBOUR ".xml", neighbour);
        stage_write(strstr(text, "virtbus-status") ? "run/domains/" STAGE_UUID ".xml" : "state/domains/" STAGE_UUID ".xml", text);
        stage_open(&stage);
        g_assert_nonnull(connection_find(stage.connection, NEIGHBOUR));
        stage_close(&stage);
        return 0;
}
