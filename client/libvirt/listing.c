/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "listing.h"

#include "parts.h"

#define SERVICE "org.virtbus1"

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
        g_autoptr(GVariant) properties = g_variant_lookup_value(interfaces, kind->interface, G_VARIANT_TYPE_VARDICT);
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

static void on_list(GObject *source, GAsyncResult *result, void *data) {
        g_autoptr(Listing) listing = data;
        GError *error = NULL;
        const char *reply = listing->call->procedure->reply;
        (void) source;
        if (!parts_load_finish(result, &error))
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
        const PartsList list = { .bus = call->client->bus,
                                 .service = SERVICE,
                                 .path = LISTING_HOST,
                                 .interface = kind->interface,
                                 .properties = kind->properties,
                                 .timeout = G_MAXINT,
                                 .each = take_object,
                                 .data = listing };
        parts_load(&list, NULL, on_list, listing);
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
