/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "errors.h"
#include "peer-pair.h"

#define PATH "/org/virtbus1/unit"
#define INTERFACE "org.virtbus1.Unit"
#define PROPERTIES "org.freedesktop.DBus.Properties"

enum { METHOD_ECHO, METHOD_HANG, METHOD_NOTHING };
enum { PROPERTY_NAME, PROPERTY_SIZE };

/* An object: what its handlers have been asked. */
typedef struct Thing {
        uint32_t size;
        Call *hanging;
        uid_t uid;
        unsigned n_calls;
} Thing;

static void thing_echo(Call *call, void *self) {
        Thing *thing = self;
        const char *text;
        thing->n_calls++;
        thing->uid = call->uid;
        g_assert_cmpint(sd_bus_message_read(call->message, "s", &text), >=, 0);
        call_reply(call, "s", text);
}

static void thing_hang(Call *call, void *self) {
        Thing *thing = self;
        thing->n_calls++;
        thing->hanging = call;
}

static void thing_nothing(Call *call, void *self) {
        Thing *thing = self;
        thing->n_calls++;
        call_reply(call, "");
}

static int thing_get_name(const void *self, sd_bus_message *message) {
        (void) self;
        return sd_bus_message_append(message, "s", "a thing");
}

static int thing_get_size(const void *self, sd_bus_message *message) {
        const Thing *thing = self;
        return sd_bus_message_append(message, "u", thing->size);
}

static void thing_set_size(Call *call, void *self) {
        Thing *thing = self;
        thing->n_calls++;
        g_assert_cmpint(sd_bus_message_read(call->message, "u", &thing->size), >=, 0);
        call_reply(call, "");
}

static const MethodInfo methods[] = {
        [METHOD_ECHO] = { .name = "Echo", .in_signature = "s", .out_signature = "s" },
        [METHOD_HANG] = { .name = "Hang", .in_signature = "", .out_signature = "" },
        [METHOD_NOTHING] = { .name = "Nothing", .in_signature = "", .out_signature = "" },
};
static const PropertyInfo properties[] = {
        [PROPERTY_NAME] = { .name = "Name", .signature = "s" },
        [PROPERTY_SIZE] = { .name = "Size", .signature = "u", .write_action = "a" },
};
static const SignalInfo signals[] = { { .name = "Rang", .signature = "s" } };
static const InterfaceInfo info = {
        .name = INTERFACE,
        .methods = methods,
        .n_methods = G_N_ELEMENTS(methods),
        .properties = properties,
        .n_properties = G_N_ELEMENTS(properties),
        .signals = signals,
        .n_signals = G_N_ELEMENTS(signals),
};
static const Vtable vtable = {
        .info = &info,
        .methods = (const MethodHandler[]){ thing_echo, thing_hang, thing_nothing },
        .getters = (const PropertyGetter[]){ thing_get_name, thing_get_size },
        .setters = (const MethodHandler[]){ NULL, thing_set_size },
};
static const Vtable *const vtables[] = { &vtable, NULL };

typedef struct Fixture {
        Objects *objects;
        PeerPair pair;
        Thing thing;
        Published *published;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        fixture->thing.size = 7;
        fixture->objects = objects_new();
        peer_pair_open(&fixture->pair, fixture->objects);
        objects_set_peer(fixture->objects, fixture->pair.driver);
        fixture->published = objects_publish(fixture->objects, PATH, &fixture->thing, vtables);
        peer_pair_assert_heard(&fixture->pair, "ObjectsAdded(/org/virtbus1/driver) ");
}

static void tear_down(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        g_assert_cmpuint(calls_pending(), ==, 0);
        if (fixture->published)
                published_withdraw(fixture->published);
        objects_free(fixture->objects);
        peer_pair_close(&fixture->pair);
}

static void call(Fixture *fixture, const char *path, const char *interface, const char *member, PeerCall *answer) {
        peer_call_send(&fixture->pair, peer_call_new(&fixture->pair, path, interface, member), answer);
}

/* The number of objects in an ObjectsAdded, and whether the first has the path, interface and properties of ours. */
static int count_added(sd_bus_message *signal, void *data, sd_bus_error *error) {
        unsigned *n = data;
        (void) error;
        if (!sd_bus_message_is_signal(signal, "org.virtbus1.Driver", "ObjectsAdded"))
                return 0;
        g_assert_cmpint(sd_bus_message_enter_container(signal, 'a', "(oa{sa{sv}})"), >=, 0);
        for (; sd_bus_message_enter_container(signal, 'r', "oa{sa{sv}}") > 0; ++*n) {
                const char *path, *interface, *name;
                uint32_t size;
                g_autofree char *wanted = *n == 0 ? g_strdup(PATH) : g_strdup_printf(PATH "/%u", *n);
                g_assert_cmpint(sd_bus_message_read(signal, "o", &path), >, 0);
                g_assert_cmpstr(path, ==, wanted);
                g_assert_cmpint(sd_bus_message_read(signal, "a{sa{sv}}", 1, &interface, 2, NULL, "s", &name, NULL, "u", &size), >,
                                0);
                g_assert_cmpstr(interface, ==, INTERFACE);
                g_assert_cmpuint(size, ==, 7);
                sd_bus_message_exit_container(signal);
        }
        return 0;
}

static void test_who_attaches_is_sent_all_in_order(Fixture *fixture, gconstpointer unused) {
        enum { N_CHILDREN = 600 }; /* more than one signal takes */
        Published *children[N_CHILDREN];
        unsigned n = 0;
        (void) unused;
        objects_set_peer(fixture->objects, NULL);
        for (unsigned i = 0; i < N_CHILDREN; i++) {
                g_autofree char *path = g_strdup_printf(PATH "/%u", i + 1);
                children[i] = objects_publish(fixture->objects, path, &fixture->thing, vtables);
        }
        peer_pair_assert_heard(&fixture->pair, "");
        objects_set_peer(fixture->objects, fixture->pair.driver);
        sd_bus_slot *slot;
        g_assert_cmpint(sd_bus_add_filter(fixture->pair.service, &slot, count_added, &n), >=, 0);
        g_assert_cmpint(objects_send_all(fixture->objects), ==, 0);
        peer_pair_run(&fixture->pair);
        g_assert_cmpuint(n, ==, N_CHILDREN + 1);
        sd_bus_slot_unref(slot);
        for (unsigned i = 0; i < N_CHILDREN; i++)
                published_withdraw(children[i]);
}

static void test_without_a_peer_nothing_is_sent(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        objects_set_peer(fixture->objects, NULL);
        published_changed(fixture->published, &vtable, NULL);
        published_emit(fixture->published, vtable.info, "Rang", "s", "bell");
        published_withdraw(g_steal_pointer(&fixture->published));
        g_assert_cmpint(objects_send_all(fixture->objects), ==, 0);
        peer_pair_assert_heard(&fixture->pair, "");
}

static int read_change(sd_bus_message *signal, void *data, sd_bus_error *error) {
        GString *names = data;
        const char *interface, *name;
        (void) error;
        if (!sd_bus_message_is_signal(signal, PROPERTIES, "PropertiesChanged"))
                return 0;
        g_assert_cmpint(sd_bus_message_read(signal, "s", &interface), >, 0);
        g_assert_cmpstr(interface, ==, INTERFACE);
        g_assert_cmpint(sd_bus_message_enter_container(signal, 'a', "{sv}"), >, 0);
        while (sd_bus_message_enter_container(signal, 'e', "sv") > 0) {
                g_assert_cmpint(sd_bus_message_read(signal, "s", &name), >, 0);
                g_string_append_printf(names, "%s ", name);
                sd_bus_message_skip(signal, "v");
                sd_bus_message_exit_container(signal);
        }
        return 0;
}

static void test_changes_name_their_properties(Fixture *fixture, gconstpointer unused) {
        g_autoptr(GString) names = g_string_new(NULL);
        sd_bus_slot *slot;
        (void) unused;
        g_assert_cmpint(sd_bus_add_filter(fixture->pair.service, &slot, read_change, names), >=, 0);
        published_changed(fixture->published, &vtable, (const int[]){ PROPERTY_SIZE, -1 });
        peer_pair_run(&fixture->pair);
        g_assert_cmpstr(names->str, ==, "Size ");
        published_changed(fixture->published, &vtable, NULL);
        peer_pair_run(&fixture->pair);
        g_assert_cmpstr(names->str, ==, "Size Name Size ");
        sd_bus_slot_unref(slot);
}

static void test_signals_come_in_the_order_of_what_happens(Fixture *fixture, gconstpointer unused) {
        (void) unused;
        published_changed(fixture->published, &vtable, NULL);
        published_emit(fixture->published, vtable.info, "Rang", "s", "bell");
        published_withdraw(g_steal_pointer(&fixture->published));
        peer_pair_assert_heard(&fixture->pair,
                               "PropertiesChanged(" PATH ") Rang(" PATH ") ObjectsRemoved(/org/virtbus1/driver) ");
}

static void test_a_call_is_answered_for_its_caller(Fixture *fixture, gconstpointer unused) {
        g_auto(PeerCall) answer;
        const char *text;
        (void) unused;
        sd_bus_message *message = peer_call_new(&fixture->pair, PATH, INTERFACE, "Echo");
        g_assert_cmpint(sd_bus_message_append(message, "s", "h\xc3\xb6r"), >=, 0);
        peer_call_send(&fixture->pair, message, &answer);
        peer_call_assert_error(&answer, NULL);
        g_assert_cmpint(sd_bus_message_read(answer.answer, "s", &text), >, 0);
        g_assert_cmpstr(text, ==, "h\xc3\xb6r");
        g_assert_cmpuint(fixture->thing.uid, ==, 1000);
}

static void test_who_cannot_be_told_is_nobody(Fixture *fixture, gconstpointer unused) {
        static const char *const senders[] = { ":1.7", "org.virtbus1", ":u4294967296.1", ":ux.1" };
        (void) unused;
        for (size_t i = 0; i < G_N_ELEMENTS(senders); i++) {
                g_auto(PeerCall) answer;
                sd_bus_message *message;
                g_assert_cmpint(sd_bus_message_new_method_call(fixture->pair.service, &message, NULL, PATH, INTERFACE, "Echo"),
                                >=, 0);
                g_assert_cmpint(sd_bus_message_set_sender(message, senders[i]), >=, 0);
                g_assert_cmpint(sd_bus_message_append(message, "s", ""), >=, 0);
                fixture->thing.uid = 0;
                peer_call_send(&fixture->pair, message, &answer);
                peer_call_assert_error(&answer, NULL);
                g_assert_true(fixture->thing.uid == (uid_t) -1);
        }
}

static void test_what_is_not_there_is_told(Fixture *fixture, gconstpointer unused) {
        static const struct {
                const char *path, *interface, *member, *error;
        } cases[] = {
                { PATH "/none", INTERFACE, "Nothing", SD_BUS_ERROR_UNKNOWN_OBJECT },
                { "/", INTERFACE, "Nothing", SD_BUS_ERROR_UNKNOWN_OBJECT },
                { PATH, INTERFACE, "None", SD_BUS_ERROR_UNKNOWN_METHOD },
                { PATH, INTERFACE, "nothing", SD_BUS_ERROR_UNKNOWN_METHOD },
                { PATH, "org.virtbus1.None", "Nothing", SD_BUS_ERROR_UNKNOWN_METHOD },
                { PATH, INTERFACE, "Echo", SD_BUS_ERROR_UNKNOWN_METHOD }, /* without its argument */
                { PATH, PROPERTIES, "Set", SD_BUS_ERROR_UNKNOWN_METHOD },
                { PATH, PROPERTIES, "Get", SD_BUS_ERROR_UNKNOWN_METHOD }, /* the service has all values */
                { PATH, INTERFACE, "Nothing", NULL },
                { PATH, NULL, "Nothing", NULL },
        };
        (void) unused;
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(PeerCall) answer;
                call(fixture, cases[i].path, cases[i].interface, cases[i].member, &answer);
                peer_call_assert_error(&answer, cases[i].error);
        }
        g_assert_cmpuint(fixture->thing.n_calls, ==, 2);
}

static void set_property(Fixture *fixture, const char *interface, const char *name, const char *type, const void *value,
                         const char *error) {
        g_auto(PeerCall) answer;
        sd_bus_message *message = peer_call_new(&fixture->pair, PATH, PROPERTIES, "Set");
        g_assert_cmpint(sd_bus_message_append(message, "ss", interface, name), >=, 0);
        g_assert_cmpint(sd_bus_message_open_container(message, 'v', type), >=, 0);
        g_assert_cmpint(sd_bus_message_append_basic(message, *type, value), >=, 0);
        g_assert_cmpint(sd_bus_message_close_container(message), >=, 0);
        peer_call_send(&fixture->pair, message, &answer);
        peer_call_assert_error(&answer, error);
}

static void test_only_what_can_be_written_is(Fixture *fixture, gconstpointer unused) {
        const uint32_t size = 42;
        (void) unused;
        set_property(fixture, INTERFACE, "Name", "s", "another", SD_BUS_ERROR_UNKNOWN_METHOD);
        set_property(fixture, INTERFACE, "None", "u", &size, SD_BUS_ERROR_UNKNOWN_METHOD);
        set_property(fixture, "org.virtbus1.None", "Size", "u", &size, SD_BUS_ERROR_UNKNOWN_METHOD);
        set_property(fixture, INTERFACE, "Size", "s", "42", SD_BUS_ERROR_UNKNOWN_METHOD);
        g_assert_cmpuint(fixture->thing.n_calls, ==, 0);
        set_property(fixture, INTERFACE, "Size", "u", &size, NULL);
        g_assert_cmpuint(fixture->thing.size, ==, 42);
}

static void test_what_is_no_call_is_left_alone(Fixture *fixture, gconstpointer unused) {
        g_autoptr(sd_bus_message) signal = NULL;
        (void) unused;
        g_assert_cmpint(sd_bus_message_new_signal(fixture->pair.driver, &signal, PATH, INTERFACE, "Nothing"), >=, 0);
        g_assert_cmpint(objects_dispatch(fixture->objects, signal), ==, 0);
        g_assert_cmpuint(fixture->thing.n_calls, ==, 0);
}

static void test_an_error_has_its_name_and_words(Fixture *fixture, gconstpointer unused) {
        g_autoptr(GError) error = NULL;
        g_auto(PeerCall) answer;
        (void) unused;
        call(fixture, PATH, INTERFACE, "Hang", &answer);
        g_assert_cmpuint(answer.n_answers, ==, 0);
        g_assert_cmpuint(calls_pending(), ==, 1);
        virtbus_error_set(&error, VIRTBUS_ERROR_RESOURCE_BUSY, "somebody has it");
        call_fail(fixture->thing.hanging, error);
        peer_pair_run(&fixture->pair);
        peer_call_assert_error(&answer, "org.virtbus1.Error.ResourceBusy");
        g_assert_cmpstr(sd_bus_message_get_error(answer.answer)->message, ==, "somebody has it");
}

/* Each caller has one answer, whatever the handler does later. */
static void test_what_is_cancelled_is_answered_once(Fixture *fixture, gconstpointer unused) {
        g_autoptr(GError) error = NULL;
        (void) unused;
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        for (unsigned i = 0; i < 3; i++) {
                g_auto(PeerCall) answer;
                call(fixture, PATH, INTERFACE, "Hang", &answer);
                calls_cancel(error);
                calls_cancel(error);
                peer_pair_run(&fixture->pair);
                peer_call_assert_error(&answer, "org.virtbus1.Error.Cancelled");
                g_assert_cmpuint(calls_pending(), ==, 1); /* its handler still owes the end */
                if (i == 0)
                        call_reply(fixture->thing.hanging, "");
                else if (i == 1)
                        call_fail(fixture->thing.hanging, error);
                else
                        call_fail_errno(fixture->thing.hanging, -EINVAL);
                peer_pair_run(&fixture->pair);
                g_assert_cmpuint(answer.n_answers, ==, 1);
        }
}

/* Another connection's calls wait on. */
static void test_what_is_below_a_path_is_cancelled_alone(Fixture *fixture, gconstpointer unused) {
        g_autoptr(GError) error = NULL;
        g_auto(PeerCall) answer;
        (void) unused;
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the connection is closed");
        call(fixture, PATH, INTERFACE, "Hang", &answer);
        calls_cancel_below(PATH "_other", NULL, error);
        peer_pair_run(&fixture->pair);
        g_assert_cmpuint(answer.n_answers, ==, 0);
        calls_cancel_below(PATH, NULL, error);
        peer_pair_run(&fixture->pair);
        peer_call_assert_error(&answer, "org.virtbus1.Error.Cancelled");
        call_reply(fixture->thing.hanging, "");
}

static void test_answers_to_a_service_that_has_gone_are_dropped(Fixture *fixture, gconstpointer unused) {
        g_auto(PeerCall) answer;
        (void) unused;
        call(fixture, PATH, INTERFACE, "Hang", &answer);
        sd_bus_close(fixture->pair.service);
        while (sd_bus_process(fixture->pair.driver, NULL) > 0)
                ;
        call_reply(fixture->thing.hanging, "");
        published_changed(fixture->published, &vtable, NULL);
        g_assert_cmpuint(calls_pending(), ==, 0);
}

#define ADD(name, test) g_test_add("/objects/" name, Fixture, NULL, set_up, test, tear_down)

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        ADD("who-attaches-is-sent-all-in-order", test_who_attaches_is_sent_all_in_order);
        ADD("without-a-peer-nothing-is-sent", test_without_a_peer_nothing_is_sent);
        ADD("changes-name-their-properties", test_changes_name_their_properties);
        ADD("signals-come-in-the-order-of-what-happens", test_signals_come_in_the_order_of_what_happens);
        ADD("a-call-is-answered-for-its-caller", test_a_call_is_answered_for_its_caller);
        ADD("who-cannot-be-told-is-nobody", test_who_cannot_be_told_is_nobody);
        ADD("what-is-not-there-is-told", test_what_is_not_there_is_told);
        ADD("only-what-can-be-written-is", test_only_what_can_be_written_is);
        ADD("what-is-no-call-is-left-alone", test_what_is_no_call_is_left_alone);
        ADD("an-error-has-its-name-and-words", test_an_error_has_its_name_and_words);
        ADD("what-is-cancelled-is-answered-once", test_what_is_cancelled_is_answered_once);
        ADD("what-is-below-a-path-is-cancelled-alone", test_what_is_below_a_path_is_cancelled_alone);
        ADD("answers-to-a-service-that-has-gone-are-dropped", test_answers_to_a_service_that_has_gone_are_dropped);
        return g_test_run();
}
