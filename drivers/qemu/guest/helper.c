/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/helper.h"

#include <sys/stat.h>
#include <unistd.h>

#include "qemu/guest/guest-log.h"
#include "qemu/host/guest-user.h"

Helper helper_of(Guest *guest) {
        return (Helper){ .guest = guest, .uid = guest->uid, .gid = guest->gid };
}

bool helper_take_user(Helper *helper, const char *alias, GError **error) {
        const Domain *domain = helper->guest->domain;
        if (!domain->connection->privileged)
                return true;
        helper->uid = guest_user_take(domain->connection, &host_of(domain->connection)->users, domain->uuid, alias, error);
        helper->gid = (gid_t) helper->uid;
        return helper->uid > 0;
}

int helper_open_log(Helper *helper, GError **error) {
        g_autofree char *path = guest_log_path(helper->guest->domain->connection, helper->guest->domain->uuid);
        int log = guest_log_open(path);
        if (log < 0) {
                virtbus_error_set_errno(error, -log, "the log %s cannot be written", path);
                return -1;
        }
        helper->log_start = lseek(log, 0, SEEK_END);
        return log;
}

char *helper_last_words(const Helper *helper) {
        g_autofree char *path = guest_log_path(helper->guest->domain->connection, helper->guest->domain->uuid);
        return guest_log_tail(path, helper->log_start);
}

static void on_ended(void *data, int status) {
        Helper *helper = data;
        g_clear_pointer(&helper->process, process_free);
        helper->ended(helper, status);
}

bool helper_run(Helper *helper, const HelperProgram *program, HelperEnded ended, GError **error) {
        const Connection *connection = helper->guest->domain->connection;
        g_autofree char *home = program->home ? g_strconcat("HOME=", program->home, NULL) : NULL;
        char *const environment[] = { home, NULL };
        g_ptr_array_add(program->arguments, NULL);
        Confinement from = host_of(connection)->helpers;
        from.paths = NULL; /* what QEMUs are shown besides is not for it */
        from.parts = from.parts > 0 ? (from.parts & ~program->without) | program->also : 0;
        Confinement confinement = confine_for(&from, program->arguments->pdata[0],
                                              program->paths ? program->paths : g_ptr_array_new_with_free_func(g_free));
        confinement.temporary = program->temporary;
        confinement.chroot = program->chroot;
        const ProcessSetup setup = { .arguments = (char *const *) program->arguments->pdata,
                                     .environment = environment,
                                     .fds = (const int *) (void *) program->fds->data,
                                     .n_fds = program->fds->len,
                                     .log = program->log,
                                     .uid = helper->uid,
                                     .gid = helper->gid,
                                     .capabilities = program->capabilities,
                                     .ends_with_us = program->is_maker,
                                     .confinement = &confinement };
        helper->ended = ended;
        helper->process = process_new(connection->event, &setup, on_ended, helper, error);
        g_strfreev((char **) confinement.paths);
        return helper->process != NULL;
}

void helper_go(Helper *helper) {
        struct stat info;
        g_autofree char *path = guest_log_path(helper->guest->domain->connection, helper->guest->domain->uuid);
        if (!helper->process)
                return;
        if (stat(path, &info) == 0)
                helper->log_start = info.st_size;
        process_go(helper->process);
}

bool helper_end(const Helper *helper) {
        if (helper->process)
                process_end(helper->process);
        return helper->process != NULL;
}

void helper_save(const Helper *helper, xmlNode *element) {
        xml_set_number(element, "user", helper->uid);
        if (helper->process) {
                xml_set_number(element, "pid", (uint64_t) process_pid(helper->process));
                xml_set_number(element, "start-time", process_start_time(helper->process));
        }
}

void helper_load(Helper *helper, const xmlNode *element, HelperEnded ended) {
        uint64_t pid = 0, start_time = 0;
        guest_user_load(element, &helper->uid, &helper->gid);
        helper->ended = ended;
        if (xml_number_attribute(element, "pid", 1, G_MAXINT32, &pid, NULL) &&
            xml_number_attribute(element, "start-time", 0, UINT64_MAX, &start_time, NULL) && pid > 1 && start_time > 0)
                helper->process = process_find(helper->guest->domain->connection->event, (pid_t) pid, start_time, on_ended,
                                               helper, NULL);
}

void helper_forget(Helper *helper) {
        g_clear_pointer(&helper->process, process_free);
}

GPtrArray *helper_arguments(const char *const *words) {
        GPtrArray *arguments = g_ptr_array_new_with_free_func(g_free);
        for (; *words; words++)
                g_ptr_array_add(arguments, g_strdup(*words));
        return arguments;
}
