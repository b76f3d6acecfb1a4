/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esx/vim.h"

#include <string.h>

#include "base/xml.h"
#include "errors.h"

#define API "urn:vim25"

struct Vim {
        Http *http;
        char *url;
        const uint64_t *answer_timeout;
        void (*lost)(void *data, const GError *error);
        void *data;
        GHashTable *calls; /* VimCall */
};

struct VimCall {
        Vim *vim;
        HttpRequest *request;
        SoapReader reader;
        bool is_secret;
        VimDone done;
        void *data;
};

/* References */

void vim_reference_clear(VimReference *reference) {
        g_clear_pointer(&reference->type, g_free);
        g_clear_pointer(&reference->value, g_free);
}

void vim_reference_set(VimReference *reference, const char *type, const char *value) {
        vim_reference_clear(reference);
        *reference = (VimReference){ g_strdup(type), g_strdup(value) };
}

static bool is_word(const char *text) {
        return text && *text && strlen(text) <= VIM_REFERENCE_BYTES_MAX && xml_is_text(text);
}

bool vim_reference_read(VimReference *reference, const xmlNode *element) {
        g_autofree char *type = element ? xml_attribute(element, "type") : NULL, *value = element ? xml_text(element) : NULL;
        if (!is_word(type) || !is_word(value))
                return false;
        vim_reference_set(reference, type, value);
        return true;
}

void vim_put_reference(GString *body, const char *name, const VimReference *reference) {
        g_autofree char *type = g_markup_printf_escaped("type=\"%s\"", reference->type);
        soap_put(body, name, type, reference->value);
}

/* Faults */

static const struct {
        const char *type;
        VirtbusError code;
        const char *remedy;
} faults[] = {
        { "InvalidLogin", VIRTBUS_ERROR_ACCESS_DENIED,
          "the username or the password is wrong; pass others as options of OpenConnection" },
        { "NoPermission", VIRTBUS_ERROR_ACCESS_DENIED, "its user has no permission for this there" },
        { "PasswordExpired", VIRTBUS_ERROR_ACCESS_DENIED, "the password has expired; change it there" },
        { "InvalidPowerState", VIRTBUS_ERROR_OPERATION_INVALID, "the machine is in another state by now" },
        { "InvalidState", VIRTBUS_ERROR_OPERATION_INVALID, "the machine is in another state by now" },
        { "ToolsUnavailable", VIRTBUS_ERROR_AGENT_UNAVAILABLE, "VMware Tools do not run in the guest" },
        { "DuplicateName", VIRTBUS_ERROR_ALREADY_EXISTS, "that name is taken there" },
        { "AlreadyExists", VIRTBUS_ERROR_ALREADY_EXISTS, "it is there already" },
        { "TaskInProgress", VIRTBUS_ERROR_RESOURCE_BUSY, "something else is done to the machine; call again" },
        { "ResourceInUse", VIRTBUS_ERROR_RESOURCE_BUSY, "what it needs is in use" },
        { "RestrictedVersion", VIRTBUS_ERROR_UNSUPPORTED, "its license allows nothing to be changed" },
        { "NotSupported", VIRTBUS_ERROR_UNSUPPORTED, "it does not support this" },
        { "MethodNotFound", VIRTBUS_ERROR_UNSUPPORTED, "it does not know this" },
        { "TooManySnapshotLevels", VIRTBUS_ERROR_LIMIT_EXCEEDED, "a machine has no more snapshots above each other" },
        { "ApplicationQuiesceFault", VIRTBUS_ERROR_HYPERVISOR_FAILED, "the guest's programs could not be brought to rest" },
        { "FilesystemQuiesceFault", VIRTBUS_ERROR_HYPERVISOR_FAILED, "the guest's file systems could not be brought to rest" },
        { "RequestCanceled", VIRTBUS_ERROR_CANCELLED, "it was cancelled" },
        { "ManagedObjectNotFound", VIRTBUS_ERROR_HYPERVISOR_FAILED, "it is not there any more" },
};

void vim_fault_set(GError **error, const char *type, const char *text) {
        g_autofree char *plain = soap_plain(type), *said = text && *text ? soap_plain(text) : NULL;
        for (size_t i = 0; i < G_N_ELEMENTS(faults); i++)
                if (strcmp(type, faults[i].type) == 0) {
                        virtbus_error_set(error, faults[i].code, "%s%s%s%s", faults[i].remedy, said ? " (" : "", said ? said : "",
                                          said ? ")" : "");
                        return;
                }
        virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "the hypervisor says %s%s%s", *plain ? plain : "that it failed",
                          said ? ": " : "", said ? said : "");
}

/* Calls */

/* The hypervisor has another opinion. */
static void take_fault(const VimCall *call, const SoapFault *fault, GError **error) {
        bool is_lost = strcmp(fault->type, "NotAuthenticated") == 0;
        if (is_lost) {
                virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "the session has expired");
                call->vim->lost(call->vim->data, *error);
        } else
                vim_fault_set(error, fault->type, call->is_secret ? NULL : fault->text);
}

static void on_answer(void *data, const HttpAnswer *answer, const GError *failure) {
        VimCall *call = data;
        g_auto(SoapFault) fault = { 0 };
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        g_hash_table_remove(call->vim->calls, call);
        if (!failure && answer->status != 200 && answer->status != 500)
                virtbus_error_set(&error,
                                  answer->status == 401 || answer->status == 407 ? VIRTBUS_ERROR_ACCESS_DENIED
                                                                                 : VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                  "its answer has the HTTP status %ld", answer->status);
        if (!error && soap_read(answer->body, answer->length, &call->reader, &fault, &error) && fault.type)
                take_fault(call, &fault, &error);
        call->done(call->data, error);
        g_free(call);
}

static char *write_body(const VimQuestion *question) {
        g_autoptr(GString) body = g_string_new(NULL);
        g_string_append_printf(body, "<%s xmlns=\"" API "\">", question->method);
        vim_put_reference(body, "_this", question->object);
        if (question->arguments)
                g_string_append(body, question->arguments);
        g_string_append_printf(body, "</%s>", question->method);
        char *text = soap_envelope(body->str);
        explicit_bzero(body->str, body->len);
        return text;
}

VimCall *vim_call(Vim *vim, const VimQuestion *question, VimDone done, void *data) {
        static const char *const headers[] = { "Content-Type: text/xml; charset=utf-8", "SOAPAction: \"" API "/5.5\"", NULL };
        g_autofree char *text = write_body(question);
        VimCall *call = g_new(VimCall, 1);
        *call = (VimCall){ .vim = vim,
                           .reader = { question->each, data, question->opened },
                           .is_secret = question->is_secret,
                           .done = done,
                           .data = data };
        g_hash_table_add(vim->calls, call);
        call->request = http_ask(vim->http,
                                 &(HttpQuestion){ .method = HTTP_POST,
                                                  .url = vim->url,
                                                  .headers = headers,
                                                  .body = text,
                                                  .length = strlen(text),
                                                  .bytes_max = question->bytes_max ? question->bytes_max : VIM_ANSWER_BYTES_MAX,
                                                  .patience = question->patience     ? question->patience
                                                              : *vim->answer_timeout ? *vim->answer_timeout
                                                                                     : VIM_PATIENCE },
                                 on_answer, call);
        explicit_bzero(text, strlen(text));
        return call;
}

void vim_cancel(VimCall *call) {
        http_cancel(call->request);
        g_hash_table_remove(call->vim->calls, call);
        g_free(call);
}

unsigned vim_pending(const Vim *vim) {
        return g_hash_table_size(vim->calls);
}

/* The whole */

Vim *vim_new(Http *http, const char *url, const uint64_t *answer_timeout, void (*lost)(void *data, const GError *error),
             void *data) {
        Vim *vim = g_new(Vim, 1);
        *vim = (Vim){ .http = http, .url = g_strdup(url), .answer_timeout = answer_timeout, .lost = lost, .data = data };
        vim->calls = g_hash_table_new(NULL, NULL);
        return vim;
}

void vim_free(Vim *vim) {
        if (!vim)
                return;
        g_autoptr(GList) calls = g_hash_table_get_keys(vim->calls);
        for (GList *link = calls; link; link = link->next)
                vim_cancel(link->data);
        g_hash_table_unref(vim->calls);
        g_free(vim->url);
        g_free(vim);
}
