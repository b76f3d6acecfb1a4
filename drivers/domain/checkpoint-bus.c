/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/checkpoint-bus.h"

#include "domain/connection.h"
#include "domain/operations/checkpoint-create.h"
#include "domain/operations/checkpoint-delete.h"
#include "options.h"
#include "vtables.h"

CHECKPOINT_VTABLE(Checkpoint, bus);

/* Of the domain */

void checkpoint_bus_create(Call *call, Domain *domain, const char *xml, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        bool fine = options_read(options, &error, NULL);
        CheckpointDefinition *definition = fine ? checkpoint_definition_parse(xml, false, &error) : NULL;
        if (definition)
                domain_operate(domain, checkpoint_create_new(call, definition));
        else
                call_fail(call, error);
}

void checkpoint_bus_redefine(Call *call, Domain *domain, const char *xml, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        bool current = false, fine = options_read(options, &error, "current", 'b', &current, NULL);
        CheckpointDefinition *definition = fine ? checkpoint_definition_parse(xml, true, &error) : NULL;
        if (definition)
                domain_operate(domain, checkpoint_redefine_new(call, definition, current));
        else
                call_fail(call, error);
}

/* Of a checkpoint: methods */

static void bus_delete(Call *call, Checkpoint *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        TreeDeleteOptions asked = { 0 };
        if (tree_delete_read(options, &asked, &error))
                domain_operate(self->domain, checkpoint_delete_new(call, self->definition->name, asked));
        else
                call_fail(call, error);
}

/* The document that GetXML and GetXMLWithSecrets answer; NULL with an error. */
static char *get_xml(const Checkpoint *self, sd_bus_message *options, bool secrets, GError **error) {
        bool no_domain = false;
        return options_read(options, error, "no_domain", 'b', &no_domain, NULL)
                               ? checkpoint_definition_text(self->definition, secrets, !no_domain)
                               : NULL;
}

static void bus_get_xml(Call *call, Checkpoint *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = get_xml(self, options, false, &error);
        if (text)
                reply_checkpoint_get_xml(call, text);
        else
                call_fail(call, error);
}

static void bus_get_xml_with_secrets(Call *call, Checkpoint *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = get_xml(self, options, true, &error);
        if (text)
                reply_checkpoint_get_xml_with_secrets(call, text);
        else
                call_fail(call, error);
}

/* Properties */

static const char *bus_get_name(const Checkpoint *self) {
        return self->definition->name;
}

static const char *bus_get_description(const Checkpoint *self) {
        return self->definition->description ? self->definition->description : "";
}

static uint64_t bus_get_creation_time(const Checkpoint *self) {
        return (uint64_t) self->definition->created * G_USEC_PER_SEC;
}

static const char *bus_get_parent(const Checkpoint *self) {
        return checkpoint_path(checkpoint_find(self->domain, self->definition->parent));
}

static int bus_get_children(const Checkpoint *self, sd_bus_message *message) {
        return tree_append_children(&self->node, &checkpoint_tree, message);
}

static bool bus_get_current(const Checkpoint *self) {
        return checkpoint_current(self->domain) == self;
}

static int bus_get_disks(const Checkpoint *self, sd_bus_message *message) {
        int r = sd_bus_message_open_container(message, 'a', "(ss)");
        for (guint i = 0; r >= 0 && i < self->definition->disks->len; i++) {
                const CheckpointDisk *disk = self->definition->disks->pdata[i];
                if (disk->is_in)
                        r = sd_bus_message_append(message, "(ss)", disk->name, disk->bitmap);
        }
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int bus_get_broken_disks(const Checkpoint *self, sd_bus_message *message) {
        int r = sd_bus_message_open_container(message, 'a', "s");
        for (guint i = 0; r >= 0 && i < self->definition->disks->len; i++) {
                const CheckpointDisk *disk = self->definition->disks->pdata[i];
                if (checkpoint_is_broken(self, disk))
                        r = sd_bus_message_append(message, "s", disk->name);
        }
        return r < 0 ? r : sd_bus_message_close_container(message);
}

/* Publishing */

void checkpoint_bus_publish(Domain *domain) {
        static const Vtable *const vtables[] = { &bus_vtable, NULL };
        tree_publish(domain, &checkpoint_tree, vtables);
        domain_announce(domain, (const int[]){ DOMAIN_CURRENT_CHECKPOINT, DOMAIN_HAS_CHECKPOINTS, -1 });
}
