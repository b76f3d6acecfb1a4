/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <sys/resource.h>

#include "connection-rig.h"
#include "domain/connection-table.h"
#include "domain/domain-event.h"
#include "domain/domain-run.h"
#include "domain/operations/power.h"

#define ADD(name, test) g_test_add("/domain/" name, Rig, NULL, rig_set_up, test, rig_tear_down)
#define ONE RIG_XML("one", RIG_UUID, "")

/* States */

static void test_a_start_that_succeeds_runs(Rig *rig, gconstpointer unused) {
        g_auto(PeerCall) answer;
        (void) unused;
        Domain *domain = rig_define(rig, ONE);
        rig_assert_state(domain, DOMAIN_SHUTOFF, REASON_UNKNOWN);
        rig_call_domain(rig, "Start", &answer, "a{sv}", 0);
        rig_assert_asked("start ");
        rig_assert_state(domain, DOMAIN_STARTING, REASON_USER);
        g_assert_cmpuint(answer.n_answers, ==, 0);
        rig_finish(rig, domain, -1);
        peer_call_assert_error(&answer, NULL);
        rig_assert_state(domain, DOMAIN_RUNNING, REASON_BOOTED);
        g_assert_true(domain_is_active(domain) && domain->id > 0 && domain->start_time > 0);
        g_assert_true(folder_has(rig->statuses, RIG_UUID ".xml"));
        g_assert_cmpuint(rig->connection->n_active, ==, 1);
}

static void test_a_start_that_fails_leaves_nothing(Rig *rig, gconstpointer unused) {
        g_auto(PeerCall) answer;
        (void) unused;
        Domain *domain = rig_define(rig, ONE);
        rig_call_domain(rig, "Start", &answer, "a{sv}", 0);
        domain->run = NULL;
        rig_finish(rig, domain, VIRTBUS_ERROR_HYPERVISOR_FAILED);
        peer_call_assert_error(&answer, "org.virtbus1.Error.HypervisorFailed");
        g_assert_cmpstr(sd_bus_message_get_error(answer.answer)->message, ==, "domain 'one': the hypervisor says no");
        rig_assert_state(domain, DOMAIN_SHUTOFF, REASON_FAILED);
        g_assert_false(folder_has(rig->statuses, RIG_UUID ".xml"));
        g_assert_true(!domain->live && domain->id == 0 && rig->connection->n_active == 0);
}

/* The rig's hypervisor has no saving, and one function of the devices' group. */
static void test_what_a_hypervisor_lacks_is_unsupported(Rig *rig, gconstpointer unused) {
        static const char *const lacking[] = { "Save", "ManagedSave", "OpenLog", "Screenshot" };
        (void) unused;
        Domain *domain = rig_define(rig, ONE);
        for (size_t i = 0; i < G_N_ELEMENTS(lacking); i++) {
                g_auto(PeerCall) answer;
                if (strcmp(lacking[i], "Save") == 0)
                        rig_call_domain(rig, lacking[i], &answer, "sa{sv}", "/tmp/one.save", 0);
                else if (strcmp(lacking[i], "Screenshot") == 0)
                        rig_call_domain(rig, lacking[i], &answer, "ua{sv}", 0, 0);
                else
                        rig_call_domain(rig, lacking[i], &answer, "a{sv}", 0);
                peer_call_assert_error(&answer, "org.virtbus1.Error.Unsupported");
                g_assert_nonnull(strstr(sd_bus_message_get_error(answer.answer)->message, "domain 'one'"));
        }
        rig_assert_asked("");
        rig_assert_state(domain, DOMAIN_SHUTOFF, REASON_UNKNOWN);
}

static void test_a_transient_one_goes_when_it_ends(Rig *rig, gconstpointer unused) {
        g_auto(PeerCall) answer, again;
        (void) unused;
        rig_call(rig, RIG_PATH, "org.virtbus1.Connection", "CreateDomain", &answer, "sa{sv}", ONE, 0);
        Domain *domain = connection_find(rig->connection, RIG_UUID);
        rig_finish(rig, domain, -1);
        peer_call_assert_error(&answer, NULL);
        g_assert_false(folder_has(rig->definitions, RIG_UUID ".xml"));
        domain->run = NULL;
        domain_stopped(domain, REASON_SHUTDOWN, NULL);
        rig_settle(rig);
        g_assert_null(connection_find(rig->connection, RIG_UUID));
        g_assert_null(connection_find_name(rig->connection, "one"));
        rig_call_domain(rig, "Start", &again, "a{sv}", 0);
        peer_call_assert_error(&again, SD_BUS_ERROR_UNKNOWN_OBJECT);
}

static void test_a_transient_one_goes_when_it_cannot_start(Rig *rig, gconstpointer unused) {
        g_auto(PeerCall) answer;
        (void) unused;
        rig_call(rig, RIG_PATH, "org.virtbus1.Connection", "CreateDomain", &answer, "sa{sv}", ONE, 0);
        Domain *domain = connection_find(rig->connection, RIG_UUID);
        domain->run = NULL;
        rig_finish(rig, domain, VIRTBUS_ERROR_RESOURCE_BUSY);
        peer_call_assert_error(&answer, "org.virtbus1.Error.ResourceBusy");
        g_assert_null(connection_find(rig->connection, RIG_UUID));
}

static void test_undefined_while_it_runs_it_goes_when_it_ends(Rig *rig, gconstpointer unused) {
        g_auto(PeerCall) answer;
        (void) unused;
        Domain *domain = rig_run(rig, "");
        rig_call_domain(rig, "Undefine", &answer, "a{sv}", 0);
        peer_call_assert_error(&answer, NULL);
        g_assert_true(connection_find(rig->connection, RIG_UUID) == domain);
        domain_destroy(domain, REASON_DESTROYED, NULL);
        rig_settle(rig);
        g_assert_null(connection_find(rig->connection, RIG_UUID));
        g_assert_cmpuint(folder_count(rig->definitions) + folder_count(rig->statuses), ==, 0);
}

/* What a hypervisor tells late, or of its own making, changes nothing. */
static void test_what_is_told_of_one_that_is_off_is_not_believed(Rig *rig, gconstpointer unused) {
        (void) unused;
        Domain *domain = rig_define(rig, ONE);
        peer_pair_run(&rig->pair);
        g_string_truncate(rig->pair.heard, 0);
        for (DomainState state = 0; state < DOMAIN_N_STATES; state++)
                domain_changed(domain, state, REASON_UNKNOWN);
        for (GuestEvent event = GUEST_SHUTDOWN; event <= GUEST_WAKE; event++)
                domain_guest_event(domain, event);
        domain_memory_changed(domain, 4096);
        domain_vcpus_changed(domain, 1);
        domain_device_gone(domain, "net0");
        rig_assert_state(domain, DOMAIN_SHUTOFF, REASON_UNKNOWN);
        rig_assert_asked("");
        peer_pair_assert_heard(&rig->pair, "");
        g_assert_cmpuint(folder_count(rig->statuses), ==, 0);
}

static void test_one_that_is_stopping_stops(Rig *rig, gconstpointer unused) {
        (void) unused;
        Domain *domain = rig_run(rig, "");
        rig_keeps_up = true;
        domain_destroy(domain, REASON_DESTROYED, NULL);
        for (DomainState state = 0; state < DOMAIN_N_STATES; state++)
                domain_changed(domain, state, REASON_UNKNOWN);
        for (GuestEvent event = GUEST_SHUTDOWN; event <= GUEST_WAKE; event++)
                domain_guest_event(domain, event);
        rig_assert_state(domain, DOMAIN_STOPPING, REASON_DESTROYED);
        rig_assert_asked("destroy ");
        domain->run = NULL;
        domain_stopped(domain, REASON_CRASHED, NULL); /* whatever killed it: it was destroyed */
        rig_assert_state(domain, DOMAIN_SHUTOFF, REASON_DESTROYED);
}

static void test_events_of_the_guest_follow_the_definition(Rig *rig, gconstpointer unused) {
        static const struct {
                const char *xml;
                GuestEvent event;
                DomainState state;
                DomainReason reason;
                const char *asked;
        } cases[] = {
                { "", GUEST_SHUTDOWN, DOMAIN_SHUTOFF, REASON_SHUTDOWN, "destroy " },
                { "", GUEST_REBOOT, DOMAIN_RUNNING, REASON_BOOTED, "" },
                { "", GUEST_CRASH, DOMAIN_SHUTOFF, REASON_CRASHED, "destroy " },
                { "", GUEST_SLEEP, DOMAIN_PMSUSPENDED, REASON_UNKNOWN, "" },
                { "", GUEST_WAKE, DOMAIN_RUNNING, REASON_BOOTED, "" }, /* it was not asleep */
                { "<on_poweroff>preserve</on_poweroff>", GUEST_SHUTDOWN, DOMAIN_PAUSED, REASON_SHUTDOWN, "" },
                { "<on_poweroff>restart</on_poweroff>", GUEST_SHUTDOWN, DOMAIN_PAUSED, REASON_SHUTDOWN, "reset " },
                { "<on_crash>preserve</on_crash>", GUEST_CRASH, DOMAIN_CRASHED, REASON_CRASHED, "" },
                { "<on_crash>restart</on_crash>", GUEST_CRASH, DOMAIN_PAUSED, REASON_CRASHED, "reset " },
                { "<on_reboot>destroy</on_reboot>", GUEST_REBOOT, DOMAIN_SHUTOFF, REASON_SHUTDOWN, "destroy " },
                { "<on_reboot>preserve</on_reboot>", GUEST_REBOOT, DOMAIN_RUNNING, REASON_BOOTED, "suspend " },
        };
        (void) unused;
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                Domain *domain = rig_run(rig, cases[i].xml);
                domain_guest_event(domain, cases[i].event);
                rig_assert_state(domain, cases[i].state, cases[i].reason);
                rig_assert_asked(cases[i].asked);
                if (domain->operation)
                        rig_finish(rig, domain, -1);
                if (domain->operation) /* reset and then resume */
                        rig_finish(rig, domain, -1);
                if (domain_is_active(domain))
                        domain_destroy(domain, REASON_DESTROYED, NULL);
                rig_settle(rig);
        }
}

static void test_names_of_states_and_reasons_are_read_back(void) {
        for (DomainState state = 0; state < DOMAIN_N_STATES; state++)
                g_assert_cmpint(domain_state_from_name(domain_state_name(state)), ==, state);
        for (DomainReason reason = 0; reason < DOMAIN_N_REASONS; reason++)
                g_assert_cmpint(domain_reason_from_name(domain_reason_name(reason)), ==, reason);
        g_assert_cmpint(domain_state_from_name("no such"), ==, DOMAIN_SHUTOFF);
        g_assert_cmpint(domain_reason_from_name(""), ==, REASON_UNKNOWN);
}

static void test_errors_are_named_once(Rig *rig, gconstpointer unused) {
        g_autoptr(GError) error = NULL, named = NULL, again = NULL;
        (void) unused;
        Domain *domain = rig_define(rig, ONE);
        virtbus_error_set(&error, VIRTBUS_ERROR_TIMEOUT, "too late");
        named = domain_name_error(domain, error);
        again = domain_name_error(domain, named);
        g_assert_error(again, VIRTBUS_ERROR, VIRTBUS_ERROR_TIMEOUT);
        g_assert_cmpstr(again->message, ==, "domain 'one': too late");
}

/* Files */

/* A guest that is not written down would be started a second time. */
static void test_a_start_that_cannot_be_written_down_fails(Rig *rig, gconstpointer unused) {
        const struct rlimit none = { .rlim_cur = 16, .rlim_max = RLIM_INFINITY };
        struct rlimit before;
        g_auto(PeerCall) answer;
        (void) unused;
        Domain *domain = rig_define(rig, ONE);
        g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &none), ==, 0);
        rig_call_domain(rig, "Start", &answer, "a{sv}", 0);
        rig_finish(rig, domain, -1);
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
        peer_call_assert_error(&answer, "org.virtbus1.Error.LimitExceeded");
        rig_assert_asked("start destroy ");
        rig_assert_state(domain, DOMAIN_SHUTOFF, REASON_FAILED);
}

static void test_a_running_one_is_found_again(Rig *rig, gconstpointer unused) {
        (void) unused;
        Domain *domain = rig_run(rig, "");
        uint32_t id = domain->id;
        uint64_t start_time = domain->start_time;
        domain_changed(domain, DOMAIN_PAUSED, REASON_IO_ERROR);
        rig_reopen(rig);
        domain = connection_find(rig->connection, RIG_UUID);
        rig_assert_state(domain, DOMAIN_PAUSED, REASON_IO_ERROR);
        g_assert_cmpuint(domain->id, ==, id);
        g_assert_cmpuint(domain->start_time, ==, start_time);
        connection_resume(rig->connection);
        rig_assert_asked("reattach(of the run) ");
        rig_finish(rig, domain, -1);
        rig_assert_state(domain, DOMAIN_PAUSED, REASON_IO_ERROR);
}

static void test_one_that_is_not_found_again_is_off(Rig *rig, gconstpointer unused) {
        (void) unused;
        rig_run(rig, "");
        rig_reopen(rig);
        connection_resume(rig->connection);
        Domain *domain = connection_find(rig->connection, RIG_UUID);
        domain->run = NULL;
        rig_finish(rig, domain, VIRTBUS_ERROR_HYPERVISOR_FAILED);
        rig_assert_state(domain, DOMAIN_SHUTOFF, REASON_UNKNOWN);
        g_assert_cmpuint(folder_count(rig->statuses), ==, 0);
}

/* Replaces a part of the status of a running domain, opens its connection anew and returns the domain. */
static Domain *reopen_with(Rig *rig, const char *old, const char *new) {
        g_autofree char *text = folder_read(rig->statuses, RIG_UUID ".xml");
        g_auto(GStrv) parts = g_strsplit(text, old, 2);
        g_assert_cmpuint(g_strv_length(parts), ==, 2);
        g_autofree char *changed = g_strjoinv(new, parts);
        connection_close(rig->connection);
        folder_write(rig->statuses, RIG_UUID ".xml", changed, -1);
        rig_open_connection(rig);
        return connection_find(rig->connection, RIG_UUID);
}

static void test_a_damaged_status_is_kept_aside_and_costs_itself_alone(Rig *rig, gconstpointer unused) {
        static const struct {
                const char *old, *new;
        } cases[] = {
                { "state=\"running\"", "state=\"asleep\"" },
                { "state=\"running\"", "state=\"shutoff\"" },
                { "state=\"running\"", "" },
                { "reason=\"booted\"", "reason=\"\"" },
                { "id=\"1\"", "id=\"0\"" },
                { "id=\"1\"", "id=\"-1\"" },
                { "id=\"1\"", "id=\"99999999999\"" },
                { "id=\"1\"", "" },
                { "owner=\"1000\"", "owner=\"root\"" },
                { "saving=\"0\"", "saving=\"2\"" },
                { "<run ", "<ran " },
                { "<uuid>" RIG_UUID, "<uuid>" RIG_OTHER },
                { "<name>one", "<name>" },
                { "</domain>", "" },
                { "</virtbus-status>", "" },
                { "<virtbus-status", "<status" },
                { "format=\"1\"", "format=\"0\"" },
                { "<domain", "<!DOCTYPE a [<!ENTITY b 'c'>]><domain" },
        };
        (void) unused;
        rig_define(rig, RIG_XML("other", RIG_OTHER, ""));
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                rig_run(rig, "");
                g_test_message("%s -> %s", cases[i].old, cases[i].new);
                Domain *domain = reopen_with(rig, cases[i].old, cases[i].new);
                rig_assert_state(domain, DOMAIN_SHUTOFF, REASON_UNKNOWN);
                g_assert_nonnull(connection_find(rig->connection, RIG_OTHER));
                g_assert_false(folder_has(rig->statuses, RIG_UUID ".xml"));
                g_assert_true(folder_has(rig->statuses, RIG_UUID ".damaged"));
                rig_reopen(rig);
        }
}

static void test_a_cut_off_status_is_kept_aside(Rig *rig, gconstpointer unused) {
        (void) unused;
        rig_run(rig, "");
        connection_close(rig->connection);
        g_autofree char *text = folder_read(rig->statuses, RIG_UUID ".xml");
        size_t length = strlen(g_strchomp(text));
        for (size_t size = 0; size < length; size += 7) {
                folder_write(rig->statuses, RIG_UUID ".xml", text, (gssize) size);
                rig_open_connection(rig);
                rig_assert_state(connection_find(rig->connection, RIG_UUID), DOMAIN_SHUTOFF, REASON_UNKNOWN);
                connection_close(rig->connection);
                g_assert_false(folder_has(rig->statuses, RIG_UUID ".xml"));
        }
        rig_open_connection(rig);
}

static void test_a_status_of_a_later_format_is_left_alone(Rig *rig, gconstpointer unused) {
        g_auto(PeerCall) start;
        (void) unused;
        rig_run(rig, "");
        Domain *domain = reopen_with(rig, "format=\"1\"", "format=\"3\"");
        g_autofree char *before = folder_read(rig->statuses, RIG_UUID ".xml");
        rig_assert_state(domain, DOMAIN_SHUTOFF, REASON_UNKNOWN);
        g_string_truncate(rig_asked, 0);
        rig_call_domain(rig, "Start", &start, "a{sv}", 0);
        peer_call_assert_error(&start, "org.virtbus1.Error.Unsupported");
        g_assert_nonnull(strstr(sd_bus_message_get_error(start.answer)->message, "format 3"));
        rig_assert_asked("");
        g_autofree char *after = folder_read(rig->statuses, RIG_UUID ".xml");
        g_assert_cmpstr(before, ==, after);
}

static void test_a_definition_of_a_later_format_is_left_alone(Rig *rig, gconstpointer unused) {
        g_auto(PeerCall) define;
        (void) unused;
        rig_define(rig, ONE);
        g_autofree char *text = folder_read(rig->definitions, RIG_UUID ".xml");
        g_auto(GStrv) parts = g_strsplit(text, "format=\"1\"", 2);
        g_autofree char *newer = g_strjoinv("format=\"9\"", parts);
        connection_close(rig->connection);
        folder_write(rig->definitions, RIG_UUID ".xml", newer, -1);
        rig_open_connection(rig);
        g_assert_null(connection_find(rig->connection, RIG_UUID));
        rig_call(rig, RIG_PATH, "org.virtbus1.Connection", "DefineDomain", &define, "sa{sv}", ONE, 0);
        peer_call_assert_error(&define, "org.virtbus1.Error.Unsupported");
        g_assert_nonnull(strstr(sd_bus_message_get_error(define.answer)->message, "format 9"));
        g_autofree char *after = folder_read(rig->definitions, RIG_UUID ".xml");
        g_assert_cmpstr(after, ==, newer);
}

static void test_definitions_of_before_formats_are_read(Rig *rig, gconstpointer unused) {
        (void) unused;
        connection_close(rig->connection);
        folder_write(rig->definitions, RIG_UUID ".xml", "<?virtbus owner=\"1000\" autostart=\"yes\"?>" ONE, -1);
        folder_write(rig->definitions, RIG_OTHER ".xml", RIG_XML("plain", RIG_OTHER, ""), -1);
        rig_open_connection(rig);
        Domain *domain = connection_find(rig->connection, RIG_UUID);
        g_assert_cmpuint(domain->owner, ==, 1000);
        g_assert_true(domain->autostart);
        g_assert_nonnull(connection_find_name(rig->connection, "plain"));
}

static void test_damaged_definitions_cost_themselves_alone(Rig *rig, gconstpointer unused) {
        static const char *const damaged[] = {
                "",
                "<domain/>",
                "<domain",
                "not a document",
                RIG_XML("one", RIG_OTHER, ""),  /* of another UUID */
                RIG_XML("plain", RIG_UUID, ""), /* of a name that another has */
                "<?virtbus owner=\"-1\"?>" ONE,
                "<?virtbus owner=\"1000\" autostart=\"maybe\"?>" ONE,
                "<?virtbus owner=\"1000?>" ONE,
                "<?virtbus format=\"0\"?>" ONE,
                ONE ONE,
        };
        (void) unused;
        for (size_t i = 0; i < G_N_ELEMENTS(damaged); i++) {
                connection_close(rig->connection);
                folder_write(rig->definitions, RIG_UUID ".xml", damaged[i], -1);
                folder_write(rig->definitions, RIG_OTHER ".xml", RIG_XML("plain", RIG_OTHER, ""), -1);
                rig_open_connection(rig);
                g_autofree char *after = folder_read(rig->definitions, RIG_UUID ".xml");
                g_test_message("%s", damaged[i]);
                /* Which of two of one name is read first is not known. */
                bool one = connection_find(rig->connection, RIG_UUID), other = connection_find(rig->connection, RIG_OTHER);
                g_assert_true(one + other == 1);
                g_assert_cmpstr(after, ==, damaged[i]);
        }
}

static void test_a_uuid_and_a_name_belong_to_one(Rig *rig, gconstpointer unused) {
        static const struct {
                const char *xml, *error;
        } cases[] = {
                { RIG_XML("one", RIG_OTHER, ""), "org.virtbus1.Error.AlreadyExists" },
                { RIG_XML("two", RIG_UUID, ""), "org.virtbus1.Error.AlreadyExists" },
                { RIG_XML("two", RIG_OTHER, ""), NULL },
                { ONE, NULL },
        };
        (void) unused;
        rig_define(rig, ONE);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(PeerCall) answer;
                rig_call(rig, RIG_PATH, "org.virtbus1.Connection", "DefineDomain", &answer, "sa{sv}", cases[i].xml, 0);
                peer_call_assert_error(&answer, cases[i].error);
        }
}

static void test_the_machine_starts_what_it_is_to(Rig *rig, gconstpointer unused) {
        (void) unused;
        connection_close(rig->connection);
        folder_write(rig->definitions, RIG_UUID ".xml", "<?virtbus owner=\"0\" autostart=\"yes\"?>" ONE, -1);
        folder_write(rig->definitions, RIG_OTHER ".xml", RIG_XML("plain", RIG_OTHER, ""), -1);
        rig_open_connection(rig);
        connection_resume(rig->connection);
        rig_assert_asked("start ");
        Domain *domain = connection_find(rig->connection, RIG_UUID);
        domain->run = NULL;
        rig_finish(rig, domain, VIRTBUS_ERROR_HYPERVISOR_FAILED);
        rig_reopen(rig); /* the next driver of the same run of the machine does not */
        connection_resume(rig->connection);
        rig_assert_asked("");
}

/* What is told */

/* Each signal as "PATH'S LAST PART: PROPERTY PROPERTY, ". */
static int on_properties_changed(sd_bus_message *message, void *data, sd_bus_error *error) {
        GString *told = data;
        (void) error;
        if (!sd_bus_message_is_signal(message, "org.freedesktop.DBus.Properties", "PropertiesChanged"))
                return 0;
        g_autofree char *name = g_path_get_basename(sd_bus_message_get_path(message));
        const char *interface, *property;
        g_assert_cmpint(sd_bus_message_read(message, "s", &interface), >, 0);
        g_assert_cmpint(sd_bus_message_enter_container(message, 'a', "{sv}"), >, 0);
        g_string_append_printf(told, "%s:", g_str_has_prefix(sd_bus_message_get_path(message), RIG_DOMAIN "/") ? name : "domain");
        while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
                g_assert_cmpint(sd_bus_message_read(message, "s", &property), >, 0);
                g_string_append_printf(told, " %s", property);
                g_assert_cmpint(sd_bus_message_skip(message, "v"), >, 0);
                g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
        }
        g_string_append(told, ", ");
        return 0;
}

#define DISK(target, source) \
        "<disk type='file' device='disk'><source file='" source "'/><target dev='" target "' bus='virtio'/></disk>"
#define MEMBERS(title, disks) "<title>" title "</title><devices>" disks "</devices>"

static void test_a_change_of_one_property_tells_just_that(Rig *rig, gconstpointer unused) {
        static const struct {
                const char *xml, *told;
        } steps[] = {
                { RIG_XML("one", RIG_UUID, MEMBERS("a", DISK("vda", "/a") DISK("vdb", "/b"))), "" },
                { RIG_XML("one", RIG_UUID, MEMBERS("b", DISK("vda", "/a") DISK("vdb", "/b"))), "domain: Title, " },
                { RIG_XML("one", RIG_UUID, MEMBERS("b", DISK("vda", "/a") DISK("vdb", "/c"))), "virtio_2ddisk1: Source, " },
                { RIG_XML("one", RIG_UUID, MEMBERS("b", DISK("vdb", "/c"))), "" }, /* one that has gone */
                { RIG_XML("one", RIG_UUID, MEMBERS("b", DISK("vdc", "/d") DISK("vdb", "/c"))), "" },
                { RIG_XML("one", RIG_UUID, MEMBERS("b", DISK("vdb", "/e") DISK("vdc", "/f"))),
                  "virtio_2ddisk1: Source, virtio_2ddisk2: Source, " },
        };
        g_autoptr(GString) told = g_string_new(NULL);
        (void) unused;
        g_assert_cmpint(sd_bus_add_filter(rig->pair.service, NULL, on_properties_changed, told), >=, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
                rig_define(rig, steps[i].xml);
                g_assert_cmpstr(told->str, ==, steps[i].told);
                g_string_truncate(told, 0);
        }
}

static void test_memory_of_a_run_is_all_that_its_change_and_its_end_tell(Rig *rig, gconstpointer unused) {
        g_autoptr(GString) told = g_string_new(NULL);
        (void) unused;
        Domain *domain = rig_run(rig, MEMBERS("a", DISK("vda", "/a") DISK("vdb", "/b")));
        g_assert_cmpint(sd_bus_add_filter(rig->pair.service, NULL, on_properties_changed, told), >=, 0);
        domain_memory_changed(domain, 512 << 20);
        rig_settle(rig);
        g_assert_cmpstr(told->str, ==, "domain: Memory, ");
        g_string_truncate(told, 0);
        domain->run = NULL;
        domain_stopped(domain, REASON_SHUTDOWN, NULL);
        rig_settle(rig);
        g_assert_cmpstr(told->str, ==, "domain: State StateReason Active ID StartTime, domain: Memory, ");
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        signal(SIGXFSZ, SIG_IGN); /* EFBIG instead */
        ADD("a-start-that-succeeds-runs", test_a_start_that_succeeds_runs);
        ADD("a-start-that-fails-leaves-nothing", test_a_start_that_fails_leaves_nothing);
        ADD("what-a-hypervisor-lacks-is-unsupported", test_what_a_hypervisor_lacks_is_unsupported);
        ADD("a-transient-one-goes-when-it-ends", test_a_transient_one_goes_when_it_ends);
        ADD("a-transient-one-goes-when-it-cannot-start", test_a_transient_one_goes_when_it_cannot_start);
        ADD("undefined-while-it-runs-it-goes-when-it-ends", test_undefined_while_it_runs_it_goes_when_it_ends);
        ADD("what-is-told-of-one-that-is-off-is-not-believed", test_what_is_told_of_one_that_is_off_is_not_believed);
        ADD("one-that-is-stopping-stops", test_one_that_is_stopping_stops);
        ADD("events-of-the-guest-follow-the-definition", test_events_of_the_guest_follow_the_definition);
        g_test_add_func("/domain/names-of-states-and-reasons-are-read-back", test_names_of_states_and_reasons_are_read_back);
        ADD("errors-are-named-once", test_errors_are_named_once);
        ADD("a-start-that-cannot-be-written-down-fails", test_a_start_that_cannot_be_written_down_fails);
        ADD("a-running-one-is-found-again", test_a_running_one_is_found_again);
        ADD("one-that-is-not-found-again-is-off", test_one_that_is_not_found_again_is_off);
        ADD("a-damaged-status-is-kept-aside-and-costs-itself-alone", test_a_damaged_status_is_kept_aside_and_costs_itself_alone);
        ADD("a-cut-off-status-is-kept-aside", test_a_cut_off_status_is_kept_aside);
        ADD("a-status-of-a-later-format-is-left-alone", test_a_status_of_a_later_format_is_left_alone);
        ADD("a-definition-of-a-later-format-is-left-alone", test_a_definition_of_a_later_format_is_left_alone);
        ADD("definitions-of-before-formats-are-read", test_definitions_of_before_formats_are_read);
        ADD("damaged-definitions-cost-themselves-alone", test_damaged_definitions_cost_themselves_alone);
        ADD("a-uuid-and-a-name-belong-to-one", test_a_uuid_and_a_name_belong_to_one);
        ADD("the-machine-starts-what-it-is-to", test_the_machine_starts_what_it_is_to);
        ADD("a_change_of_one_property_tells_just_that", test_a_change_of_one_property_tells_just_that);
        ADD("memory_of_a_run_is_all_that_its_change_and_its_end_tell",
            test_memory_of_a_run_is_all_that_its_change_and_its_end_tell);
        return g_test_run();
}
