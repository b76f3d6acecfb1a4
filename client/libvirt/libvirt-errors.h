/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libvirt's errors: GErrors whose codes are libvirt's numbers, which clients compare. */

#include <glib.h>
#include <stdbool.h>

typedef enum LibvirtErrorCode {
        LIBVIRT_UNSUPPORTED = -1, /* never told: which of libvirt's three it is depends on the call */
        LIBVIRT_INTERNAL_ERROR = 1,
        LIBVIRT_NO_MEMORY = 2,
        LIBVIRT_NO_SUPPORT = 3,
        LIBVIRT_NO_CONNECT = 5,
        LIBVIRT_INVALID_ARG = 8,
        LIBVIRT_OPERATION_FAILED = 9,
        LIBVIRT_XML_ERROR = 27,
        LIBVIRT_OPERATION_DENIED = 29,
        LIBVIRT_XML_DETAIL = 35,
        LIBVIRT_SYSTEM_ERROR = 38,
        LIBVIRT_RPC = 39,
        LIBVIRT_NO_DOMAIN = 42,
        LIBVIRT_NO_NETWORK = 43,
        LIBVIRT_AUTH_FAILED = 45,
        LIBVIRT_OPERATION_INVALID = 55,
        LIBVIRT_NO_INTERFACE = 57,
        LIBVIRT_MULTIPLE_INTERFACES = 59,
        LIBVIRT_NO_FILTER = 62,
        LIBVIRT_NO_SECRET = 66,
        LIBVIRT_CONFIG_UNSUPPORTED = 67,
        LIBVIRT_OPERATION_TIMEOUT = 68,
        LIBVIRT_NO_SNAPSHOT = 72,
        LIBVIRT_ARGUMENT_UNSUPPORTED = 74,
        LIBVIRT_NO_DOMAIN_METADATA = 80,
        LIBVIRT_OPERATION_ABORTED = 78,
        LIBVIRT_OVERFLOW = 82,
        LIBVIRT_OPERATION_UNSUPPORTED = 84,
        LIBVIRT_AGENT_UNRESPONSIVE = 86,
        LIBVIRT_RESOURCE_BUSY = 87,
        LIBVIRT_ACCESS_DENIED = 88,
        LIBVIRT_CPU_INCOMPATIBLE = 91,
        LIBVIRT_AUTH_UNAVAILABLE = 94,
        LIBVIRT_DEVICE_MISSING = 99,
        LIBVIRT_NO_FILTER_BINDING = 101,
        LIBVIRT_NO_NETWORK_PORT = 107,
        LIBVIRT_NO_CHECKPOINT = 103,
        LIBVIRT_NO_BACKUP = 104,
} LibvirtErrorCode;

/* Who an error is from. */
typedef enum LibvirtErrorDomain {
        LIBVIRT_FROM_NONE = 0,
        LIBVIRT_FROM_RPC = 7,
        LIBVIRT_FROM_QEMU = 10,
        LIBVIRT_FROM_TEST = 12,
        LIBVIRT_FROM_LXC = 17,
        LIBVIRT_FROM_NETWORK = 19,
        LIBVIRT_FROM_DOMAIN = 20,
        LIBVIRT_FROM_INTERFACE = 26,
        LIBVIRT_FROM_ESX = 28,
        LIBVIRT_FROM_SECRET = 30,
        LIBVIRT_FROM_FILTER = 33,
        LIBVIRT_FROM_STREAMS = 38,
        LIBVIRT_FROM_VMWARE = 39,
        LIBVIRT_FROM_POLKIT = 60,
} LibvirtErrorDomain;

#define LIBVIRT_ERROR (libvirt_error_quark())
GQuark libvirt_error_quark(void);

/* Sets an error of this domain. Returns false, to be returned. */
bool libvirt_error_set(GError **error, LibvirtErrorCode code, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* What libvirt would call an error that the bus has answered with. Takes ERROR; an error of this domain is returned as it is. */
GError *libvirt_error_from_bus(GError *error);

/* The same of an error that a signal has named. */
GError *libvirt_error_from_name(const char *name, const char *message);

/* The body of an answer that is an error: see WIRE_ERROR. */
GVariant *libvirt_error_body(const GError *error, LibvirtErrorDomain domain);
