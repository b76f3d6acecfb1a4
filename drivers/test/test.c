/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/errand.h"
#include "base/stream.h"
#include "bus.h"
#include "domain/agent/addresses.h"
#include "domain/agent/guest-object.h"
#include "domain/connection-life.h"
#include "domain/connection-table.h"
#include "domain/connection.h"
#include "domain/domain-event.h"
#include "domain/domain-run.h"
#include "domain/offers.h"
#include "domain/operations/device-change.h"
#include "domain/operations/dump.h"
#include "domain/operations/save.h"
#include "domain/operations/start.h"
#include "domain/statistics.h"
#include "log.h"
#include "options.h"
#include "test/elsewhere.h"
#include "test/guest-agent.h"
#include "vtables.h"

#define POPULATE_MAX 100000
#define DELAY_MAX (3600 * UINT64_C(1000000))
#define CHURN_MAX 10000000
#define CHURN_RATE_MAX 1000000
#define HOST_BYTES_MAX 64

/* A dump is the machine's memory in these pieces, each after a while, all zero. */
#define DUMP_STEPS 10
#define DUMP_STEP_BYTES 4096
#define DUMP_STEP_DELAY 20000 /* microseconds */

/* Operations whose time and failure can be set. */
typedef enum TestOperation {
        TEST_START,
        TEST_SUSPEND,
        TEST_RESUME,
        TEST_SHUTDOWN,
        TEST_RESET,
        TEST_DESTROY,
        TEST_DUMP,
        TEST_SAVE,
        TEST_ATTACH,
        TEST_DETACH,
        TEST_UPDATE,
        TEST_RESIZE,
        TEST_STATISTICS,
        TEST_OPEN_CONSOLE,
        TEST_OPEN_GRAPHICS,
        TEST_N_OPERATIONS
} TestOperation;

static const char *const operation_names[TEST_N_OPERATIONS] = {
        [TEST_START] = "start",
        [TEST_SUSPEND] = "suspend",
        [TEST_RESUME] = "resume",
        [TEST_SHUTDOWN] = "shutdown",
        [TEST_RESET] = "reset",
        [TEST_DESTROY] = "destroy",
        [TEST_DUMP] = "dump",
        [TEST_SAVE] = "save",
        [TEST_ATTACH] = "attach",
        [TEST_DETACH] = "detach",
        [TEST_UPDATE] = "update",
        [TEST_RESIZE] = "resize",
        [TEST_STATISTICS] = "statistics",
        [TEST_OPEN_CONSOLE] = "open-console",
        [TEST_OPEN_GRAPHICS] = "open-graphics",
};

/* The hypervisor: connection->data. */
typedef struct Laboratory {
        GError *failures[TEST_N_OPERATIONS]; /* of the next one */
        uint64_t delays[TEST_N_OPERATIONS];
        bool unreachable; /* the hypervisor elsewhere */
        uint64_t populated, churned, churn_left, churn_done, churn_rate, churn_began;
        sd_event_source *churn;
} Laboratory;

/* A machine: domain->run. */
typedef struct Machine {
        Domain *domain;
        Operation *operation; /* that the timer ends */
        TestOperation kind;
        sd_event_source *timer;
        sd_event_source *ending;  /* of Destroy */
        sd_event_source *telling; /* its statistics */
        unsigned dumped;          /* steps */
        Stream *console;
        sd_event_source *echo; /* the machine's end of the console */
        GuestAgent *agent;     /* where the machine has a channel for one */
        GuestObject *object;
} Machine;

static Laboratory *laboratory_of(const Domain *domain) {
        return domain->connection->data;
}

static void close_console(void *data) {
        Machine *machine = data;
        g_clear_pointer(&machine->console, stream_free);
        machine->echo = sd_event_source_disable_unref(machine->echo);
}

static void machine_free(Domain *domain) {
        Machine *machine = g_steal_pointer(&domain->run);
        if (!machine)
                return;
        if (machine->console)
                stream_leave(g_steal_pointer(&machine->console), domain->connection->left_streams);
        close_console(machine);
        if (machine->object) {
                g_autoptr(GError) error = NULL;
                domain_fail(domain, &error, VIRTBUS_ERROR_AGENT_UNAVAILABLE, "it has ended");
                guest_object_free(machine->object, error);
                guest_agent_free(machine->agent);
        }
        sd_event_source_disable_unref(machine->timer);
        sd_event_source_disable_unref(machine->ending);
        sd_event_source_disable_unref(machine->telling);
        g_free(machine);
}

static Machine *machine_new(Domain *domain) {
        Machine *machine = g_new0(Machine, 1);
        machine->domain = domain;
        domain->run = machine;
        return machine;
}

/* The agent */

static void on_agent_power(void *data, bool reboot) {
        Machine *machine = data;
        guest_object_machine_obeys(machine->object);
        domain_guest_event(machine->domain, reboot ? GUEST_REBOOT : GUEST_SHUTDOWN);
}

static void open_agent(Machine *machine, xmlDoc *document, int timeout) {
        Domain *domain = machine->domain;
        g_autoptr(GError) error = NULL;
        guint index;
        int fd;
        if (!guest_object_channel(document, &index))
                return;
        machine->agent = guest_agent_new(domain->connection->event, domain_name(domain), on_agent_power, machine, &fd, &error);
        if (!machine->agent) {
                log_warning("domain '%s': %s", domain_name(domain), error->message);
                return;
        }
        machine->object = guest_object_new(domain, fd);
        guest_object_restore_timeout(machine->object, timeout);
}

/* Its processors run, or not: its agent has opened its channel as soon as they have run once. */
static void set_running(Machine *machine, bool running) {
        if (!machine->agent)
                return;
        guest_agent_set_running(machine->agent, running);
        if (running)
                guest_object_set_connected(machine->object, true);
}

/* Operations */

static int add_timer(Domain *domain, sd_event_source **source, uint64_t delay, sd_event_time_handler_t handler) {
        *source = sd_event_source_disable_unref(*source);
        return sd_event_add_time_relative(domain->connection->event, source, CLOCK_MONOTONIC, delay, 1, handler, domain->run);
}

static int on_powered_off(sd_event_source *source, uint64_t usec, void *data) {
        Machine *machine = data;
        (void) source;
        (void) usec;
        domain_guest_event(machine->domain, GUEST_SHUTDOWN);
        return 0;
}

/* The end of an operation, which may be its failure. */
static void end_operation(Machine *machine, const GError *error) {
        Domain *domain = machine->domain;
        Operation *operation = g_steal_pointer(&machine->operation);
        if (error && machine->kind == TEST_START)
                machine_free(domain);
        else if (!error && (machine->kind == TEST_START || machine->kind == TEST_SUSPEND || machine->kind == TEST_RESUME))
                set_running(machine,
                            machine->kind == TEST_RESUME || (machine->kind == TEST_START && !start_is_paused(operation)));
        else if (!error && machine->kind == TEST_SHUTDOWN) /* its guest turns itself off at once */
                add_timer(domain, &machine->timer, 0, on_powered_off);
        operation_finish(operation, error);
}

static int on_done(sd_event_source *source, uint64_t usec, void *data) {
        Machine *machine = data;
        g_autoptr(GError) error = g_steal_pointer(&laboratory_of(machine->domain)->failures[machine->kind]);
        (void) source;
        (void) usec;
        end_operation(machine, error);
        return 0;
}

static void operate(Operation *operation, TestOperation kind) {
        Machine *machine = operation->domain->run;
        machine->operation = operation;
        machine->kind = kind;
        add_timer(operation->domain, &machine->timer, laboratory_of(operation->domain)->delays[kind], on_done);
}

static void test_start(Operation *operation) {
        g_autoptr(xmlDoc) document = definition_document(operation->domain->live, NULL);
        definition_write_aliases(operation->domain->live, document);
        g_autoptr(Definition) live = definition_from_document(document, NULL);
        domain_set_live(operation->domain, live);
        open_agent(machine_new(operation->domain), document, AGENT_WAIT_DEFAULT);
        definition_keep(live, g_steal_pointer(&document));
        operate(operation, TEST_START);
}

static void test_reattach(Operation *operation, xmlNode *saved) {
        Domain *domain = operation->domain;
        Machine *machine = machine_new(domain);
        g_autoptr(xmlDoc) document = definition_document(domain->live, NULL);
        g_autofree char *timeout = xml_attribute(saved, "agent-timeout");
        open_agent(machine, document,
                   timeout ? CLAMP(atoi(timeout), AGENT_WAIT_FOR_EVER, AGENT_TIMEOUT_MAX) : AGENT_WAIT_DEFAULT);
        if (domain->state == DOMAIN_STARTING || (domain->was_saving && domain->resumes))
                domain_changed(domain, DOMAIN_RUNNING, REASON_BOOTED);
        domain->was_saving = false;
        set_running(machine, domain->state != DOMAIN_PAUSED);
        operation_finish(operation, NULL);
        if (domain->state == DOMAIN_STOPPING) { /* it went down with the driver */
                machine_free(domain);
                domain_stopped(domain, REASON_DESTROYED, NULL);
        }
}

static void test_suspend(Operation *operation) {
        operate(operation, TEST_SUSPEND);
}

static void test_resume(Operation *operation) {
        operate(operation, TEST_RESUME);
}

static void test_shutdown(Operation *operation) {
        operate(operation, TEST_SHUTDOWN);
}

static void test_reset(Operation *operation) {
        operate(operation, TEST_RESET);
}

/* Devices */

static int on_detached(sd_event_source *source, uint64_t usec, void *data) {
        Machine *machine = data;
        Domain *domain = machine->domain;
        Operation *operation = g_steal_pointer(&machine->operation);
        const DeviceChange *change = device_change_of(operation);
        g_autoptr(GError) error = g_steal_pointer(&laboratory_of(domain)->failures[TEST_DETACH]);
        (void) source;
        (void) usec;
        if (!error && laboratory_of(domain)->delays[TEST_DETACH] > change->timeout)
                domain_fail(domain, &error, VIRTBUS_ERROR_TIMEOUT, "the guest did not let go of device '%s' in time",
                            change->alias);
        if (!error)
                domain_device_gone(domain, change->alias);
        operation_finish(operation, error);
        return 0;
}

static void test_attach(Operation *operation) {
        operate(operation, TEST_ATTACH);
}

static void test_detach(Operation *operation) {
        Machine *machine = operation->domain->run;
        machine->operation = operation;
        add_timer(operation->domain, &machine->timer,
                  MIN(laboratory_of(operation->domain)->delays[TEST_DETACH], device_change_of(operation)->timeout), on_detached);
}

static void test_update(Operation *operation) {
        operate(operation, TEST_UPDATE);
}

static void test_resize(Operation *operation) {
        operate(operation, TEST_RESIZE);
}

static void test_resize_disk(Domain *domain, const DeviceDefinition *device, const DiskSize *size, Call *call) {
        g_autoptr(GError) error = g_steal_pointer(&laboratory_of(domain)->failures[TEST_RESIZE]);
        (void) device;
        (void) size;
        if (error)
                call_fail(call, error);
        else
                reply_device_disk_resize(call);
}

static int on_destroyed(sd_event_source *source, uint64_t usec, void *data) {
        Domain *domain = ((Machine *) data)->domain;
        Operation *starting = operation_is(domain->operation, &start_class) ? domain->operation : NULL;
        (void) source;
        (void) usec;
        machine_free(domain);
        if (!starting) {
                domain_stopped(domain, REASON_DESTROYED, NULL);
                return 0;
        }
        g_autoptr(GError) error = NULL;
        domain_fail(domain, &error, VIRTBUS_ERROR_CANCELLED, "it was destroyed while it started");
        operation_finish(starting, error);
        return 0;
}

static void test_destroy(Domain *domain) {
        Machine *machine = domain->run;
        machine->timer = sd_event_source_disable_unref(machine->timer);
        add_timer(domain, &machine->ending, laboratory_of(domain)->delays[TEST_DESTROY], on_destroyed);
}

static void test_save(const Domain *domain, xmlNode *saved) {
        const Machine *machine = domain->run;
        if (machine && machine->object)
                xml_set_number(saved, "agent-timeout", guest_object_timeout(machine->object));
}

/* Dump */

static int on_dump_step(sd_event_source *source, uint64_t usec, void *data) {
        static const uint8_t piece[DUMP_STEP_BYTES];
        Machine *machine = data;
        Operation *operation = machine->operation;
        Laboratory *laboratory = laboratory_of(machine->domain);
        g_autoptr(GError) error = g_steal_pointer(&laboratory->failures[TEST_DUMP]);
        (void) source;
        (void) usec;
        if (!error && write(dump_fd(operation), piece, sizeof piece) < 0)
                virtbus_error_set_errno(&error, errno, "domain '%s': the dump cannot be written", domain_name(machine->domain));
        if (error || ++machine->dumped == DUMP_STEPS) {
                machine->operation = NULL;
                operation_finish(operation, error);
                return 0;
        }
        job_progress(operation->job, machine->dumped * sizeof piece, DUMP_STEPS * sizeof piece);
        add_timer(machine->domain, &machine->timer, DUMP_STEP_DELAY + laboratory->delays[TEST_DUMP], on_dump_step);
        return 0;
}

static void test_dump(Operation *operation) {
        Machine *machine = operation->domain->run;
        machine->operation = operation;
        machine->dumped = 0;
        fcntl(dump_fd(operation), F_SETFL, O_NONBLOCK);
        job_progress(operation->job, 0, DUMP_STEPS * DUMP_STEP_BYTES);
        add_timer(operation->domain, &machine->timer, DUMP_STEP_DELAY, on_dump_step);
}

static void test_cancel(Operation *operation) {
        Machine *machine = operation->domain->run;
        g_autoptr(GError) error = NULL;
        machine->timer = sd_event_source_disable_unref(machine->timer);
        machine->operation = NULL;
        domain_fail(operation->domain, &error, VIRTBUS_ERROR_CANCELLED,
                    "the dump was cancelled; what was written of it is of no use");
        operation_finish(operation, error);
}

/* Save: as a dump, but that the machine stands still. */

static void stand_still(Operation *operation) {
        set_running(operation->domain->run, false);
        if (operation->domain->resumes)
                domain_changed(operation->domain, DOMAIN_PAUSED, REASON_SAVING);
}

static void go_on(Operation *operation) {
        set_running(operation->domain->run, operation->domain->resumes);
        if (operation->domain->resumes)
                domain_changed(operation->domain, DOMAIN_RUNNING, REASON_RESUMED);
}

static int on_save_step(sd_event_source *source, uint64_t usec, void *data) {
        static const uint8_t piece[DUMP_STEP_BYTES];
        Machine *machine = data;
        Operation *operation = machine->operation;
        Laboratory *laboratory = laboratory_of(machine->domain);
        g_autoptr(GError) error = g_steal_pointer(&laboratory->failures[TEST_SAVE]);
        (void) source;
        (void) usec;
        if (!error && write(saving_fd(operation), piece, sizeof piece) < 0)
                virtbus_error_set_errno(&error, errno, "domain '%s': its state cannot be written", domain_name(machine->domain));
        if (error || ++machine->dumped == DUMP_STEPS) {
                machine->operation = NULL;
                if (error)
                        go_on(operation);
                saving_written(operation, error);
                return 0;
        }
        job_progress(operation->job, machine->dumped * sizeof piece, DUMP_STEPS * sizeof piece);
        add_timer(machine->domain, &machine->timer, DUMP_STEP_DELAY + laboratory->delays[TEST_SAVE], on_save_step);
        return 0;
}

static void test_save_memory(Operation *operation) {
        Machine *machine = operation->domain->run;
        machine->operation = operation;
        machine->dumped = 0;
        fcntl(saving_fd(operation), F_SETFL, O_NONBLOCK);
        stand_still(operation);
        job_progress(operation->job, 0, DUMP_STEPS * DUMP_STEP_BYTES);
        add_timer(operation->domain, &machine->timer, DUMP_STEP_DELAY, on_save_step);
}

static void test_cancel_save(Operation *operation) {
        Machine *machine = operation->domain->run;
        g_autoptr(GError) error = NULL;
        if (!machine->operation)
                return; /* it is written already */
        machine->timer = sd_event_source_disable_unref(machine->timer);
        machine->operation = NULL;
        domain_fail(operation->domain, &error, VIRTBUS_ERROR_CANCELLED, "the save was cancelled");
        go_on(operation);
        saving_written(operation, error);
}

static void test_continue_saved(Operation *operation, const GError *error) {
        go_on(operation);
        saving_failed(operation, error);
}

/* Console and display */

/* The machine says what is said to it. */
static int on_console(sd_event_source *source, int fd, uint32_t events, void *data) {
        uint8_t buffer[4096];
        ssize_t n = read(fd, buffer, sizeof buffer);
        (void) events;
        (void) data;
        if (n > 0 && write(fd, buffer, (size_t) n) < 0 && errno != EAGAIN)
                n = 0;
        if (n == 0)
                sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return 0;
}

static int make_console(Machine *machine, GError **error) {
        g_autofree char *greeting = g_strdup_printf("TEST-UP %s\r\n", domain_name(machine->domain));
        int pair[2], client = -1;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
                virtbus_error_set_errno(error, errno, "domain '%s': its console cannot be made", domain_name(machine->domain));
                return -1;
        }
        machine->console = stream_new(machine->domain->connection->event, pair[0], &client, close_console, machine, error);
        int r = machine->console ? sd_event_add_io(machine->domain->connection->event, &machine->echo, pair[1], EPOLLIN,
                                                   on_console, NULL)
                                 : -ECANCELED;
        if (r < 0 || write(pair[1], greeting, strlen(greeting)) < 0)
                close(pair[1]); /* the client sees a console that has ended */
        else
                sd_event_source_set_io_fd_own(machine->echo, true);
        return client;
}

static void test_open_console(Domain *domain, const DeviceDefinition *device, bool force, Call *call) {
        Machine *machine = domain->run;
        g_autoptr(GError) error = g_steal_pointer(&laboratory_of(domain)->failures[TEST_OPEN_CONSOLE]);
        g_autofd int client = -1;
        if (!error && strcmp(device->type, "file") == 0)
                domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID, "console '%s' writes to the file %s; read that",
                            device->alias, device->source);
        else if (!error && machine->console && !stream_is_deserted(machine->console) && !force)
                domain_fail(domain, &error, VIRTBUS_ERROR_RESOURCE_BUSY,
                            "someone has console '%s' open; pass the option force to take it over", device->alias);
        if (!error) {
                close_console(machine);
                client = make_console(machine, &error);
        }
        if (error)
                call_fail(call, error);
        else
                reply_device_console_open(call, client);
}

static void test_open_graphics(Domain *domain, const DeviceDefinition *device, Call *call) {
        g_autoptr(GError) error = g_steal_pointer(&laboratory_of(domain)->failures[TEST_OPEN_GRAPHICS]);
        int pair[2];
        (void) device;
        /* RFC 6143, 7.1.1: the first a VNC server says. It says no more. */
        static const char version[] = "RFB 003.008\n";
        if (!error && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                virtbus_error_set_errno(&error, errno, "domain '%s': its display cannot be made", domain_name(domain));
        if (error) {
                call_fail(call, error);
                return;
        }
        g_autofd int ours = pair[0], theirs = pair[1];
        if (write(ours, version, sizeof version - 1) < 0)
                call_fail_errno(call, -errno);
        else
                reply_device_graphics_open(call, theirs);
}

/* What it uses: a tenth of a processor since its start, and nothing of its disks. */

static int on_told(sd_event_source *source, uint64_t usec, void *data) {
        Domain *domain = ((Machine *) data)->domain;
        uint64_t now = (uint64_t) g_get_real_time();
        (void) source;
        (void) usec;
        statistics_begin(domain, "cpu");
        statistics_set(domain, "time", (now - MIN(domain->start_time, now)) / 10);
        for (guint i = 0; i < domain->live->devices->len; i++) {
                const DeviceDefinition *device = domain->live->devices->pdata[i];
                if (device->device_class != DEVICE_DISK)
                        continue;
                g_autofree char *group = g_strdup_printf("block.%s", device->alias);
                statistics_begin(domain, group);
                statistics_set(domain, "read_bytes", 0);
                statistics_set(domain, "write_bytes", 0);
        }
        for (guint i = 0; i < domain->live->devices->len; i++)
                if (((const DeviceDefinition *) domain->live->devices->pdata[i])->period > 0) {
                        statistics_begin(domain, "guest_memory");
                        statistics_set(domain, "last_update", now);
                        statistics_set(domain, "available", domain->live->memory);
                        statistics_set(domain, "unused", domain->live->memory / 2);
                }
        statistics_collected(domain);
        return 0;
}

static void test_collect(Domain *domain) {
        Machine *machine = domain->run;
        add_timer(domain, &machine->telling, laboratory_of(domain)->delays[TEST_STATISTICS], on_told);
}

/* A card of a test machine has one address of those that are for documentation, RFC 5737; its agent knows of none. */
static void test_get_addresses(Domain *domain, const DeviceDefinition *device, bool agent, Call *call) {
        const Machine *machine = domain->run;
        if (agent)
                addresses_ask_agent(domain, machine->object, device->mac, call);
        else {
                GArray *addresses = addresses_new();
                addresses_add(addresses, "192.0.2.1", 0);
                addresses_reply(call, addresses);
        }
}

/* At the machine */

static void test_screenshot(Domain *domain, uint32_t screen, Call *call) {
        /* The smallest PNG: one grey point. */
        static const uint8_t picture[] = {
                0x89, 'P',  'N',  'G',  0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 'I',  'H',  'D',  'R',  0x00,
                0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0x3a, 0x7e, 0x9b, 0x55, 0x00,
                0x00, 0x00, 0x0a, 'I',  'D',  'A',  'T',  0x78, 0x9c, 0x63, 0x68, 0x00, 0x00, 0x00, 0x82, 0x00, 0x81,
                0x77, 0xcd, 0x72, 0xb6, 0x00, 0x00, 0x00, 0x00, 'I',  'E',  'N',  'D',  0xae, 0x42, 0x60, 0x82,
        };
        g_autofd int file = memfd_create("virtbus-screenshot", MFD_CLOEXEC);
        g_autoptr(GError) error = NULL;
        if (screen > 0)
                domain_fail(domain, &error, VIRTBUS_ERROR_INVALID_ARGUMENT, "it has no screen %u", screen);
        else if (file < 0 || write(file, picture, sizeof picture) < 0 || lseek(file, 0, SEEK_SET) < 0)
                virtbus_error_set_errno(&error, errno, "a picture cannot be made");
        if (error)
                call_fail(call, error);
        else
                reply_domain_screenshot(call, file);
}

static void test_send_keys(Domain *domain, char **keys, uint64_t hold_time, Call *call) {
        (void) domain;
        (void) keys;
        (void) hold_time;
        reply_domain_send_keys(call);
}

static void test_inject_nmi(Domain *domain, Call *call) {
        (void) domain;
        reply_domain_inject_nmi(call);
}

static void test_wake_up(Domain *domain, Call *call) {
        domain_guest_event(domain, GUEST_WAKE);
        reply_domain_wake_up(call);
}

static void test_peek_memory(Domain *domain, uint64_t address, uint64_t size, bool is_virtual, Call *call) {
        g_autofree uint8_t *nothing = g_malloc0(size);
        g_autoptr(GError) error = NULL;
        (void) is_virtual;
        if (address > domain->live->memory || size > domain->live->memory - address) {
                domain_fail(domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "there is no memory at 0x%" PRIx64, address);
                call_fail(call, error);
        } else
                call_reply_bytes(call, nothing, size);
}

/* org.virtbus1.Test */

TEST_VTABLE(Connection, test_bus);

static int find_operation(Call *call, const char *name) {
        for (int i = 0; i < TEST_N_OPERATIONS; i++)
                if (strcmp(operation_names[i], name) == 0)
                        return i;
        g_autoptr(GError) error = NULL;
        virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "there is no operation '%.32s'", name);
        call_fail(call, error);
        return -1;
}

static void test_bus_populate(Call *call, Connection *self, uint32_t count, sd_bus_message *options) {
        Laboratory *laboratory = self->data;
        g_autoptr(GError) error = NULL;
        if (count > POPULATE_MAX)
                virtbus_error_set(&error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "at most %d domains are made at once", POPULATE_MAX);
        else if (options_read(options, &error, NULL))
                for (uint32_t i = 0; i < count && !error; i++) {
                        g_autofree char *xml = g_strdup_printf("<domain type='test'><name>populated-%" G_GUINT64_FORMAT "</name>"
                                                               "<memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>",
                                                               ++laboratory->populated);
                        g_autoptr(Definition) definition = definition_parse(xml, &error);
                        if (!definition)
                                break;
                        g_autoptr(Domain) domain = domain_new(self, definition, false, call->uid);
                        domain_operate(domain, start_new(NULL, (StartOptions){}));
                }
        if (error)
                call_fail(call, error);
        else
                reply_test_populate(call);
}

static void test_bus_fail_next(Call *call, Connection *self, const char *operation, const char *error, const char *message) {
        Laboratory *laboratory = self->data;
        int code = virtbus_error_from_short_name(error), which = find_operation(call, operation);
        if (which < 0)
                return;
        if (code < 0) {
                g_autoptr(GError) unknown = NULL;
                virtbus_error_set(&unknown, VIRTBUS_ERROR_INVALID_ARGUMENT, "there is no error '%.32s'", error);
                call_fail(call, unknown);
                return;
        }
        g_clear_error(&laboratory->failures[which]);
        virtbus_error_set(&laboratory->failures[which], (VirtbusError) code, "%s", message);
        reply_test_fail_next(call);
}

static void test_bus_set_delay(Call *call, Connection *self, const char *operation, uint64_t delay) {
        Laboratory *laboratory = self->data;
        int which = find_operation(call, operation);
        if (which < 0)
                return;
        if (delay > DELAY_MAX) {
                g_autoptr(GError) error = NULL;
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "a delay is at most one hour");
                call_fail(call, error);
                return;
        }
        laboratory->delays[which] = delay;
        reply_test_set_delay(call);
}

static void test_bus_guest_event(Call *call, Connection *self, const char *name, const char *event) {
        static const struct {
                const char *name;
                GuestEvent event;
        } events[] = { { "shutdown", GUEST_SHUTDOWN },
                       { "reboot", GUEST_REBOOT },
                       { "crash", GUEST_CRASH },
                       { "sleep", GUEST_SLEEP },
                       { "wake", GUEST_WAKE } };
        g_autoptr(GError) error = NULL;
        Domain *domain = connection_find_name(self, name);
        if (!domain)
                virtbus_error_set(&error, VIRTBUS_ERROR_NO_SUCH_DOMAIN, "there is no domain '%.64s'", name);
        else if (!domain->run)
                domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID, "it is %s; start it first",
                            domain_state_name(domain->state));
        if (error) {
                call_fail(call, error);
                return;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(events); i++)
                if (strcmp(events[i].name, event) == 0) {
                        domain_guest_event(domain, events[i].event);
                        reply_test_guest_event(call);
                        return;
                }
        if (strcmp(event, "die") == 0) {
                machine_free(domain);
                domain_stopped(domain, REASON_FAILED, NULL);
                reply_test_guest_event(call);
                return;
        }
        virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "there is no event '%.32s'", event);
        call_fail(call, error);
}

static int on_churn(sd_event_source *source, uint64_t usec, void *data) {
        Connection *connection = data;
        Laboratory *laboratory = connection->data;
        uint64_t now = 0;
        (void) usec;
        sd_event_now(connection->event, CLOCK_MONOTONIC, &now);
        uint64_t due = (now - laboratory->churn_began) * laboratory->churn_rate / 1000000;
        for (; laboratory->churn_done < due && laboratory->churn_left > 0; laboratory->churn_done++, laboratory->churn_left--) {
                laboratory->churned++;
                published_changed(connection->published, &test_bus_vtable, NULL);
        }
        if (laboratory->churn_left == 0)
                return 0;
        sd_event_source_set_time(source, now + 1000);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void test_bus_churn(Call *call, Connection *self, uint32_t count, uint32_t rate) {
        Laboratory *laboratory = self->data;
        g_autoptr(GError) error = NULL;
        if (laboratory->churn_left > 0)
                virtbus_error_set(&error, VIRTBUS_ERROR_RESOURCE_BUSY,
                                  "the last changes are not done; wait until Churned stands still");
        else if (count > CHURN_MAX || rate < 1 || rate > CHURN_RATE_MAX)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "a count is at most %d, a rate from 1 to %d", CHURN_MAX,
                                  CHURN_RATE_MAX);
        if (error) {
                call_fail(call, error);
                return;
        }
        laboratory->churn_left = count;
        laboratory->churn_done = 0;
        laboratory->churn_rate = rate;
        sd_event_now(self->event, CLOCK_MONOTONIC, &laboratory->churn_began);
        sd_event_source_disable_unref(laboratory->churn);
        laboratory->churn = NULL;
        int r = sd_event_add_time_relative(self->event, &laboratory->churn, CLOCK_MONOTONIC, 0, 1, on_churn, self);
        if (r < 0)
                call_fail_errno(call, r);
        else
                reply_test_churn(call);
}

static void on_asked(void *data, sd_bus_message *answer, const GError *error) {
        Call *call = data;
        const char *text;
        int r = answer ? sd_bus_message_read(answer, "s", &text) : 0;
        if (error)
                call_fail(call, error);
        else if (r < 0)
                call_fail_errno(call, r);
        else
                reply_test_ask_driver(call, text);
}

/* Elsewhere */

static char *remote_name(const char *uri, GError **error) {
        static const char scheme[] = "test://";
        const char *host = uri + strlen(scheme);
        size_t length = g_str_has_prefix(uri, scheme) ? strcspn(host, "/") : 0;
        bool is_name = length > 0 && length <= HOST_BYTES_MAX &&
                       strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == length;
        if (is_name && (!host[length] || strcmp(host + length, "/") == 0))
                return g_strndup(host, length);
        virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                          "OpenConnection: '%.64s' does not name a test hypervisor: write test://NAME, of up to %d letters, "
                          "digits, '.' "
                          "and '-'; a username is an option",
                          uri, HOST_BYTES_MAX);
        return NULL;
}

/* Those whose name begins with "locked" want a password. */
static bool may_connect(const Connection *connection) {
        return !g_str_has_prefix(connection->name, "test_locked") ||
               (connection->username && *connection->username && g_strcmp0(connection->password, "open-sesame") == 0);
}

/* Those whose name begins with "silent" never answer. */
static void remote_connect(Connection *connection) {
        const Laboratory *laboratory = connection->data;
        g_autoptr(GError) error = NULL;
        if (g_str_has_prefix(connection->name, "test_silent"))
                return;
        if (laboratory->unreachable)
                virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%s is not reached", connection->uri);
        else if (!may_connect(connection))
                virtbus_error_set(&error, VIRTBUS_ERROR_ACCESS_DENIED,
                                  "%s refuses the username or the password; pass others as options of OpenConnection",
                                  connection->uri);
        if (error) {
                connection_cut(connection, error, !laboratory->unreachable);
                return;
        }
        elsewhere_show(connection); /* before it is said to be connected: then it is all there */
        connection_connected(connection);
}

/* What is at work cannot be followed any more. */
static void fail_operations(Connection *connection, const GError *error) {
        g_autoptr(GList) domains = g_hash_table_get_values(connection->by_uuid);
        for (GList *link = domains; link; link = link->next)
                domain_ref(link->data);
        for (GList *link = domains; link; link = link->next) {
                Machine *machine = ((Domain *) link->data)->run;
                if (!machine || !machine->operation)
                        continue;
                machine->timer = sd_event_source_disable_unref(machine->timer);
                end_operation(machine, error);
        }
        g_list_foreach(domains, (GFunc) (void (*)(void)) domain_unref, NULL);
}

static void remote_disconnect(Connection *connection) {
        (void) connection; /* nothing is at work but timers, which go with the machines */
}

static const HypervisorRemote test_remote = {
        .name = remote_name,
        .connect = remote_connect,
        .disconnect = remote_disconnect,
};

static bool check_elsewhere(const Connection *self, const char *what, Call *call) {
        g_autoptr(GError) error = NULL;
        if (offers_check(self, self->hypervisor->remote, what, &error))
                return true;
        call_fail(call, error);
        return false;
}

static void test_bus_define_elsewhere(Call *call, Connection *self, const char *xml) {
        g_autoptr(GError) error = NULL;
        if (!check_elsewhere(self, "DefineElsewhere", call))
                return;
        if (!elsewhere_define(self, xml, &error)) {
                call_fail(call, error);
                return;
        }
        if (self->state == CONNECTION_CONNECTED)
                elsewhere_show(self);
        reply_test_define_elsewhere(call);
}

static void test_bus_undefine_elsewhere(Call *call, Connection *self, const char *uuid) {
        g_autoptr(GError) error = NULL;
        if (!check_elsewhere(self, "UndefineElsewhere", call))
                return;
        if (!elsewhere_undefine(self, uuid, &error)) {
                call_fail(call, error);
                return;
        }
        if (self->state == CONNECTION_CONNECTED)
                elsewhere_show(self);
        reply_test_undefine_elsewhere(call);
}

static void test_bus_set_reachable(Call *call, Connection *self, bool reachable) {
        g_autoptr(GError) error = NULL;
        if (!check_elsewhere(self, "SetReachable", call))
                return;
        ((Laboratory *) self->data)->unreachable = !reachable;
        if (!reachable && self->state == CONNECTION_CONNECTED) {
                virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%s was cut off", self->uri);
                connection_cut(self, error, false);
                fail_operations(self, error);
        }
        reply_test_set_reachable(call);
}

static void test_bus_ask_driver(Call *call, Connection *self, const char *object, const char *interface, const char *member,
                                const char *argument, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        bool own = false;
        if (options_read(options, &error, "own", 'b', &own, NULL) &&
            errand_begin(self->objects, own ? NULL : call_sender(call), object, interface, member, on_asked, call, &error,
                         *argument ? "s" : "", argument))
                return;
        call_fail(call, error);
}

static uint64_t test_bus_get_churned(const Connection *self) {
        return ((Laboratory *) self->data)->churned;
}

static bool test_open(Connection *connection, GError **error) {
        (void) error;
        connection->data = g_new0(Laboratory, 1);
        return true;
}

static void test_close(Connection *connection) {
        Laboratory *laboratory = connection->data;
        for (size_t i = 0; i < TEST_N_OPERATIONS; i++)
                g_clear_error(&laboratory->failures[i]);
        sd_event_source_disable_unref(laboratory->churn);
        g_free(laboratory);
}

/* What it can do */

/* The processors that documents may name. */
static char cpu_model[] = "test";

static char *test_capabilities(Connection *connection) {
        (void) connection;
        return g_strdup("<capabilities>\n"
                        "  <host>\n    <cpu>\n      <arch>x86_64</arch>\n    </cpu>\n  </host>\n"
                        "  <guest>\n    <os_type>hvm</os_type>\n    <arch name='x86_64'>\n      <wordsize>64</wordsize>\n"
                        "      <domain type='test'/>\n    </arch>\n  </guest>\n"
                        "</capabilities>\n");
}

static bool check_architecture(const char *arch, GError **error) {
        return !*arch || strcmp(arch, "x86_64") == 0 ||
               virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "architecture is '%.32s'; test machines are x86_64", arch);
}

static char *test_domain_capabilities(Connection *connection, const char *emulator, const char *arch, const char *machine,
                                      const char *type, GError **error) {
        (void) connection;
        if (*type && strcmp(type, "test") != 0) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "type is '%.32s'; it must be test", type);
                return NULL;
        }
        if (*emulator || *machine) {
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "test machines have neither an emulator nor a machine type");
                return NULL;
        }
        if (!check_architecture(arch, error))
                return NULL;
        return g_strdup_printf(
                        "<domainCapabilities>\n  <domain>test</domain>\n  <arch>x86_64</arch>\n"
                        "  <cpu>\n    <mode name='custom' supported='yes'>\n      <model usable='yes'>%s</model>\n    </mode>\n"
                        "  </cpu>\n</domainCapabilities>\n",
                        cpu_model);
}

static GPtrArray *test_cpu_models(Connection *connection, const char *arch, GError **error) {
        (void) connection;
        if (!check_architecture(arch, error))
                return NULL;
        GPtrArray *models = g_ptr_array_new();
        g_ptr_array_add(models, cpu_model);
        g_ptr_array_add(models, NULL);
        return models;
}

static const HypervisorAbilities test_abilities = {
        .capabilities = test_capabilities,
        .domain_capabilities = test_domain_capabilities,
        .cpu_models = test_cpu_models,
};

static const HypervisorPower test_power = {
        .suspend = test_suspend,
        .resume = test_resume,
        .shutdown = test_shutdown,
        .reset = test_reset,
};

static const HypervisorDevices test_devices = {
        .attach = test_attach,
        .detach = test_detach,
        .update = test_update,
        .resize = test_resize,
        .resize_disk = test_resize_disk,
        .get_addresses = test_get_addresses,
};

static const HypervisorDumping test_dumping = {
        .dump = test_dump,
        .cancel_dump = test_cancel,
};

static const HypervisorSaving test_saving = {
        .save_memory = test_save_memory,
        .cancel_save = test_cancel_save,
        .continue_saved = test_continue_saved,
};

static const HypervisorConsoles test_consoles = {
        .open_console = test_open_console,
        .open_graphics = test_open_graphics,
};

static const HypervisorMachine test_machine = {
        .screenshot = test_screenshot,
        .send_keys = test_send_keys,
        .inject_nmi = test_inject_nmi,
        .wake_up = test_wake_up,
        .peek_memory = test_peek_memory,
};

static const HypervisorStatistics test_statistics = {
        .collect = test_collect,
};

/* On this machine and elsewhere. */
#define WHAT_EACH_CAN \
        .connection = "test", .bus_name = "org.virtbus1.Driver.Test", .extra = &test_bus_vtable, .open = test_open, \
        .close = test_close, .start = test_start, .reattach = test_reattach, .destroy = test_destroy, .release = machine_free, \
        .save = test_save, .abilities = &test_abilities, .power = &test_power, .devices = &test_devices, \
        .machine = &test_machine, .statistics = &test_statistics

/* One that keeps its definitions itself, and can do less. */
static const Hypervisor test_elsewhere = {
        WHAT_EACH_CAN,
        .remote = &test_remote,
        .definitions = &elsewhere_definitions,
};

static const char *const test_schemes[] = { "test", NULL };

const Hypervisor test_hypervisor = {
        .schemes = test_schemes,
        .elsewhere = &test_elsewhere,
        WHAT_EACH_CAN,
        .dumping = &test_dumping,
        .saving = &test_saving,
        .consoles = &test_consoles,
};
