/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * VirtbusError:
 * @VIRTBUS_ERROR_NO_SUCH_DOMAIN: There is no such domain.
 * @VIRTBUS_ERROR_ALREADY_EXISTS: There is one of that name, UUID or number already.
 * @VIRTBUS_ERROR_INVALID_XML: A document is wrong: the message has line and element.
 * @VIRTBUS_ERROR_INVALID_ARGUMENT: An argument or an option cannot be used.
 * @VIRTBUS_ERROR_OPERATION_INVALID: The object's state does not allow it: the message says which state that is.
 * @VIRTBUS_ERROR_UNSUPPORTED: The hypervisor, or this host, cannot do it.
 * @VIRTBUS_ERROR_HYPERVISOR_FAILED: The hypervisor has failed: the message has its own words.
 * @VIRTBUS_ERROR_AGENT_UNAVAILABLE: The guest has no agent, or none that listens.
 * @VIRTBUS_ERROR_TIMEOUT: There was no answer in time.
 * @VIRTBUS_ERROR_CANCELLED: Somebody has cancelled it.
 * @VIRTBUS_ERROR_RESOURCE_BUSY: Somebody else uses what it needs.
 * @VIRTBUS_ERROR_LIMIT_EXCEEDED: It would be more than can be, or may be.
 * @VIRTBUS_ERROR_ACCESS_DENIED: D-Bus's own: the caller may not.
 * @VIRTBUS_ERROR_NO_SUCH_SECRET: There is no such secret.
 * @VIRTBUS_ERROR_NO_SUCH_NETWORK: There is no such network.
 * @VIRTBUS_ERROR_NO_SUCH_FILTER: There is no such network filter.
 * @VIRTBUS_ERROR_NO_SUCH_INTERFACE: There is no such network interface.
 * @VIRTBUS_ERROR_NO_SUCH_SNAPSHOT: The domain has no such snapshot.
 * @VIRTBUS_ERROR_NO_SUCH_CHECKPOINT: The domain has no such checkpoint.
 *
 * The errors of virtbus, which its service answers as `org.virtbus1.Error.NoSuchDomain` and so on.
 *
 * Since: 0.1
 */
typedef enum VirtbusError {
        VIRTBUS_ERROR_NO_SUCH_DOMAIN,
        VIRTBUS_ERROR_ALREADY_EXISTS,
        VIRTBUS_ERROR_INVALID_XML,
        VIRTBUS_ERROR_INVALID_ARGUMENT,
        VIRTBUS_ERROR_OPERATION_INVALID,
        VIRTBUS_ERROR_UNSUPPORTED,
        VIRTBUS_ERROR_HYPERVISOR_FAILED,
        VIRTBUS_ERROR_AGENT_UNAVAILABLE,
        VIRTBUS_ERROR_TIMEOUT,
        VIRTBUS_ERROR_CANCELLED,
        VIRTBUS_ERROR_RESOURCE_BUSY,
        VIRTBUS_ERROR_LIMIT_EXCEEDED,
        VIRTBUS_ERROR_ACCESS_DENIED,
        VIRTBUS_ERROR_NO_SUCH_SECRET,
        VIRTBUS_ERROR_NO_SUCH_NETWORK,
        VIRTBUS_ERROR_NO_SUCH_FILTER,
        VIRTBUS_ERROR_NO_SUCH_INTERFACE,
        VIRTBUS_ERROR_NO_SUCH_SNAPSHOT,
        VIRTBUS_ERROR_NO_SUCH_CHECKPOINT
} VirtbusError;

#define VIRTBUS_ERROR (virtbus_error_quark())
GQuark virtbus_error_quark(void);

/**
 * virtbus_error_name: (skip)
 * @code: an error
 *
 * Returns: (nullable): the error's name on D-Bus; %NULL for any other number
 *
 * Since: 0.1
 */
const char *virtbus_error_name(VirtbusError code);

G_END_DECLS
