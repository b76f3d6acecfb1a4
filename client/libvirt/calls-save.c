/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Saving and restoring. The bus answers with jobs; libvirt's clients wait for their end. */

#include "calls.h"
#include "rows.h"

#define DOMAIN INTERFACE("Domain")
#define CONNECTION INTERFACE("Connection")

#define SAVE_RUNNING 2
#define SAVE_PAUSED 4

static const FlagOption save_flags[] = { { SAVE_RUNNING, "running" }, { SAVE_PAUSED, "paused" }, {} };

/* The procedures with a document have it where the others have nothing. */
static const char *document_of(const Call *call) {
        bool has_document =
                        call->row->procedure == REMOTE_DOMAIN_SAVE_FLAGS || call->row->procedure == REMOTE_DOMAIN_RESTORE_FLAGS;
        return has_document ? call_optional(call, call->domain ? 2 : 1) : NULL;
}

static void save(Call *call) {
        if (document_of(call))
                call_refuse(call, LIBVIRT_ARGUMENT_UNSUPPORTED,
                            "a state is saved with the domain's own document; give another one when it is restored");
        else
                call_ask_job(call, call->domain, DOMAIN, "Save",
                             g_variant_new("(s@a{sv})", call_string(call, 1), call_options(call)), "(o)", 0, step_answer_nothing);
}

static void restore(Call *call) {
        GVariantBuilder options;
        const char *document = document_of(call);
        g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
        for (const FlagOption *known = save_flags; known->flag; known++)
                if (call->flags & known->flag)
                        g_variant_builder_add(&options, "{sv}", known->option, g_variant_new_boolean(TRUE));
        if (document)
                g_variant_builder_add(&options, "{sv}", "xml", g_variant_new_string(document));
        call_ask_job(call, call->client->connection, CONNECTION, "RestoreDomain",
                     g_variant_new("(sa{sv})", call_string(call, 0), &options), "(oo)", 1, step_answer_nothing);
}

#define SAVED_SECURE 1

static const FlagOption saved_flags[] = { { SAVED_SECURE, NULL }, {} };

static void get_saved(Call *call) {
        GVariantBuilder options;
        bool secrets = call->flags & SAVED_SECURE;
        g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
        if (call->domain)
                call_ask(call, call->domain, DOMAIN, secrets ? "GetManagedSaveXMLWithSecrets" : "GetManagedSaveXML",
                         g_variant_new("(a{sv})", &options), "(s)", step_answer_document);
        else {
                if (secrets)
                        g_variant_builder_add(&options, "{sv}", "secrets", g_variant_new_boolean(TRUE));
                call_ask(call, call->client->connection, CONNECTION, "GetSavedXML",
                         g_variant_new("(sa{sv})", call_string(call, 0), &options), "(s)", step_answer_document);
        }
}

static void set_saved(Call *call) {
        if (call->domain) {
                const char *document = call_optional(call, 1);
                call_ask(call, call->domain, DOMAIN, "SetManagedSaveXML",
                         g_variant_new("(s@a{sv})", document ? document : "", call_options(call)), "()", step_answer_nothing);
        } else
                call_ask(call, call->client->connection, CONNECTION, "SetSavedXML",
                         g_variant_new("(ss@a{sv})", call_string(call, 0), call_string(call, 1), call_options(call)), "()",
                         step_answer_nothing);
}

/* A file that cannot be read is mostly one that is not there. */
static const ErrorChange no_file[] = { { LIBVIRT_INVALID_ARG, LIBVIRT_SYSTEM_ERROR }, {} };

const CallRow save_calls[] = {
        { REMOTE_DOMAIN_MANAGED_SAVE, row_job, "ManagedSave", CHANGES, save_flags },
        { REMOTE_DOMAIN_MANAGED_SAVE_REMOVE, row_method, "RemoveManagedSave", CHANGES },
        { REMOTE_DOMAIN_MANAGED_SAVE_GET_XML_DESC, get_saved, NULL, READS, saved_flags },
        { REMOTE_DOMAIN_MANAGED_SAVE_DEFINE_XML, set_saved, NULL, CHANGES, save_flags },
        { REMOTE_DOMAIN_SAVE_IMAGE_GET_XML_DESC, get_saved, NULL, READS, saved_flags, .errors = no_file },
        { REMOTE_DOMAIN_SAVE_IMAGE_DEFINE_XML, set_saved, NULL, CHANGES, save_flags },
        { REMOTE_DOMAIN_SAVE, save, NULL, CHANGES },
        { REMOTE_DOMAIN_SAVE_FLAGS, save, NULL, CHANGES, save_flags },
        { REMOTE_DOMAIN_RESTORE, restore, NULL, CHANGES, .errors = no_file },
        { REMOTE_DOMAIN_RESTORE_FLAGS, restore, NULL, CHANGES, save_flags, .errors = no_file },
        {},
};
