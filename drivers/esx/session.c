/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esx/session.h"

#include "domain/connection-life.h"
#include "errors.h"

#define PORT 443
#define PLAIN_PORT 80

static void on_lost(void *data, const GError *error) {
        session_cut(data, error, false);
}

char *session_root(const Esx *esx) {
        bool is_plain = g_strcmp0(remote_uri_parameter(esx->uri, "transport"), "http") == 0;
        g_autofree char *place = remote_uri_place(esx->uri, is_plain ? PLAIN_PORT : PORT);
        return g_strdup_printf("%s://%s", is_plain ? "http" : "https", place);
}

bool session_begin(Esx *esx, GError **error) {
        g_autofree char *root = session_root(esx), *url = g_strconcat(root, "/sdk", NULL);
        const HttpTrust trust = { .no_verify = esx->no_verify,
                                  .fingerprint = remote_uri_parameter(esx->uri, "fingerprint"),
                                  .proxy = remote_uri_parameter(esx->uri, "proxy") };
        session_end(esx);
        esx->http = http_new(esx->connection->event, esx->uri->host, &trust, error);
        if (!esx->http)
                return false;
        esx->vim = vim_new(esx->http, url, &esx->connection->answer_timeout, on_lost, esx);
        return true;
}

void session_end(Esx *esx) {
        esx->cutter = sd_event_source_disable_unref(esx->cutter);
        g_clear_error(&esx->cut);
        g_clear_pointer(&esx->vim, vim_free);
        g_clear_pointer(&esx->http, http_free);
        g_clear_pointer(&esx->update_version, g_free);
        esx->is_logged_in = false;
}

/* Servers that are being left */

/* How long one may take to say that it has heard of that, in microseconds, and how many are waited for. */
#define LEAVE_PATIENCE (5 * UINT64_C(1000000))
#define LEAVING_MAX 64

typedef struct Leaving {
        Http *http;
        Vim *vim;
} Leaving;

/* Those that are waited for: a driver that ends waits for none. */
static GHashTable *leaving;

static void on_left(void *data, const GError *error) {
        Leaving *left = data;
        (void) error;
        g_hash_table_remove(leaving, left);
        vim_free(left->vim);
        http_free(left->http);
        g_free(left);
}

static void ignore_lost(void *data, const GError *error) {
        (void) data;
        (void) error;
}

void session_leave(Esx *esx) {
        static const uint64_t no_timeout = 0;
        if (!leaving)
                leaving = g_hash_table_new(NULL, NULL);
        if (esx->vim && esx->is_logged_in && !esx->cut && g_hash_table_size(leaving) < LEAVING_MAX) {
                g_autofree char *root = session_root(esx), *url = g_strconcat(root, "/sdk", NULL);
                Leaving *left = g_new(Leaving, 1);
                g_clear_pointer(&esx->vim, vim_free);
                *left = (Leaving){ .http = g_steal_pointer(&esx->http) };
                left->vim = vim_new(left->http, url, &no_timeout, ignore_lost, NULL);
                g_hash_table_add(leaving, left);
                vim_call(left->vim,
                         &(VimQuestion){ .method = "Logout",
                                         .object = &esx->content.session_manager,
                                         .patience = LEAVE_PATIENCE },
                         on_left, left);
        }
        session_end(esx);
}

static int on_cut(sd_event_source *source, void *data) {
        Esx *esx = data;
        g_autoptr(GError) error = g_steal_pointer(&esx->cut);
        (void) source;
        session_end(esx);
        esx->ended(esx, error);
        connection_cut(esx->connection, error, esx->cut_is_final);
        return 0;
}

void session_cut(Esx *esx, const GError *error, bool final) {
        if (esx->cut)
                return;
        esx->cut = g_error_copy(error);
        esx->cut_is_final = final;
        sd_event_add_defer(esx->connection->event, &esx->cutter, on_cut, esx);
}

void session_clear(Esx *esx) {
        EsxContent *content = &esx->content;
        VimReference *const references[] = { &content->root_folder,
                                             &content->property_collector,
                                             &content->view_manager,
                                             &content->session_manager,
                                             &content->search_index,
                                             &content->task_manager,
                                             &content->file_manager,
                                             &esx->scope,
                                             &esx->host };
        for (size_t i = 0; i < G_N_ELEMENTS(references); i++)
                vim_reference_clear(references[i]);
        vim_reference_clear(&esx->autostart);
        g_clear_pointer(&content->product, g_free);
        g_clear_pointer(&content->version, g_free);
}
