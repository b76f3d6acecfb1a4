/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/run-server.h"

#include "network/dnsmasq.h"
#include "network/server-files.h"

static void answer(NetworkRun *run, const GError *error) {
        RunServerDone done = g_steal_pointer(&run->server_done);
        done(run, error);
}

static void on_ready(void *data, const GError *error) {
        NetworkRun *run = data;
        if (error)
                g_clear_pointer(&run->server, server_free);
        else
                run_state_set_obstacle(run, OBSTACLE_SERVER, NULL);
        answer(run, error);
}

static void begin(NetworkRun *run);

static void on_ended(void *data, const char *said) {
        NetworkRun *run = data;
        g_clear_pointer(&run->server, server_free);
        if (run->server_restarts) {
                run->server_restarts = false;
                begin(run);
        } else if (run->server_done)
                answer(run, NULL);
        else
                run_state_set_obstacle(
                                run, OBSTACLE_SERVER,
                                g_strdup_printf("server: dnsmasq has ended, so that guests get no addresses and names: stop and "
                                                "start the network (%s)",
                                                said));
}

static const ServerListener listener = { on_ready, on_ended };

static bool find(NetworkRun *run) {
        if (!run->server && run->server_pid > 0)
                run->server = server_find(&run_state_networks(run)->servers, (pid_t) run->server_pid, run->server_start_time,
                                          &listener, run);
        return run->server;
}

/* It does nothing before its number is written down. */
static bool start(NetworkRun *run, GError **error) {
        run->server = server_new(&run_state_networks(run)->servers, run->definition, &listener, run, error);
        if (!run->server)
                return false;
        run->server_pid = (uint64_t) server_pid(run->server);
        run->server_start_time = server_start_time(run->server);
        if (!run_state_save(run, error)) {
                g_clear_pointer(&run->server, server_free);
                return false;
        }
        server_go(run->server);
        return true;
}

static void begin(NetworkRun *run) {
        g_autoptr(GError) error = NULL;
        if (!start(run, &error))
                answer(run, error);
}

/* What it does not read again makes it start again: its leases stay. */
static void refresh(NetworkRun *run) {
        g_autoptr(GError) error = NULL;
        ServerNews news = SERVER_KNOWS;
        if (!server_files_change(&run_state_networks(run)->servers, run->definition, &news, &error)) {
                answer(run, error);
                return;
        }
        run->server_restarts = news == SERVER_STARTS_AGAIN;
        if (news == SERVER_STARTS_AGAIN) {
                server_end(run->server);
                return;
        }
        if (news == SERVER_READS_AGAIN)
                server_reload(run->server);
        answer(run, NULL);
}

void run_server_provide(NetworkRun *run, RunServerDone done) {
        run->server_done = done;
        if (!dnsmasq_is_needed(run->definition))
                answer(run, NULL);
        else if (find(run))
                refresh(run);
        else
                begin(run);
}

void run_server_end(NetworkRun *run, RunServerDone done) {
        run->server_done = done;
        if (find(run))
                server_end(run->server);
        else
                answer(run, NULL);
}
