/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Network filters, which are objects of the connection "host" whatever connection the client has opened. */

#include "calls.h"
#include "listing.h"
#include "rows.h"

#define FILTERS INTERFACE("NetworkFilters")
#define FILTER INTERFACE("NetworkFilter")

/* A document is always checked. */
static const FlagOption define_flags[] = { FLAG_IS_ALWAYS_SO(1), {} };

static const char *const wanted[] = { "Name", "UUID", NULL };

static const ListedKind filters = { FILTER, NULL, wanted, "(ss)", 0, listing_name_and_uuid, NULL };

static void list(Call *call) {
        listing_answer(call, &filters);
}

static bool on_no_object(Call *call, const GError *error) {
        return listing_refuse_absent(call, error, LIBVIRT_NO_FILTER, "Network filter");
}

/* Asks the filter that is the first argument. */
static void ask(Call *call, const char *member, const char *reply, CallStep step) {
        const char *uuid;
        g_variant_get_child(call->arguments, 0, "(&s&s)", NULL, &uuid);
        g_autofree char *path = listing_path("filter", uuid);
        call->on_error = on_no_object;
        call_ask(call, path, FILTER, member, g_variant_new("(a{sv})", NULL), reply, step);
}

static void on_path(Call *call, GVariant *reply) {
        listing_answer_path(call, reply, &filters);
}

/* By its name or its UUID: MEMBER says which. */
static void find(Call *call) {
        call->on_error = on_no_object;
        call_ask(call, LISTING_HOST, FILTERS, call->row->member, g_variant_new("(s)", call_string(call, 0)), "(o)", on_path);
}

static void define(Call *call) {
        call_ask(call, LISTING_HOST, FILTERS, "DefineFilter", g_variant_new("(sa{sv})", call_string(call, 0), NULL), "(o)",
                 on_path);
}

static void get_xml(Call *call) {
        ask(call, "GetXML", "(s)", step_answer_document);
}

static void undefine(Call *call) {
        ask(call, "Undefine", "()", step_answer_nothing);
}

const CallRow filter_calls[] = {
        { REMOTE_CONNECT_LIST_ALL_NWFILTERS, list },
        { REMOTE_CONNECT_LIST_NWFILTERS, list },
        { REMOTE_CONNECT_NUM_OF_NWFILTERS, list },
        { REMOTE_NWFILTER_LOOKUP_BY_NAME, find, "GetFilterByName" },
        { REMOTE_NWFILTER_LOOKUP_BY_UUID, find, "GetFilterByUUID" },
        { REMOTE_NWFILTER_DEFINE_XML, define, NULL, CHANGES },
        { REMOTE_NWFILTER_DEFINE_XML_FLAGS, define, NULL, CHANGES, define_flags },
        { REMOTE_NWFILTER_GET_XML_DESC, get_xml },
        { REMOTE_NWFILTER_UNDEFINE, undefine, NULL, CHANGES },
        {},
};
