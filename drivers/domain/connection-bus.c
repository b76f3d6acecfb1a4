/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/connection-bus.h"

#include <errno.h>
#include <fcntl.h>

#include "domain/connection.h"
#include "domain/connection-define.h"
#include "domain/connection-document.h"
#include "domain/connection-table.h"
#include "domain/monitor-bus.h"
#include "domain/offers.h"
#include "domain/operations/managed-save.h"
#include "domain/operations/restore.h"
#include "domain/operations/saved-document.h"
#include "domain/statistics.h"
#include "options.h"
#include "vtables.h"

CONNECTION_VTABLE(Connection, bus);

static void bus_define_domain(Call *call, Connection *self, const char *xml, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        bool unsupported = false;
        if (!options_read(options, &error, "unsupported", 'b', &unsupported, NULL))
                call_fail(call, error);
        else
                connection_define(self, xml, unsupported, call);
}

static void bus_create_domain(Call *call, Connection *self, const char *xml, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        CreateOptions read = {};
        if (!connection_read_create(self, options, &read, &error))
                call_fail(call, error);
        else
                connection_create(self, xml, read.paused, call);
        g_clear_pointer(&read.fds, g_ptr_array_unref); /* read again when the document is */
}

static void restore(Call *call, Connection *self, const char *path, int fd, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        const char *xml = NULL;
        bool running = false, paused = false;
        SavedRuns runs;
        if ((!path || path_check(path, &error)) &&
            offers_check(self, HYPERVISOR_HAS(self->hypervisor, saving, save_memory), "RestoreDomain", &error) &&
            options_read(options, &error, "running", 'b', &running, "paused", 'b', &paused, "xml", 's', &xml, NULL) &&
            saved_runs_choose(running, paused, &runs, &error)) {
                int copy = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
                if (fd < 0 || copy >= 0)
                        restore_begin(self, path, copy, xml, runs, call);
                else
                        call_fail_errno(call, -errno);
                return;
        }
        call_fail(call, error);
}

static void bus_restore_domain(Call *call, Connection *self, const char *path, sd_bus_message *options) {
        restore(call, self, path, -1, options);
}

static void bus_restore_domain_from_fd(Call *call, Connection *self, int file, sd_bus_message *options) {
        restore(call, self, NULL, file, options);
}

static bool check_saved(const Connection *self, const char *what, GError **error) {
        return offers_check(self, HYPERVISOR_HAS(self->hypervisor, saving, save_memory), what, error);
}

static void bus_get_saved_xml(Call *call, Connection *self, const char *path, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        SavedRequest request = { .connection = self, .path = path, .reply = reply_connection_get_saved_xml };
        if (check_saved(self, "GetSavedXML", &error) && options_read(options, &error, "secrets", 'b', &request.secrets, NULL))
                saved_document_answer(&request, call);
        else
                call_fail(call, error);
}

static void bus_set_saved_xml(Call *call, Connection *self, const char *path, const char *xml, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        SavedRequest request = { .connection = self, .path = path, .xml = xml, .reply_done = reply_connection_set_saved_xml };
        if (check_saved(self, "SetSavedXML", &error) && saved_document_read_runs(options, &request.runs, &error))
                saved_document_answer(&request, call);
        else
                call_fail(call, error);
}

static void bus_get_domain_stats(Call *call, Connection *self, sd_bus_message *arguments) {
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) paths = NULL, groups = NULL;
        bool active = false;
        int r = sd_bus_message_read_strv(arguments, &paths);
        if (r >= 0)
                r = sd_bus_message_read_strv(arguments, &groups);
        if (r < 0)
                call_fail_errno(call, r);
        else if (!options_read(arguments, &error, "active", 'b', &active, NULL))
                call_fail(call, error);
        else {
                char *none[] = { NULL };
                statistics_answer(self, paths ? paths : none, groups ? groups : none, active, call);
        }
}

static void no_such_domain(Call *call, const Connection *self, const char *what, const char *value) {
        g_autoptr(GError) error = NULL;
        virtbus_error_set(&error, VIRTBUS_ERROR_NO_SUCH_DOMAIN, "connection '%s' has no domain with %s '%.64s'", self->name, what,
                          value);
        call_fail(call, error);
}

static void bus_get_domain_by_name(Call *call, Connection *self, const char *name) {
        Domain *domain = connection_find_name(self, name);
        if (domain)
                reply_connection_get_domain_by_name(call, published_path(domain->published));
        else
                no_such_domain(call, self, "name", name);
}

static void bus_get_domain_by_uuid(Call *call, Connection *self, const char *uuid) {
        g_autofree char *normal = uuid_normalize(uuid);
        Domain *domain = normal ? connection_find(self, normal) : NULL;
        if (domain)
                reply_connection_get_domain_by_uuid(call, published_path(domain->published));
        else if (normal)
                no_such_domain(call, self, "UUID", normal);
        else {
                g_autoptr(GError) error = NULL;
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "'%.64s' is not a UUID: it has 32 hexadecimal digits",
                                  uuid);
                call_fail(call, error);
        }
}

static void bus_get_domain_by_id(Call *call, Connection *self, uint32_t id) {
        GHashTableIter iterator;
        void *value;
        g_hash_table_iter_init(&iterator, self->by_uuid);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
                Domain *domain = value;
                if (id > 0 && domain->id == id) {
                        reply_connection_get_domain_by_id(call, published_path(domain->published));
                        return;
                }
        }
        g_autofree char *number = g_strdup_printf("%u", id);
        no_such_domain(call, self, "ID", number);
}

static void bus_domain_xml_to_native(Call *call, Connection *self, const char *format, const char *xml) {
        connection_to_native(self, format, xml, call);
}

static void bus_domain_xml_from_native(Call *call, Connection *self, const char *format, const char *native) {
        connection_from_native(self, format, native, call);
}

static void answer_ability(Call *call, Connection *self, bool has, const char *what, ConnectionProceed proceed) {
        g_autoptr(GError) error = NULL;
        if (offers_check(self, has, what, &error))
                connection_prepare(self, NULL, proceed, false, call);
        else
                call_fail(call, error);
}

static void answer_capabilities(Connection *self, xmlDoc *unused, bool unused_too, Call *call) {
        g_autofree char *xml = self->hypervisor->abilities->capabilities(self);
        (void) unused;
        (void) unused_too;
        reply_connection_get_capabilities(call, xml);
}

static void bus_get_capabilities(Call *call, Connection *self) {
        answer_ability(call, self, HYPERVISOR_HAS(self->hypervisor, abilities, capabilities), "GetCapabilities",
                       answer_capabilities);
}

static void answer_domain_capabilities(Connection *self, xmlDoc *unused, bool unused_too, Call *call) {
        const char *emulator, *arch, *machine, *type;
        g_autoptr(GError) error = NULL;
        (void) unused;
        (void) unused_too;
        sd_bus_message_rewind(call->message, true); /* the arguments lie in the message, which has waited with the call */
        int r = sd_bus_message_read(call->message, "ssss", &emulator, &arch, &machine, &type);
        if (r < 0) {
                call_fail_errno(call, r);
                return;
        }
        g_autofree char *xml = self->hypervisor->abilities->domain_capabilities(self, emulator, arch, machine, type, &error);
        if (xml)
                reply_connection_get_domain_capabilities(call, xml);
        else
                call_fail(call, error);
}

static void bus_get_domain_capabilities(Call *call, Connection *self, const char *emulator, const char *arch, const char *machine,
                                        const char *type) {
        (void) emulator;
        (void) arch;
        (void) machine;
        (void) type;
        answer_ability(call, self, HYPERVISOR_HAS(self->hypervisor, abilities, domain_capabilities), "GetDomainCapabilities",
                       answer_domain_capabilities);
}

static void answer_cpu_models(Connection *self, xmlDoc *unused, bool unused_too, Call *call) {
        g_autoptr(GError) error = NULL;
        const char *arch;
        (void) unused;
        (void) unused_too;
        sd_bus_message_rewind(call->message, true);
        int r = sd_bus_message_read(call->message, "s", &arch);
        if (r < 0) {
                call_fail_errno(call, r);
                return;
        }
        g_autoptr(GPtrArray) models = self->hypervisor->abilities->cpu_models(self, arch, &error);
        if (models)
                reply_connection_get_cpu_models(call, (char **) models->pdata);
        else
                call_fail(call, error);
}

static void bus_get_cpu_models(Call *call, Connection *self, const char *arch) {
        (void) arch;
        answer_ability(call, self, HYPERVISOR_HAS(self->hypervisor, abilities, cpu_models), "GetCPUModels", answer_cpu_models);
}

/* The arguments and options of a question about processors lie in its message, which has waited with it. */
typedef struct CpuQuestion {
        CpuTarget target;
        const char *xml; /* of CompareCPU */
        char **xmls;     /* of BaselineCPU */
        bool fail, expand, migratable;
} CpuQuestion;

static void cpu_question_clear(CpuQuestion *question) {
        g_strfreev(question->xmls);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CpuQuestion, cpu_question_clear)

static bool check_cpu_target(const CpuTarget *target, GError **error) {
        return !target->host || (!*target->emulator && !*target->arch && !*target->machine && !*target->type) ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                 "host goes without emulator, arch, machine and type: the host's own processor is the same for "
                                 "all");
}

static bool read_cpu_options(sd_bus_message *message, bool compares, CpuQuestion *question, GError **error) {
        CpuTarget *target = &question->target;
        *target = (CpuTarget){ false, "", "", "", "" };
        bool read = compares ? options_read(message, error, "host", 'b', &target->host, "emulator", 's', &target->emulator,
                                            "arch", 's', &target->arch, "machine", 's', &target->machine, "type", 's',
                                            &target->type, "fail", 'b', &question->fail, NULL)
                             : options_read(message, error, "host", 'b', &target->host, "emulator", 's', &target->emulator,
                                            "arch", 's', &target->arch, "machine", 's', &target->machine, "type", 's',
                                            &target->type, "expand", 'b', &question->expand, "migratable", 'b',
                                            &question->migratable, NULL);
        return read && check_cpu_target(target, error);
}

static bool read_cpu_question(sd_bus_message *message, bool compares, CpuQuestion *question, GError **error) {
        sd_bus_message_rewind(message, true);
        int r = compares ? sd_bus_message_read(message, "s", &question->xml) : sd_bus_message_read_strv(message, &question->xmls);
        if (r < 0)
                return virtbus_error_set_errno(error, -r, "the arguments cannot be read");
        return read_cpu_options(message, compares, question, error);
}

static void answer_compare_cpu(Connection *self, xmlDoc *unused, bool unused_too, Call *call) {
        g_autoptr(GError) error = NULL;
        g_auto(CpuQuestion) question = {};
        (void) unused;
        (void) unused_too;
        const char *result = read_cpu_question(call->message, true, &question, &error)
                                             ? self->hypervisor->abilities->compare_cpu(self, &question.target, question.xml,
                                                                                        question.fail, &error)
                                             : NULL;
        if (result)
                reply_connection_compare_cpu(call, result);
        else
                call_fail(call, error);
}

static void bus_compare_cpu(Call *call, Connection *self, const char *xml, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        CpuQuestion question = {};
        (void) xml;
        if (read_cpu_options(options, true, &question, &error))
                answer_ability(call, self, HYPERVISOR_HAS(self->hypervisor, abilities, compare_cpu), "CompareCPU",
                               answer_compare_cpu);
        else
                call_fail(call, error);
}

static void answer_baseline_cpu(Connection *self, xmlDoc *unused, bool unused_too, Call *call) {
        g_autoptr(GError) error = NULL;
        g_auto(CpuQuestion) question = {};
        char *none[] = { NULL };
        (void) unused;
        (void) unused_too;
        g_autofree char *xml = NULL;
        if (read_cpu_question(call->message, false, &question, &error))
                xml = self->hypervisor->abilities->baseline_cpu(self, &question.target,
                                                                (const char *const *) (question.xmls ? question.xmls : none),
                                                                question.expand, question.migratable, &error);
        if (xml)
                reply_connection_baseline_cpu(call, xml);
        else
                call_fail(call, error);
}

static void bus_baseline_cpu(Call *call, Connection *self, sd_bus_message *arguments) {
        g_autoptr(GError) error = NULL;
        g_auto(CpuQuestion) question = {};
        int r = sd_bus_message_read_strv(arguments, &question.xmls);
        if (r < 0)
                call_fail_errno(call, r);
        else if (read_cpu_options(arguments, false, &question, &error))
                answer_ability(call, self, HYPERVISOR_HAS(self->hypervisor, abilities, baseline_cpu), "BaselineCPU",
                               answer_baseline_cpu);
        else
                call_fail(call, error);
}

static void bus_open_monitor_events(Call *call, Connection *self, sd_bus_message *options) {
        monitor_bus_open_events(call, self, options);
}

static void bus_close(Call *call, Connection *self) {
        g_autoptr(GError) error = NULL;
        if (offers_check(self, self->close_asked, "Close: it is of this machine, and always there", &error))
                self->close_asked(self, call);
        else
                call_fail(call, error);
}

static const char *bus_get_state(const Connection *self) {
        return connection_state_name(self);
}

static const char *bus_get_state_reason(const Connection *self) {
        return self->state_reason;
}

static const char *bus_get_name(const Connection *self) {
        return self->name;
}

static const char *bus_get_uri(const Connection *self) {
        return self->uri;
}

static const char *bus_get_driver_version(const Connection *self) {
        (void) self;
        return VIRTBUS_VERSION;
}

static int bus_get_host(const Connection *self, sd_bus_message *message) {
        const Hypervisor *hypervisor = self->hypervisor;
        return HYPERVISOR_HAS(hypervisor, abilities, host) ? hypervisor->abilities->host(self, message)
                                                           : sd_bus_message_append(message, "a{sv}", 0);
}

/* The extra interface's handlers get the connection too. */
void connection_publish(Connection *connection) {
        const Vtable *const vtables[] = { &bus_vtable, connection->hypervisor->extra, NULL };
        connection->published = objects_publish(connection->objects, connection->path, connection, vtables);
}

void connection_announce_state(Connection *connection) {
        if (connection->published)
                published_changed(connection->published, &bus_vtable,
                                  (const int[]){ CONNECTION_STATE, CONNECTION_STATE_REASON, CONNECTION_HOST, -1 });
}
