/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a guest's agent does. */

#include <string.h>

#include "calls.h"
#include "rows.h"

#define NANOSECONDS 1000000000 /* in a second */

#define TIME_SYNC 1
#define PASSWORD_ENCRYPTED 1
#define KEYS_APPEND 1
#define KEYS_REMOVE 2

static const FlagOption time_flags[] = { { TIME_SYNC, NULL }, {} };
static const FlagOption password_flags[] = { { PASSWORD_ENCRYPTED, NULL }, {} };
static const FlagOption keys_flags[] = { { KEYS_APPEND, NULL }, { KEYS_REMOVE, NULL }, {} };
/* The agent is who tells; leases would not know the name. */
static const FlagOption hostname_flags[] = { { 2, NULL }, {} };

static void on_answer(Call *call, GVariant *reply) {
        const char *answer;
        g_variant_get(reply, "(&s)", &answer);
        call_answer(call, g_variant_new("(ms)", answer));
}

/* How long an agent may take is the agent's own setting: DOMAIN_AGENT_SET_RESPONSE_TIMEOUT. */
static void command(Call *call) {
        row_ask_guest(call, "Command", g_variant_new("(s)", call_string(call, 1)), "(s)", on_answer);
}

static void on_timeout_set(Call *call, GVariant *reply) {
        (void) reply;
        call_answer(call, g_variant_new("(i)", 0));
}

static void set_timeout(Call *call) {
        int32_t seconds;
        g_variant_get_child(call->arguments, 1, "i", &seconds);
        row_ask_guest(call, "SetAgentResponseTimeout", g_variant_new("(i)", seconds), "()", on_timeout_set);
}

static void on_time(Call *call, GVariant *reply) {
        int64_t time;
        g_variant_get(reply, "(x)", &time);
        call_answer(call, g_variant_new("(xu)", time / NANOSECONDS, (uint32_t) (time % NANOSECONDS)));
}

static void get_time(Call *call) {
        row_ask_guest(call, "GetTime", NULL, "(x)", on_time);
}

static void set_time(Call *call) {
        int64_t seconds;
        uint32_t nanoseconds;
        g_variant_get_child(call->arguments, 1, "x", &seconds);
        g_variant_get_child(call->arguments, 2, "u", &nanoseconds);
        if (seconds < 0 || seconds > INT64_MAX / NANOSECONDS - 1 || nanoseconds >= NANOSECONDS)
                call_refuse(call, LIBVIRT_OVERFLOW,
                            "the time is out of range: the agent counts nanoseconds since 1970 in 64 bits");
        else
                row_ask_guest(call, "SetTime",
                              g_variant_new("(x)", call->flags & TIME_SYNC ? 0 : seconds * NANOSECONDS + nanoseconds), "()",
                              step_answer_nothing);
}

static void on_count(Call *call, GVariant *reply) {
        int64_t n;
        g_variant_get(reply, "(x)", &n);
        call_answer(call, g_variant_new("(i)", (int32_t) CLAMP(n, 0, INT32_MAX)));
}

static void freeze(Call *call) {
        g_autoptr(GVariant) paths = g_variant_get_child_value(call->arguments, 1);
        row_ask_guest(call, "FreezeFileSystems", g_variant_new("(@as)", paths), "(x)", on_count);
}

static void thaw(Call *call) {
        row_ask_guest(call, "ThawFileSystems", NULL, "(x)", on_count);
}

static void trim(Call *call) {
        uint64_t minimum;
        g_variant_get_child(call->arguments, 2, "t", &minimum);
        if (call_optional(call, 1))
                call_refuse(call, LIBVIRT_ARGUMENT_UNSUPPORTED, "Specifying mount point is not supported for now");
        else
                row_ask_guest(call, "TrimFileSystems", g_variant_new("(t)", minimum), "(aa{sv})", step_answer_nothing);
}

static void get_hostname(Call *call) {
        row_ask_guest(call, "GetHostName", NULL, "(s)", step_answer_string);
}

static void set_password(Call *call) {
        const char *user = call_optional(call, 1), *password = call_optional(call, 2);
        row_ask_guest(call, "SetUserPassword",
                      g_variant_new("(ssb)", user ? user : "", password ? password : "", (call->flags & PASSWORD_ENCRYPTED) != 0),
                      "()", step_answer_nothing);
}

static void suspend(Call *call) {
        static const char *const modes[] = { "ram", "disk", "hybrid" };
        uint32_t target;
        uint64_t duration;
        g_variant_get_child(call->arguments, 1, "u", &target);
        g_variant_get_child(call->arguments, 2, "t", &duration);
        if (target >= G_N_ELEMENTS(modes) || duration != 0)
                call_refuse(call, LIBVIRT_ARGUMENT_UNSUPPORTED, "Duration not supported. Use 0 for now");
        else
                row_ask_guest(call, "Suspend", g_variant_new("(s)", modes[target]), "()", step_answer_nothing);
}

static void on_keys(Call *call, GVariant *reply) {
        call_answer(call, reply);
}

static void get_keys(Call *call) {
        row_ask_guest(call, "GetSSHKeys", g_variant_new("(s)", call_string(call, 1)), "(as)", on_keys);
}

static void set_keys(Call *call) {
        g_autoptr(GVariant) keys = g_variant_get_child_value(call->arguments, 2);
        const char *user = call_string(call, 1);
        if (call->flags & KEYS_REMOVE)
                row_ask_guest(call, "RemoveSSHKeys", g_variant_new("(s@as)", user, keys), "()", step_answer_nothing);
        else
                row_ask_guest(call, "AddSSHKeys", g_variant_new("(s@asb)", user, keys, !(call->flags & KEYS_APPEND)), "()",
                              step_answer_nothing);
}

const CallRow guest_calls[] = {
        { QEMU_DOMAIN_AGENT_COMMAND, command, NULL, CHANGES },
        { REMOTE_DOMAIN_AGENT_SET_RESPONSE_TIMEOUT, set_timeout, NULL, CHANGES },
        { REMOTE_DOMAIN_GET_TIME, get_time },
        { REMOTE_DOMAIN_SET_TIME, set_time, NULL, CHANGES, time_flags },
        { REMOTE_DOMAIN_FSFREEZE, freeze, NULL, CHANGES },
        { REMOTE_DOMAIN_FSTHAW, thaw, NULL, CHANGES },
        { REMOTE_DOMAIN_FSTRIM, trim, NULL, CHANGES },
        { REMOTE_DOMAIN_GET_HOSTNAME, get_hostname, NULL, CHANGES, hostname_flags },
        { REMOTE_DOMAIN_SET_USER_PASSWORD, set_password, NULL, CHANGES, password_flags },
        { REMOTE_DOMAIN_PM_SUSPEND_FOR_DURATION, suspend, NULL, CHANGES },
        { REMOTE_DOMAIN_AUTHORIZED_SSH_KEYS_GET, get_keys, NULL, CHANGES },
        { REMOTE_DOMAIN_AUTHORIZED_SSH_KEYS_SET, set_keys, NULL, CHANGES, keys_flags },
        {},
};
