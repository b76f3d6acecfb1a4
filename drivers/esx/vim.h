/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What ESX and vCenter are asked, and answer: the methods of VMware's vSphere API, by SOAP. */

#include "remote/http.h"
#include "remote/soap.h"

/* How long a method may take to be answered, in microseconds: what takes longer is a task, which is answered at once. */
#define VIM_PATIENCE (30 * UINT64_C(1000000))

/* What an answer may have: of updates, a page of them; of all else. */
#define VIM_UPDATE_BYTES_MAX (32 * 1024 * 1024)
#define VIM_ANSWER_BYTES_MAX (1024 * 1024)

/* A reference to one of its objects, and the longest. */
#define VIM_REFERENCE_BYTES_MAX 128
typedef struct VimReference {
        char *type, *value;
} VimReference;
void vim_reference_clear(VimReference *reference);
bool vim_reference_read(VimReference *reference, const xmlNode *element); /* false where it is not one */
void vim_reference_set(VimReference *reference, const char *type, const char *value);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VimReference, vim_reference_clear)

/* Appends <NAME type='TYPE'>VALUE</NAME>. */
void vim_put_reference(GString *body, const char *name, const VimReference *reference);

typedef struct Vim Vim;
typedef struct VimCall VimCall;

/* Called once, not before vim_call has returned. ERROR where it has failed: as http_ask, or what the server says, as one of the
 * API's errors: AccessDenied, OperationInvalid, Unsupported, HypervisorFailed. */
typedef void (*VimDone)(void *data, const GError *error);

/* URL: of its API. LOST is called where the server says that it does not know us any more; it must not free the Vim. */
Vim *vim_new(Http *http, const char *url, const uint64_t *answer_timeout, void (*lost)(void *data, const GError *error),
             void *data);

/* Nobody is told any more how what was asked ends. */
void vim_free(Vim *vim);

/* A method of an object. ARGUMENTS: XML, or NULL. EACH and OPENED: of what it returns (soap_read), or NULL. */
typedef struct VimQuestion {
        const char *method;
        const VimReference *object;
        const char *arguments;
        SoapEach each;
        const char *const *opened;
        bool is_secret;    /* it has a password in it: what the server says of that is not repeated */
        uint64_t patience; /* microseconds; 0: VIM_PATIENCE, or what the driver was started with */
        size_t bytes_max;  /* 0: VIM_ANSWER_BYTES_MAX */
} VimQuestion;
VimCall *vim_call(Vim *vim, const VimQuestion *question, VimDone done, void *data);
void vim_cancel(VimCall *call);

/* How many are at work. */
unsigned vim_pending(const Vim *vim);

/* What a fault means, as an error: its TYPE, and its own words, or NULL. */
void vim_fault_set(GError **error, const char *type, const char *text);
