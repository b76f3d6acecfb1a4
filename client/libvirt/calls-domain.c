/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is asked of one domain: what it is, and its life. */

#include "associated.h"
#include "calls.h"
#include "domains.h"
#include "rows.h"
#include "states.h"

#define DOMAIN INTERFACE("Domain")

#define XML_SECURE 1
#define SHUTDOWN_BUTTON 1
#define SHUTDOWN_AGENT 2

/* A document is as another virtbus can take it, and says of the processor what the guest has. */
static const FlagOption xml_flags[] = { { XML_SECURE, NULL }, { 2, "inactive" }, FLAG_IS_ALWAYS_SO(4), FLAG_IS_ALWAYS_SO(8), {} };
static const FlagOption start_flags[] = { { 1, "paused" }, { 8, "force_boot" }, {} };
static const FlagOption undefine_flags[] = { { 1, "managed_save" }, { 2, "snapshots" },    { 4, "nvram" },
                                             { 16, "checkpoints" }, FLAG_IS_ALWAYS_SO(32), {} };
/* The power button, and the guest's agent. */
static const FlagOption shutdown_flags[] = { { SHUTDOWN_BUTTON, NULL }, { SHUTDOWN_AGENT, NULL }, {} };

static void on_state(Call *call, GVariant *properties) {
        int32_t reason;
        LibvirtState state = state_of(properties, &reason);
        call_answer(call, g_variant_new("(ii)", (int32_t) state, reason));
}

/* Who lists domains asks for the state of each. */
static void get_state(Call *call) {
        const KnownDomain *known = domains_find(call->client->domains, call->domain);
        if (known)
                call_answer(call, g_variant_new("(ii)", known->state, known->reason));
        else
                call_read(call, call->domain, DOMAIN, on_state);
}

/* What a TPM keeps goes with its domain, unasked: libvirt's way. */
static void undefine(Call *call) {
        g_autoptr(GVariant) options = g_variant_ref_sink(call_options(call));
        g_auto(GVariantDict) all = G_VARIANT_DICT_INIT(options);
        g_variant_dict_insert(&all, "tpm", "b", TRUE);
        call_ask(call, call->domain, DOMAIN, call->row->member, g_variant_new("(@a{sv})", g_variant_dict_end(&all)), "()",
                 step_answer_nothing);
}

static void get_xml(Call *call) {
        call_ask(call, call->domain, DOMAIN, call->flags & XML_SECURE ? "GetXMLWithSecrets" : "GetXML",
                 g_variant_new("(@a{sv})", call_options(call)), "(s)", step_answer_document);
}

static void on_started_domain(Call *call, GVariant *properties) {
        call_answer(call, g_variant_new("(@(ssi))", known_name_of(properties)));
}

static void on_started(Call *call, GVariant *reply) {
        (void) reply;
        call_read(call, call->domain, DOMAIN, on_started_domain);
}

/* One that is paused already is as libvirt's clients want it; to resume one that runs is an error, there too. */
static void on_state_to_pause(Call *call, GVariant *properties) {
        const char *state = "";
        g_variant_lookup(properties, "State", "&s", &state);
        if (g_str_equal(state, "paused"))
                call_answer_nothing(call);
        else
                row_method(call);
}

static void suspend(Call *call) {
        call_read(call, call->domain, DOMAIN, on_state_to_pause);
}

/* One of the two procedures answers the domain, which has a new number then. */
static void start(Call *call) {
        g_autoptr(GUnixFDList) fds = NULL;
        GVariant *options = associated_add(call->client, call->domain, call_options(call), &fds);
        call_ask_with_fds(call, call->domain, DOMAIN, "Start", g_variant_new("(@a{sv})", options), fds, "()",
                          call->row->procedure == REMOTE_DOMAIN_CREATE ? step_answer_nothing : on_started);
}

/* Images have no labels here that would be given back, or be for writing. */
static const FlagOption associate_flags[] = { FLAG_IS_ALWAYS_SO(1), FLAG_IS_ALWAYS_SO(2), {} };

/* The domain is one that the client may see. */
static void on_domain_to_associate(Call *call, GVariant *properties) {
        g_autoptr(GError) error = NULL;
        (void) properties;
        if (!call->handed)
                call_refuse(call, LIBVIRT_INVALID_ARG, "%s takes descriptors, which do not come", call->procedure->name);
        else if (associated_keep(call->client, call->domain, call_string(call, 1), call->handed, &error))
                call_answer_nothing(call);
        else
                call_fail(call, g_steal_pointer(&error));
}

static void associate(Call *call) {
        call_read(call, call->domain, DOMAIN, on_domain_to_associate);
}

static void press_button(Call *call) {
        call_ask(call, call->domain, DOMAIN, call->row->member, g_variant_new("(a{sv})", NULL), "()", step_answer_nothing);
}

/* Who allows both has the button pressed where no agent answers. */
static bool on_no_agent(Call *call, const GError *error) {
        if (error->code != LIBVIRT_AGENT_UNRESPONSIVE && error->code != LIBVIRT_NO_DOMAIN)
                return false;
        call->on_error = NULL;
        press_button(call);
        return true;
}

/* MEMBER is the power button's method; the agent's mode has the name that it has there. */
static void press(Call *call) {
        if (call->flags & SHUTDOWN_AGENT) {
                if (call->flags & SHUTDOWN_BUTTON)
                        call->on_error = on_no_agent;
                bool reboots = g_str_equal(call->row->member, "Reboot");
                row_ask_guest(call, "Shutdown", g_variant_new("(s)", reboots ? "reboot" : "powerdown"), "()",
                              step_answer_nothing);
        } else
                press_button(call);
}

static void set_autostart(Call *call) {
        int32_t autostart;
        g_variant_get_child(call->arguments, 1, "i", &autostart);
        call_ask(call, call->domain, "org.freedesktop.DBus.Properties", "Set",
                 g_variant_new("(ssv)", DOMAIN, "Autostart", g_variant_new_boolean(autostart != 0)), "()", step_answer_nothing);
}

/* libvirt's own hypervisors say this of each domain. */
static void is_updated(Call *call) {
        call_answer(call, g_variant_new("(i)", 0));
}

/* libvirt's kinds of messages: of what is deprecated there are none. */
static const FlagOption messages_flags[] = { { 1, NULL }, { 2, NULL }, {} };
#define MESSAGES_OF_TAINTS 2

static void on_taints(Call *call, GVariant *reply) {
        static const char *const explained[][2] = {
                { "custom-argv", "its document hands on arguments of QEMU" },
                { "custom-device", "its document says other values of devices' properties" },
                { "custom-dtb", "its document names a device tree" },
                { "custom-ga-command", "its agent was given a caller's own commands" },
                { "custom-monitor", "its QEMU was given a caller's own commands" },
                { "host-cpu", "it sees the host's own processor" },
                { "high-privileges", "its QEMU is root's" },
                { "cdrom-passthrough", "a drive of the host's is its own" },
        };
        g_autoptr(GVariant) value = NULL;
        g_variant_get(reply, "(v)", &value);
        GVariantBuilder messages;
        GVariantIter iterator;
        const char *taint;
        g_variant_builder_init(&messages, G_VARIANT_TYPE_STRING_ARRAY);
        g_variant_iter_init(&iterator, value);
        while ((call->flags == 0 || call->flags & MESSAGES_OF_TAINTS) && g_variant_iter_next(&iterator, "&s", &taint)) {
                const char *why = "";
                for (size_t i = 0; i < G_N_ELEMENTS(explained); i++)
                        if (strcmp(explained[i][0], taint) == 0)
                                why = explained[i][1];
                g_autofree char *message = g_strdup_printf("tainted: %s%s%s", taint, *why ? ": " : "", why);
                g_variant_builder_add(&messages, "s", message);
        }
        call_answer(call, g_variant_new("(as)", &messages));
}

static void get_messages(Call *call) {
        call_ask(call, call->domain, "org.freedesktop.DBus.Properties", "Get", g_variant_new("(ss)", DOMAIN, "Taints"), "(v)",
                 on_taints);
}

/* What a guest that is launched securely has measured: virtbus starts none so. */
static void get_launch_security(Call *call) {
        call_answer(call, g_variant_new("(a(sv))", NULL));
}

static const FlagOption security_flags[] = { FLAG_STRINGS_OKAY, {} };

static void refuse_sev(Call *call) {
        call_refuse(call, LIBVIRT_OPERATION_UNSUPPORTED, "Operation not supported: no guest is launched with SEV");
}

#define MONITOR_HUMAN 1

static void ask_monitor(Call *call) {
        GVariantBuilder options;
        g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
        if (call->flags & MONITOR_HUMAN)
                g_variant_builder_add(&options, "{sv}", "human", g_variant_new_boolean(TRUE));
        call_ask(call, call->domain, DOMAIN, "MonitorCommand", g_variant_new("(sa{sv})", call_string(call, 1), &options), "(s)",
                 step_answer_string);
}

static const FlagOption monitor_flags[] = { { MONITOR_HUMAN, NULL }, {} };

const CallRow domain_calls[] = {
        { REMOTE_DOMAIN_GET_STATE, get_state, NULL, READS },
        { REMOTE_DOMAIN_GET_LAUNCH_SECURITY_INFO, get_launch_security, NULL, READS, security_flags },
        { REMOTE_DOMAIN_SET_LAUNCH_SECURITY_STATE, refuse_sev, NULL, CHANGES },
        { REMOTE_NODE_GET_SEV_INFO, refuse_sev, NULL, READS, security_flags },
        { REMOTE_DOMAIN_GET_XML_DESC, get_xml, NULL, READS, xml_flags },
        { REMOTE_DOMAIN_GET_OS_TYPE, row_string, "OSType" },
        { REMOTE_DOMAIN_GET_AUTOSTART, row_number, "Autostart" },
        { REMOTE_DOMAIN_GET_MAX_MEMORY, row_kib, "MaxMemory" },
        { REMOTE_DOMAIN_GET_MAX_VCPUS, row_number, "MaxVCPUs" },
        { REMOTE_DOMAIN_IS_ACTIVE, row_number, "Active" },
        { REMOTE_DOMAIN_IS_PERSISTENT, row_number, "Persistent" },
        { REMOTE_DOMAIN_HAS_MANAGED_SAVE_IMAGE, row_number, "HasManagedSave" },
        { REMOTE_DOMAIN_IS_UPDATED, is_updated },
        { REMOTE_DOMAIN_GET_MESSAGES, get_messages, NULL, READS, messages_flags },
        { QEMU_DOMAIN_MONITOR_COMMAND, ask_monitor, NULL, CHANGES, monitor_flags },
        { REMOTE_DOMAIN_CREATE, start, NULL, CHANGES },
        { REMOTE_DOMAIN_CREATE_WITH_FLAGS, start, NULL, CHANGES, start_flags },
        { REMOTE_DOMAIN_FD_ASSOCIATE, associate, NULL, CHANGES, associate_flags },
        { REMOTE_DOMAIN_SHUTDOWN, press, "Shutdown", CHANGES },
        { REMOTE_DOMAIN_SHUTDOWN_FLAGS, press, "Shutdown", CHANGES, shutdown_flags },
        { REMOTE_DOMAIN_REBOOT, press, "Reboot", CHANGES, shutdown_flags },
        { REMOTE_DOMAIN_RESET, row_method, "Reset", CHANGES },
        { REMOTE_DOMAIN_SUSPEND, suspend, "Suspend", CHANGES },
        { REMOTE_DOMAIN_RESUME, row_method, "Resume", CHANGES },
        { REMOTE_DOMAIN_DESTROY, row_method_with_options, "Destroy", CHANGES },
        { REMOTE_DOMAIN_DESTROY_FLAGS, row_method_with_options, "Destroy", CHANGES },
        { REMOTE_DOMAIN_UNDEFINE, undefine, "Undefine", CHANGES },
        { REMOTE_DOMAIN_UNDEFINE_FLAGS, undefine, "Undefine", CHANGES, undefine_flags },
        { REMOTE_DOMAIN_SET_AUTOSTART, set_autostart, NULL, CHANGES },
        { REMOTE_DOMAIN_INJECT_NMI, row_method, "InjectNMI", CHANGES },
        { REMOTE_DOMAIN_PM_WAKEUP, row_method, "WakeUp", CHANGES },
        {},
};
