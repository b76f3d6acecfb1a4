/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "at-once.h"

#include "traits.h"
#include "wire.h"

#define KIB 1024

/* What is left of a call's body. */
typedef struct Body {
        const uint8_t *at;
        size_t left;
} Body;

static const uint8_t *take(Body *body, size_t size) {
        const uint8_t *taken = body->left >= size ? body->at : NULL;
        if (taken) {
                body->at += size;
                body->left -= size;
        }
        return taken;
}

static bool take_text(Body *body, const char **text, size_t *size) {
        const uint8_t *word = take(body, XDR_WORD);
        *size = word ? xdr_word(word) : 0;
        if (!word || *size > WIRE_STRING_MAX)
                return false;
        *text = (const char *) take(body, *size);
        return *text && take(body, xdr_padding(*size));
}

static const KnownDomain *take_uuid(const Known *known, Body *body) {
        const uint8_t *uuid = take(body, XDR_UUID_BYTES);
        return uuid ? known_by_uuid(known, uuid) : NULL;
}

static const KnownDomain *take_name(const Known *known, Body *body) {
        const char *text;
        size_t size;
        if (!take_text(body, &text, &size))
                return NULL;
        g_autofree char *name = g_strndup(text, size);
        return known_by_name(known, name);
}

/* As a client names it: libvirt goes by its UUID. */
static const KnownDomain *take_domain(const Known *known, Body *body) {
        const char *name;
        size_t size;
        const KnownDomain *domain = take_text(body, &name, &size) ? take_uuid(known, body) : NULL;
        return domain && take(body, XDR_WORD) ? domain : NULL;
}

/* Flags that are none. */
static const KnownDomain *take_domain_and_flags(const Known *known, Body *body) {
        const KnownDomain *domain = take_domain(known, body);
        const uint8_t *flags = domain ? take(body, XDR_WORD) : NULL;
        return flags && xdr_word(flags) == 0 ? domain : NULL;
}

/* Of one that is off nobody has to be asked. */
static const KnownDomain *take_inactive(const Known *known, Body *body) {
        const KnownDomain *domain = take_domain(known, body);
        return domain && !(domain->traits & SELECT_ACTIVE) ? domain : NULL;
}

static void put_info(const KnownDomain *domain, uint32_t trait, GByteArray *into) {
        (void) trait;
        xdr_put_word(into, (uint32_t) domain->state);
        xdr_put_long(into, domain->max_memory / KIB);
        xdr_put_long(into, domain->memory / KIB);
        xdr_put_word(into, domain->vcpus);
        xdr_put_long(into, 0);
}

static void put_name(const KnownDomain *domain, uint32_t trait, GByteArray *into) {
        (void) trait;
        g_byte_array_append(into, g_bytes_get_data(domain->encoded_name, NULL),
                            (unsigned int) g_bytes_get_size(domain->encoded_name));
}

static void put_state(const KnownDomain *domain, uint32_t trait, GByteArray *into) {
        (void) trait;
        xdr_put_word(into, (uint32_t) domain->state);
        xdr_put_word(into, (uint32_t) domain->reason);
}

static void put_trait(const KnownDomain *domain, uint32_t trait, GByteArray *into) {
        xdr_put_word(into, (domain->traits & trait) != 0);
}

static const struct {
        ProcedureIndex procedure;
        const KnownDomain *(*take)(const Known *known, Body *body);
        void (*put)(const KnownDomain *domain, uint32_t trait, GByteArray *into);
        uint32_t trait;
} answers[] = {
        { REMOTE_DOMAIN_GET_STATE, take_domain_and_flags, put_state, 0 },
        { REMOTE_DOMAIN_LOOKUP_BY_UUID, take_uuid, put_name, 0 },
        { REMOTE_DOMAIN_LOOKUP_BY_NAME, take_name, put_name, 0 },
        { REMOTE_DOMAIN_GET_INFO, take_inactive, put_info, 0 },
        { REMOTE_DOMAIN_IS_ACTIVE, take_domain, put_trait, SELECT_ACTIVE },
        { REMOTE_DOMAIN_IS_PERSISTENT, take_domain, put_trait, SELECT_PERSISTENT },
        { REMOTE_DOMAIN_GET_AUTOSTART, take_domain, put_trait, SELECT_AUTOSTART },
        { REMOTE_DOMAIN_HAS_MANAGED_SAVE_IMAGE, take_domain_and_flags, put_trait, SELECT_MANAGED_SAVE },
};

bool at_once_answer(const Known *known, const Procedure *procedure, const uint8_t *data, size_t size, GByteArray *into) {
        Body body = { data, size };
        const KnownDomain *domain = NULL;
        for (size_t i = 0; !domain && i < G_N_ELEMENTS(answers); i++) {
                if (procedure != &procedures[answers[i].procedure])
                        continue;
                domain = answers[i].take(known, &body);
                if (domain && body.left > 0)
                        return false;
                if (domain)
                        answers[i].put(domain, answers[i].trait, into);
        }
        return domain != NULL;
}
