/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages with a value are wiped when they are freed. */

#include "secret/secret-bus.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/registry-answer.h"
#include "vtables.h"

SECRET_VTABLE(Secret, bus);

static const char *bus_get_uuid(const Secret *self) {
        return secret_definition(self)->uuid;
}

static const char *bus_get_usage_type(const Secret *self) {
        return secret_usage_name(secret_definition(self)->usage);
}

static const char *bus_get_usage_id(const Secret *self) {
        return secret_definition(self)->usage_id;
}

static const char *bus_get_description(const Secret *self) {
        return secret_definition(self)->description;
}

static bool bus_get_ephemeral(const Secret *self) {
        return secret_definition(self)->ephemeral;
}

static bool bus_get_private(const Secret *self) {
        return secret_definition(self)->is_private;
}

static bool bus_get_has_value(const Secret *self) {
        return self->storage != STORAGE_NONE;
}

static const char *bus_get_value_storage(const Secret *self) {
        return value_storage_name(self->storage);
}

static uint32_t bus_get_owner(const Secret *self) {
        return self->entry.kept.owner;
}

static void bus_get_xml(Call *call, Secret *self, sd_bus_message *options) {
        if (registry_check_options(call, options))
                reply_secret_get_xml(call, secret_definition(self)->xml);
}

static void bus_undefine(Call *call, Secret *self, sd_bus_message *options) {
        if (registry_check_options(call, options))
                registry_undefine(&self->entry, registry_answer_nothing, call);
}

/* Setting the value */

static void tell_value(const Entry *secret) {
        published_changed(secret->published, &bus_vtable, (const int[]){ SECRET_HAS_VALUE, SECRET_VALUE_STORAGE, -1 });
        published_emit(secret->published, bus_vtable.info, "ValueChanged", "");
}

static void on_value_set(void *data, Entry *entry, const GError *error) {
        if (error)
                call_fail(data, error);
        else {
                tell_value(entry);
                reply_secret_set_value(data);
        }
}

static void bus_set_value(Call *call, Secret *self, sd_bus_message *arguments) {
        g_autoptr(GError) error = NULL;
        const void *bytes;
        size_t size;
        sd_bus_message_sensitive(call->message);
        int r = sd_bus_message_read_array(arguments, 'y', &bytes, &size);
        if (r < 0) {
                call_fail_errno(call, r);
                return;
        }
        if (!registry_check_options(call, arguments))
                return;
        SecretValue *value = secret_value_new(bytes, size, &error);
        if (value)
                secret_set_value(self, value, on_value_set, call);
        else
                call_fail(call, error);
}

static void bus_set_value_from_fd(Call *call, Secret *self, int file, sd_bus_message *options) {
        if (!registry_check_options(call, options))
                return;
        int copy = fcntl(file, F_DUPFD_CLOEXEC, 3);
        if (copy < 0)
                call_fail_errno(call, -errno);
        else
                secret_set_value_from(self, copy, on_value_set, call);
}

/* Getting the value */

static void answer_bytes(Call *call, const SecretValue *value) {
        sd_bus_message *answer = NULL;
        int r = call_begin_answer(call, &answer);
        if (r >= 0)
                r = sd_bus_message_sensitive(answer);
        if (r >= 0)
                r = sd_bus_message_append_array(answer, 'y', value->bytes, value->size);
        if (r >= 0)
                call_send_answer(call, answer);
        else
                call_fail_errno(call, r);
        sd_bus_message_unref(answer);
}

static void on_value(void *data, SecretValue *value, const GError *error) {
        g_autoptr(SecretValue) taken = value;
        if (error)
                call_fail(data, error);
        else
                answer_bytes(data, taken);
}

static void on_value_for_file(void *data, SecretValue *value, const GError *unread) {
        g_autoptr(SecretValue) taken = value;
        g_autoptr(GError) error = unread ? g_error_copy(unread) : NULL;
        g_autofd int file = taken ? secret_value_to_memory(taken, &error) : -1;
        if (file < 0)
                call_fail(data, error);
        else
                reply_secret_get_value_fd(data, file);
}

/* virtbusd says so of what other drivers ask, in a form that no caller's name has: see org.virtbus1.Driver. */
static bool is_of_driver(const Call *call) {
        return strstr(call_sender(call), ".via-") != NULL;
}

static void get_value(Call *call, Secret *self, sd_bus_message *options, SecretRead done) {
        g_autoptr(GError) error = NULL;
        if (!registry_check_options(call, options))
                return;
        if (!secret_definition(self)->is_private || is_of_driver(call))
                secret_get_value(self, done, call);
        else {
                virtbus_error_set(&error, VIRTBUS_ERROR_OPERATION_INVALID,
                                  "secret %s is private: its value is given to drivers that need it, and to nobody else",
                                  secret_definition(self)->uuid);
                call_fail(call, error);
        }
}

static void bus_get_value(Call *call, Secret *self, sd_bus_message *options) {
        get_value(call, self, options, on_value);
}

static void bus_get_value_fd(Call *call, Secret *self, sd_bus_message *options) {
        get_value(call, self, options, on_value_for_file);
}

/* Publishing */

const Vtable *const secret_vtables[] = { &bus_vtable, NULL };
const int secret_changing[] = { SECRET_DESCRIPTION, SECRET_PRIVATE, -1 };
