/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* X.509 credentials for what QEMU connects to, or lets connect. They lie where libvirt's do. */

#include "qemu/command/builder.h"

/* The folder of the credentials for USE, "chardev", "nbd" or "vnc": libvirt-USE below /etc/pki ($VIRTBUS_PKI) where it is
 * there, else qemu. */
char *build_tls_folder(const char *use);

/* The object of the credentials for an element that has tls='yes'. Their key's password is the value of the secret that was
 * fetched for it, if any: of usage tls, named by the folder. OF is what the objects' IDs are made of. Returns the object's ID. */
const char *build_tls(Builder *builder, const xmlNode *element, const char *of, bool is_server);

/* What makes the object of that ID: SECRET is the ID of that of its key's password, or NULL. */
JsonObject *build_tls_credentials(const char *id, const char *folder, bool is_server, const char *secret);

/* The IDs of those objects, to remove them: to be freed. */
char *build_tls_object_id(const char *of);
char *build_tls_secret_id(const char *of);
