/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/passt.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "domain/domain-run.h"
#include "log.h"
#include "qemu/command/files-plan.h"
#include "qemu/host/helper-programs.h"

static void add(GPtrArray *arguments, const char *option, const char *value) {
        g_ptr_array_add(arguments, g_strdup(option));
        if (value)
                g_ptr_array_add(arguments, g_strdup(value));
}

static void add_attribute(GPtrArray *arguments, const char *option, const xmlNode *element, const char *name) {
        g_autofree char *value = element ? xml_attribute(element, name) : NULL;
        if (value)
                add(arguments, option, value);
}

/* Ports as passt's specification has them: "5000-5003:6000-6003", and, of those, "~5002". */
static void add_range(GString *ports, const xmlNode *range) {
        g_autofree char *start = xml_attribute(range, "start"), *end = xml_attribute(range, "end"),
                        *to = xml_attribute(range, "to");
        unsigned long first = strtoul(start ? start : "", NULL, 10), last = end ? strtoul(end, NULL, 10) : first,
                      target = to ? strtoul(to, NULL, 10) : first;
        g_string_append_printf(ports, "%s%s%lu", ports->len > 0 && !g_str_has_suffix(ports->str, "/") ? "," : "",
                               xml_attribute_is(range, "exclude", "yes") ? "~" : "", first);
        if (last > first)
                g_string_append_printf(ports, "-%lu", last);
        if (target != first)
                g_string_append_printf(ports, ":%lu", target);
        if (target != first && last > first)
                g_string_append_printf(ports, "-%lu", target + last - first);
}

static void add_forward(GPtrArray *arguments, const xmlNode *forward) {
        g_autofree char *address = xml_attribute(forward, "address"), *device = xml_attribute(forward, "dev");
        g_autoptr(GString) ports = g_string_new(address);
        if (device)
                g_string_append_printf(ports, "%%%s", device);
        if (ports->len > 0)
                g_string_append_c(ports, '/');
        const xmlNode *range = xml_child(forward, "range");
        if (!range)
                g_string_append(ports, "all");
        for (; range; range = xml_next(range, "range"))
                add_range(ports, range);
        add(arguments, xml_attribute_is(forward, "proto", "udp") ? "--udp-ports" : "--tcp-ports", ports->str);
}

/* What the card's document asks for; it was checked when it was defined. */
static void add_card(GPtrArray *arguments, const xmlNode *card) {
        add_attribute(arguments, "--interface", xml_child(card, "source"), "dev");
        add_attribute(arguments, "--mtu", xml_child(card, "mtu"), "size");
        for (const xmlNode *ip = xml_child(card, "ip"); ip; ip = xml_next(ip, "ip")) {
                add_attribute(arguments, "--address", ip, "address");
                if (!xml_attribute_is(ip, "family", "ipv6"))
                        add_attribute(arguments, "--netmask", ip, "prefix");
        }
        for (const xmlNode *forward = xml_child(card, "portForward"); forward; forward = xml_next(forward, "portForward"))
                add_forward(arguments, forward);
}

/* The file that its document has for what it says; NULL: it says that in the guest's log. */
static const File *find_log(const GPtrArray *files, const xmlNode *card) {
        for (guint i = 0; i < files->len; i++) {
                const File *file = files->pdata[i];
                if (file->purpose == FILE_APPEND && file->element->parent == card && xml_is(file->element, "backend"))
                        return file;
        }
        return NULL;
}

/* It writes its number into a "file" when it serves: a pipe, by its path in /proc, which its user may open. */
static bool add_ready(DeviceHelper *helper, HelperProgram *program, GError **error) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0)
                return virtbus_error_set_errno(error, errno, PASST " cannot be started");
        helper->ready = ends[0];
        g_array_append_val(program->fds, ends[1]);
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", ends[1]);
        add(program->arguments, "--pid", path);
        return helper->helper.uid == geteuid() || fchown(ends[1], helper->helper.uid, helper->helper.gid) == 0 ||
               virtbus_error_set_errno(error, errno, PASST " cannot be started");
}

static bool add_socket(File *file, HelperProgram *program, GError **error) {
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
                return virtbus_error_set_errno(error, errno, PASST " cannot be started");
        file->fd = ends[0];
        g_array_append_val(program->fds, ends[1]);
        g_autofree char *number = g_strdup_printf("%d", ends[1]);
        add(program->arguments, "--fd", number);
        return true;
}

static bool plan(DeviceHelper *helper, const GPtrArray *files, File *file, HelperProgram *program, GError **error) {
        const File *own_log = find_log(files, file->element);
        add(program->arguments, PASST, NULL);
        add(program->arguments, "--foreground", NULL);
        add(program->arguments, "--stderr", NULL);
        if (!own_log)
                add(program->arguments, "--quiet", NULL);
        program->without = CONFINE_NETWORK | CONFINE_CALLS | CONFINE_LANDLOCK;
        program->temporary = true; /* over which it mounts what it sees then: nothing */
        program->log = own_log ? fcntl(own_log->fd, F_DUPFD_CLOEXEC, 0) : helper_open_log(&helper->helper, error);
        if (program->log < 0)
                return own_log ? virtbus_error_set_errno(error, errno, PASST " cannot be started") : false;
        add_card(program->arguments, file->element);
        return helper_take_user(&helper->helper, helper->alias, error) && add_socket(file, program, error) &&
               add_ready(helper, program, error);
}

static void has_ended(const DeviceHelper *helper) {
        Guest *guest = helper->helper.guest;
        log_warning("domain '%s': passt of interface '%s' has ended; the guest goes on without that network, and its card has "
                    "no link: detach the interface and attach it again, or shut the guest down and start it",
                    domain_name(guest->domain), helper->alias);
        monitor_command(guest->monitor, "set_link", json_make("name", 's', helper->alias, "up", 'b', FALSE, NULL), -1, NULL,
                        NULL);
        domain_link_lost(guest->domain, helper->alias);
}

const DeviceHelperKind passt_helper = { "passt", "interface", plan, has_ended };
