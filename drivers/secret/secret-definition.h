/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A secret's document: its text, kept whole, and what it says. What is not libvirt's secret format is refused by name: nothing
 * in a document is ignored. Definitions do not change. */

#include <stdbool.h>

#include "base/xml.h"

/* How long a usage's name may be, in bytes: as a path. */
#define SECRET_USAGE_BYTES_MAX 4096

/* How long a description may be, in bytes. */
#define SECRET_DESCRIPTION_BYTES_MAX (16 * 1024)

/* What a secret is for. At most one secret has a usage of the same type and name. */
typedef enum SecretUsage {
        SECRET_USAGE_NONE,
        SECRET_USAGE_VOLUME, /* an encrypted volume, by its path */
        SECRET_USAGE_CEPH,   /* a user of Ceph's */
        SECRET_USAGE_ISCSI,  /* a target that asks for a password */
        SECRET_USAGE_TLS,    /* a private key */
        SECRET_USAGE_VTPM,   /* the state of an emulated TPM */
        N_SECRET_USAGES,
} SecretUsage;

/* Strings are never NULL. */
typedef struct SecretDefinition {
        char *xml; /* with the UUID, ephemeral and private, whether or not the document had them */
        char *uuid;
        char *description; /* or empty */
        SecretUsage usage;
        char *usage_id;  /* empty where there is no usage */
        char *usage_key; /* of type and name: what is unique; NULL where there is no usage */
        bool ephemeral;  /* never written to a disk */
        bool is_private; /* its value is given to drivers only */
} SecretDefinition;

/* Reads a document that a user wrote. What it leaves out is chosen: a random UUID, ephemeral='no', private='no'. */
SecretDefinition *secret_definition_parse(const char *xml, GError **error);

/* Reads a parsed document, which gets what it leaves out. */
SecretDefinition *secret_definition_from_document(xmlDoc *document, GError **error);

void secret_definition_free(SecretDefinition *definition);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SecretDefinition, secret_definition_free)

/* "none", "volume", "ceph" ... */
const char *secret_usage_name(SecretUsage usage);

/* The key of a usage by its type's name, to be freed; NULL with InvalidArgument for a type that is not known, or has no names. */
char *secret_usage_key(const char *type, const char *id, GError **error);
