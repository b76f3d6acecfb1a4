/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "listing.h"

#include <stdlib.h>
#include <systemd/sd-bus.h>

#include "parts.h"

#define SERVICE "org.virtbus1"

/* Objects of the host, or of all that it has of a kind, one after the other */

typedef struct Walk Walk;

struct Walk {
        Call *call;
        const char *interface, *of_host;
        const char *const *properties;
        GQueue managers; /* paths: of those that are still to be asked */
        PartsEach each;
        void (*done)(void *data, GError *error); /* the error is taken; NULL: that was all */
        void *data;
};

static void walk_end(Walk *walk, GError *error) {
        walk->done(walk->data, error);
        g_queue_clear_full(&walk->managers, g_free);
        call_unref(walk->call);
        g_free(walk);
}

static void load(Walk *walk, const char *path, const char *interface, const char *const *properties, PartsEach each, void *data,
                 GAsyncReadyCallback loaded) {
        const PartsList list = { .bus = walk->call->client->bus,
                                 .service = SERVICE,
                                 .path = path,
                                 .interface = interface,
                                 .properties = properties,
                                 .timeout = G_MAXINT,
                                 .each = each,
                                 .data = data };
        parts_load(&list, NULL, loaded, walk);
}

static void go_on(Walk *walk);

/* What has them may have gone meanwhile. */
static void on_part(GObject *source, GAsyncResult *result, void *data) {
        GError *error = NULL;
        (void) source;
        if (!parts_load_finish(result, &error) && error->code != LIBVIRT_NO_DOMAIN)
                walk_end(data, error);
        else {
                g_clear_error(&error);
                go_on(data);
        }
}

static void go_on(Walk *walk) {
        g_autofree char *path = g_queue_pop_head(&walk->managers);
        bool is_host = walk->of_host && g_strcmp0(path, LISTING_HOST) == 0;
        if (path)
                load(walk, path, is_host ? walk->of_host : walk->interface, walk->properties, walk->each, walk->data, on_part);
        else
                walk_end(walk, NULL);
}

static void note_manager(void *data, const char *path, GVariant *interfaces) {
        Walk *walk = data;
        (void) interfaces;
        g_queue_push_tail(&walk->managers, g_strdup(path));
}

static void on_managers(GObject *source, GAsyncResult *result, void *data) {
        GError *error = NULL;
        (void) source;
        if (parts_load_finish(result, &error))
                go_on(data);
        else
                walk_end(data, error);
}

/* WANTED is copied. */
static void walk_begin(const Walk *wanted, const char *below) {
        static const char *const name[] = { "Name", NULL };
        Walk *walk = g_new(Walk, 1);
        *walk = *wanted;
        call_ref(walk->call);
        g_queue_init(&walk->managers);
        if (walk->of_host)
                g_queue_push_tail(&walk->managers, g_strdup(LISTING_HOST));
        if (below)
                load(walk, LISTING_HOST, below, name, note_manager, walk, on_managers);
        else {
                g_queue_push_tail(&walk->managers, g_strdup(LISTING_HOST));
                go_on(walk);
        }
}

/* What an object is, by the interface of those that have one, or of the host; to be freed, or NULL. */
static GVariant *properties_of(GVariant *interfaces, const char *interface, const char *of_host) {
        GVariant *found = g_variant_lookup_value(interfaces, interface, G_VARIANT_TYPE_VARDICT);
        return found || !of_host ? found : g_variant_lookup_value(interfaces, of_host, G_VARIANT_TYPE_VARDICT);
}

/* All of them */

typedef struct Listing {
        Call *call;
        const ListedKind *kind;
        GPtrArray *objects; /* as libvirt names them */
} Listing;

static void listing_free(Listing *listing) {
        call_unref(listing->call);
        g_ptr_array_unref(listing->objects);
        g_free(listing);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Listing, listing_free)

static void take_object(void *data, const char *path, GVariant *interfaces) {
        Listing *listing = data;
        const ListedKind *kind = listing->kind;
        g_autoptr(GVariant) properties = properties_of(interfaces, kind->interface, kind->of_host);
        (void) path;
        if (properties && (!kind->is_selected || kind->is_selected(listing->call, properties)))
                g_ptr_array_add(listing->objects, g_variant_ref_sink(kind->name_of(properties)));
}

static void answer_all(const Listing *listing) {
        int32_t need_results;
        GVariantBuilder builder;
        g_autofree char *type = g_strconcat("a", listing->kind->type, NULL);
        g_variant_get_child(listing->call->arguments, 0, "i", &need_results);
        g_variant_builder_init(&builder, G_VARIANT_TYPE(type));
        for (unsigned int i = 0; need_results && i < listing->objects->len; i++)
                g_variant_builder_add_value(&builder, listing->objects->pdata[i]);
        call_answer(listing->call, g_variant_new("(@*u)", g_variant_builder_end(&builder), listing->objects->len));
}

/* At most as many as the client has room for. */
static void answer_names(const Listing *listing) {
        int32_t room;
        GVariantBuilder builder;
        g_variant_get_child(listing->call->arguments, 0, "i", &room);
        g_variant_builder_init(&builder, G_VARIANT_TYPE_STRING_ARRAY);
        for (unsigned int i = 0; (int64_t) i < room && i < listing->objects->len; i++) {
                g_autoptr(GVariant) name = g_variant_get_child_value(listing->objects->pdata[i], listing->kind->name);
                g_variant_builder_add_value(&builder, name);
        }
        call_answer(listing->call, g_variant_new("(as)", &builder));
}

static void on_list(void *data, GError *error) {
        g_autoptr(Listing) listing = data;
        const char *reply = listing->call->procedure->reply;
        if (error)
                call_fail(listing->call, error);
        else if (g_str_equal(reply, "(i)"))
                call_answer(listing->call, g_variant_new("(i)", (int32_t) listing->objects->len));
        else if (g_str_has_suffix(reply, ":s)") || g_str_has_suffix(reply, ":U)"))
                answer_names(listing);
        else
                answer_all(listing);
}

GVariant *listing_name_and_uuid(GVariant *properties) {
        const char *name = "", *uuid = "";
        g_variant_lookup(properties, "Name", "&s", &name);
        g_variant_lookup(properties, "UUID", "&s", &uuid);
        return g_variant_new("(ss)", name, uuid);
}

void listing_answer(Call *call, const ListedKind *kind) {
        Listing *listing = g_new(Listing, 1);
        *listing = (Listing){ call_ref(call), kind, g_ptr_array_new_with_free_func((GDestroyNotify) g_variant_unref) };
        walk_begin(&(Walk){ .call = call,
                            .interface = kind->interface,
                            .of_host = kind->of_host,
                            .properties = kind->properties,
                            .each = take_object,
                            .done = on_list,
                            .data = listing },
                   kind->below);
}

static void on_one(Call *call, GVariant *properties) {
        const ListedKind *kind = call->state;
        call_answer(call, g_variant_new("(@*)", kind->name_of(properties)));
}

void listing_answer_path(Call *call, GVariant *reply, const ListedKind *kind) {
        const char *path;
        g_variant_get(reply, "(&o)", &path);
        call->state = (void *) kind;
        call_read(call, path, kind->interface, on_one);
}

bool listing_refuse_absent(Call *call, const GError *error, int code, const char *what) {
        if (error->code != LIBVIRT_NO_DOMAIN && error->code != code)
                return false;
        call_refuse(call, code, "%s not found: %s", what, error->message);
        return true;
}

char *listing_path(const char *kind, const char *uuid) {
        g_autofree char *escaped = g_strdelimit(g_strdup(uuid), "-", '_');
        return g_strconcat(LISTING_HOST "/", kind, "/", escaped, NULL);
}

char *listing_path_of_name(const char *kind, const char *name) {
        g_autofree char *prefix = g_strconcat(LISTING_HOST "/", kind, NULL);
        char *encoded = NULL;
        sd_bus_path_encode(prefix, name, &encoded);
        char *path = g_strdup(encoded ? encoded : prefix);
        free(encoded);
        return path;
}

/* One of them */

typedef struct Search {
        Call *call;
        ListedSearch search;
        char *what, *path;
        GVariant *properties;
        ListingStep step;
} Search;

static void search_free(Search *search) {
        call_unref(search->call);
        g_clear_pointer(&search->properties, g_variant_unref);
        g_free(search->what);
        g_free(search->path);
        g_free(search);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Search, search_free)

static void look_at(void *data, const char *path, GVariant *interfaces) {
        Search *search = data;
        g_autoptr(GVariant) properties = properties_of(interfaces, search->search.interface, search->search.of_host);
        if (search->properties || !properties || !search->search.is_meant(search->what, properties))
                return;
        search->path = g_strdup(path);
        search->properties = g_steal_pointer(&properties);
}

static void on_searched(void *data, GError *error) {
        g_autoptr(Search) search = data;
        if (error)
                call_fail(search->call, error);
        else if (search->properties)
                search->step(search->call, search->path, search->properties);
        else
                call_refuse(search->call, (LibvirtErrorCode) search->search.code, "%s not found: '%s'", search->search.noun,
                            search->what);
}

void listing_find(Call *call, const ListedSearch *wanted, const char *what, ListingStep step) {
        Search *search = g_new(Search, 1);
        *search = (Search){ call_ref(call), *wanted, g_strdup(what), NULL, NULL, step };
        walk_begin(&(Walk){ .call = call,
                            .interface = wanted->interface,
                            .of_host = wanted->of_host,
                            .each = look_at,
                            .done = on_searched,
                            .data = search },
                   wanted->below);
}
