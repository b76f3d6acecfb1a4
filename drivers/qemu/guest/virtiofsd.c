/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/virtiofsd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <unistd.h>

#include "domain/connection.h"
#include "log.h"
#include "qemu/command/files-plan.h"
#include "qemu/host/helper-programs.h"
#include "qemu/host/unix-socket.h"

#define BIT(capability) (UINT64_C(1) << (capability))

/* What it needs to do to files what their users in the guest do, and to shut itself in. It has none to make device nodes, or
 * programs with capabilities: these would be the host's. */
#define FILE_CAPABILITIES \
        (BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) | BIT(CAP_SETGID) | BIT(CAP_SETUID) | \
         BIT(CAP_SETPCAP) | BIT(CAP_SYS_CHROOT))
#define WITHOUT_CAPABILITIES "modcaps=-mknod:-setfcap"

/* How many files it may have open where the driver may have more. */
#define FILES_MAX 1000000

static void add(GPtrArray *arguments, const char *option, const char *value) {
        if (option)
                g_ptr_array_add(arguments, g_strdup(option));
        g_ptr_array_add(arguments, g_strdup(value));
}

static const File *find_folder(const GPtrArray *files, const xmlNode *filesystem) {
        for (guint i = 0; i < files->len; i++) {
                const File *file = files->pdata[i];
                if (file->purpose == FILE_FOLDER && file->element->parent == filesystem)
                        return file;
        }
        return NULL;
}

/* "xattr", "no_xattr", or nothing where the document says nothing: what virtiofsd does then. */
static void add_switch(GPtrArray *arguments, const xmlNode *parent, const char *attribute, const char *option) {
        g_autofree char *text = parent ? xml_attribute(parent, attribute) : NULL;
        g_autofree char *value = text ? g_strconcat(strcmp(text, "on") == 0 ? "" : "no_", option, NULL) : NULL;
        if (value)
                add(arguments, "-o", value);
}

/* Whichever sandbox a document asks for: namespaces are made here, before it runs, and the folder, which it has as a descriptor,
 * becomes its root. */
static void add_options(GPtrArray *arguments, const xmlNode *filesystem, int folder) {
        const xmlNode *binary = xml_child(filesystem, "binary");
        g_autofree char *source = g_strdup_printf("source=/proc/self/fd/%d/.", folder),
                        *cache = binary ? xml_attribute_at(binary, "cache", "mode") : g_strdup(""),
                        *threads = binary ? xml_attribute_at(binary, "thread_pool", "size") : g_strdup("");
        add(arguments, "-o", source);
        add(arguments, "-o", "sandbox=chroot");
        add(arguments, "-o", WITHOUT_CAPABILITIES);
        if (*cache) {
                g_autofree char *option = g_strconcat("cache=", cache, NULL);
                add(arguments, "-o", option);
        }
        add_switch(arguments, binary, "xattr", "xattr");
        add_switch(arguments, xml_child(binary, "lock"), "posix", "posix_lock");
        add_switch(arguments, xml_child(binary, "lock"), "flock", "flock");
        if (*threads) {
                g_autofree char *option = g_strconcat("--thread-pool-size=", threads, NULL);
                add(arguments, NULL, option);
        }
        struct rlimit limit;
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                g_autofree char *option = g_strdup_printf("--rlimit-nofile=%lu", (unsigned long) MIN(limit.rlim_max, FILES_MAX));
                add(arguments, NULL, option);
        }
}

/* It listens, for one client, which is connected by then: nobody else comes, as no name is left of it. */
static bool add_socket(const Guest *guest, File *file, HelperProgram *program, GError **error) {
        g_autofree char *path = g_strconcat(guest->monitor_path, ".fs", NULL);
        g_autoptr(UnixSocket) made = NULL;
        int listener = unix_listen(path, 0600, &made);
        if (listener >= 0)
                g_array_append_val(program->fds, listener);
        int client = listener < 0 ? listener : unix_connect_own(path);
        unlink(path);
        if (client >= 0 && (fcntl(client, F_SETFL, 0) < 0 || fcntl(listener, F_SETFL, 0) < 0)) {
                close(client);
                client = -errno;
        }
        if (client < 0)
                return virtbus_error_set_errno(error, -client, "a socket for virtiofsd cannot be made");
        file->fd = client;
        g_autofree char *option = g_strdup_printf("--fd=%d", listener);
        add(program->arguments, NULL, option);
        return true;
}

static bool plan(DeviceHelper *helper, const GPtrArray *files, File *file, HelperProgram *program, GError **error) {
        Guest *guest = helper->helper.guest;
        const File *folder = find_folder(files, file->element);
        bool is_root = guest->domain->connection->privileged && !guest->domain->owners_rights;
        int fd = folder ? fcntl(folder->fd, F_DUPFD_CLOEXEC, 0) : -1;
        if (fd < 0)
                return virtbus_error_set_errno(error, errno, "virtiofsd cannot be started");
        g_array_append_val(program->fds, fd);
        program->without = CONFINE_LANDLOCK;
        program->chroot = true;
        if (is_root) { /* it may become any user: a number of a process, or the way to one, would be that process */
                program->also = CONFINE_PROCESSES;
                helper->helper.uid = 0;
                helper->helper.gid = 0;
                program->capabilities = FILE_CAPABILITIES;
        } else {
                if (guest->domain->connection->privileged) {
                        helper->helper.uid = folder->user.uid;
                        helper->helper.gid = folder->user.gid;
                }
                static const char *const words[] = { UNSHARE, "--map-root-user", "--mount", "--net", "--ipc", "--uts", "--" };
                program->without |= CONFINE_NAMESPACES | CONFINE_CALLS; /* those are in the one where it is root */
                for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
                        add(program->arguments, NULL, words[i]);
        }
        add(program->arguments, NULL, file->path);
        add_options(program->arguments, file->element, fd);
        program->log = helper_open_log(&helper->helper, error);
        return program->log >= 0 && add_socket(guest, file, program, error);
}

static void has_ended(const DeviceHelper *helper) {
        const Guest *guest = helper->helper.guest;
        log_warning("domain '%s': virtiofsd of filesystem '%s' has ended; the guest goes on, and what it asks of that folder is "
                    "not "
                    "answered: detach the filesystem and attach it again, or shut the guest down and start it",
                    domain_name(guest->domain), helper->alias);
}

const DeviceHelperKind virtiofsd_helper = { "virtiofs", "filesystem", plan, has_ended };
