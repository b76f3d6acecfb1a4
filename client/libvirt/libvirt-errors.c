/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt-errors.h"

#include <gio/gio.h>
#include <string.h>

#define LEVEL_ERROR 2
#define PREFIX "org.virtbus1.Error."
#define BUS "org.freedesktop.DBus.Error."

static const struct {
        const char *name;
        LibvirtErrorCode code;
} codes[] = {
        { PREFIX "NoSuchDomain", LIBVIRT_NO_DOMAIN },
        { PREFIX "NoSuchNetwork", LIBVIRT_NO_NETWORK },
        { PREFIX "NoSuchFilter", LIBVIRT_NO_FILTER },
        { PREFIX "NoSuchInterface", LIBVIRT_NO_INTERFACE },
        { PREFIX "NoSuchSecret", LIBVIRT_NO_SECRET },
        { PREFIX "NoSuchSnapshot", LIBVIRT_NO_SNAPSHOT },
        { PREFIX "NoSuchCheckpoint", LIBVIRT_NO_CHECKPOINT },
        { PREFIX "AlreadyExists", LIBVIRT_OPERATION_FAILED },
        { PREFIX "InvalidXML", LIBVIRT_XML_ERROR },
        { PREFIX "InvalidArgument", LIBVIRT_INVALID_ARG },
        { PREFIX "OperationInvalid", LIBVIRT_OPERATION_INVALID },
        { PREFIX "Unsupported", LIBVIRT_UNSUPPORTED },
        { PREFIX "HypervisorFailed", LIBVIRT_INTERNAL_ERROR },
        { PREFIX "AgentUnavailable", LIBVIRT_AGENT_UNRESPONSIVE },
        { PREFIX "Timeout", LIBVIRT_OPERATION_TIMEOUT },
        { PREFIX "Cancelled", LIBVIRT_OPERATION_ABORTED },
        { PREFIX "ResourceBusy", LIBVIRT_RESOURCE_BUSY },
        { PREFIX "LimitExceeded", LIBVIRT_OVERFLOW },
        { BUS "AccessDenied", LIBVIRT_ACCESS_DENIED },
        { BUS "AuthFailed", LIBVIRT_ACCESS_DENIED },
        { BUS "InteractiveAuthorizationRequired", LIBVIRT_AUTH_UNAVAILABLE },
        { BUS "UnknownMethod", LIBVIRT_NO_SUPPORT },
        { BUS "UnknownInterface", LIBVIRT_NO_SUPPORT },
        { BUS "UnknownProperty", LIBVIRT_NO_SUPPORT },
        { BUS "UnknownObject", LIBVIRT_NO_DOMAIN },
        { BUS "NoReply", LIBVIRT_OPERATION_TIMEOUT },
        { BUS "LimitsExceeded", LIBVIRT_OVERFLOW },
        { BUS "NoMemory", LIBVIRT_NO_MEMORY },
};

G_DEFINE_QUARK(libvirt - error - quark, libvirt_error)

bool libvirt_error_set(GError **error, LibvirtErrorCode code, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *message = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        g_set_error_literal(error, LIBVIRT_ERROR, code, message);
        return false;
}

GError *libvirt_error_from_name(const char *name, const char *message) {
        LibvirtErrorCode code = LIBVIRT_INTERNAL_ERROR;
        for (size_t i = 0; i < G_N_ELEMENTS(codes); i++)
                if (g_strcmp0(codes[i].name, name) == 0)
                        code = codes[i].code;
        return g_error_new_literal(LIBVIRT_ERROR, code, message);
}

GError *libvirt_error_from_bus(GError *error) {
        if (error->domain == LIBVIRT_ERROR)
                return error;
        g_autoptr(GError) taken = error;
        g_autofree char *name = g_dbus_error_get_remote_error(taken);
        g_dbus_error_strip_remote_error(taken);
        return libvirt_error_from_name(name, taken->message);
}

GVariant *libvirt_error_body(const GError *error, LibvirtErrorDomain domain) {
        g_autofree char *message = g_utf8_make_valid(error->message, -1);
        GVariant *no_domain = g_variant_new_maybe(G_VARIANT_TYPE("(ssi)"), NULL);
        GVariant *no_network = g_variant_new_maybe(G_VARIANT_TYPE("(ss)"), NULL);
        /* libvirt's clients take the first of these strings for the message's format, the second for what is filled in. */
        return g_variant_new("(iimsi@m(ssi)msmsmsii@m(ss))", error->code, domain, message, LEVEL_ERROR, no_domain, "%s", message,
                             NULL, -1, -1, no_network);
}
