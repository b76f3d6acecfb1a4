/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The names of the errors on D-Bus: for the service, the drivers and the client library. */

#include "virtbus-error.h"

#define PREFIX "org.virtbus1.Error."

static const char *const names[] = {
        [VIRTBUS_ERROR_NO_SUCH_DOMAIN] = PREFIX "NoSuchDomain",
        [VIRTBUS_ERROR_ALREADY_EXISTS] = PREFIX "AlreadyExists",
        [VIRTBUS_ERROR_INVALID_XML] = PREFIX "InvalidXML",
        [VIRTBUS_ERROR_INVALID_ARGUMENT] = PREFIX "InvalidArgument",
        [VIRTBUS_ERROR_OPERATION_INVALID] = PREFIX "OperationInvalid",
        [VIRTBUS_ERROR_UNSUPPORTED] = PREFIX "Unsupported",
        [VIRTBUS_ERROR_HYPERVISOR_FAILED] = PREFIX "HypervisorFailed",
        [VIRTBUS_ERROR_AGENT_UNAVAILABLE] = PREFIX "AgentUnavailable",
        [VIRTBUS_ERROR_TIMEOUT] = PREFIX "Timeout",
        [VIRTBUS_ERROR_CANCELLED] = PREFIX "Cancelled",
        [VIRTBUS_ERROR_RESOURCE_BUSY] = PREFIX "ResourceBusy",
        [VIRTBUS_ERROR_LIMIT_EXCEEDED] = PREFIX "LimitExceeded",
        [VIRTBUS_ERROR_ACCESS_DENIED] = "org.freedesktop.DBus.Error.AccessDenied",
        [VIRTBUS_ERROR_NO_SUCH_SECRET] = PREFIX "NoSuchSecret",
        [VIRTBUS_ERROR_NO_SUCH_NETWORK] = PREFIX "NoSuchNetwork",
        [VIRTBUS_ERROR_NO_SUCH_FILTER] = PREFIX "NoSuchFilter",
        [VIRTBUS_ERROR_NO_SUCH_INTERFACE] = PREFIX "NoSuchInterface",
        [VIRTBUS_ERROR_NO_SUCH_SNAPSHOT] = PREFIX "NoSuchSnapshot",
        [VIRTBUS_ERROR_NO_SUCH_CHECKPOINT] = PREFIX "NoSuchCheckpoint",
};

const char *virtbus_error_name(VirtbusError code) {
        return (size_t) code < G_N_ELEMENTS(names) ? names[code] : NULL;
}
