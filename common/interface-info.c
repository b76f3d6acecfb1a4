/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "interface-info.h"

#include <stdlib.h>
#include <string.h>

/* MethodInfo, SignalInfo and PropertyInfo all begin with their name. */
static int compare_name(const void *name, const void *member) {
        return strcmp(name, *(const char *const *) member);
}

static const void *find(const char *name, const void *members, size_t n, size_t size) {
        return n == 0 ? NULL : bsearch(name, members, n, size, compare_name);
}

const InterfaceInfo *interface_find(const char *name) {
        for (size_t i = 0; interfaces[i]; i++)
                if (strcmp(interfaces[i]->name, name) == 0)
                        return interfaces[i];
        return NULL;
}

const MethodInfo *interface_method(const InterfaceInfo *interface, const char *name) {
        return find(name, interface->methods, interface->n_methods, sizeof(MethodInfo));
}

const SignalInfo *interface_signal(const InterfaceInfo *interface, const char *name) {
        return find(name, interface->signals, interface->n_signals, sizeof(SignalInfo));
}

int interface_property(const InterfaceInfo *interface, const char *name) {
        const PropertyInfo *found = find(name, interface->properties, interface->n_properties, sizeof(PropertyInfo));
        return found ? (int) (found - interface->properties) : -1;
}
