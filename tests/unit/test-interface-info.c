/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "interfaces.h"

#include <glib.h>
#include <string.h>

static void test_members_are_found_by_name(void) {
        for (size_t i = 0; interfaces[i]; i++) {
                const InterfaceInfo *interface = interfaces[i];
                g_assert_true(interface_find(interface->name) == interface);
                for (size_t j = 0; j < interface->n_methods; j++)
                        g_assert_true(interface_method(interface, interface->methods[j].name) == &interface->methods[j]);
                for (size_t j = 0; j < interface->n_signals; j++)
                        g_assert_true(interface_signal(interface, interface->signals[j].name) == &interface->signals[j]);
                for (size_t j = 0; j < interface->n_properties; j++)
                        g_assert_cmpint(interface_property(interface, interface->properties[j].name), ==, (int) j);
                g_assert_null(interface_method(interface, "Nothing"));
                g_assert_null(interface_signal(interface, ""));
                g_assert_cmpint(interface_property(interface, "Nothing"), ==, -1);
        }
        g_assert_null(interface_find("org.virtbus1.Nothing"));
        g_assert_cmpint(interface_property(&interface_domain, "State"), ==, DOMAIN_STATE);
}

/* What anybody may call: it changes nothing, and shows nothing of domains. */
static const char *const public_methods[] = {
        "OpenConnection", "GetCapabilities", "GetDomainCapabilities", "GetCPUModels", "CompareCPU", "BaselineCPU", NULL
};

static void test_everything_that_changes_something_has_an_action(void) {
        for (size_t i = 0; interfaces[i]; i++)
                for (size_t j = 0; j < interfaces[i]->n_methods; j++)
                        if (interfaces[i]->methods[j].action)
                                g_assert_true(g_str_has_prefix(interfaces[i]->methods[j].action, "org.virtbus1."));
                        else /* what only looks up what is public */
                                g_assert_true(g_strv_contains(public_methods, interfaces[i]->methods[j].name));
        g_assert_cmpstr(interface_domain.properties[DOMAIN_AUTOSTART].write_action, ==, "org.virtbus1.domain.define");
        g_assert_null(interface_domain.properties[DOMAIN_NAME].write_action);
        g_assert_null(interface_find("org.virtbus1.Driver")); /* private: never on the bus */
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/interface-info/members-are-found-by-name", test_members_are_found_by_name);
        g_test_add_func("/interface-info/everything-that-changes-something-has-an-action",
                        test_everything_that_changes_something_has_an_action);
        return g_test_run();
}
