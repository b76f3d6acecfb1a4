/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/monitor/interview.h"

#include <fcntl.h>

#include "bus.h"
#include "qemu/monitor/bare-qemu.h"

struct Interviews {
        sd_event *event;
        ProcessSetup template;
        GPtrArray *ending; /* Interview: whose QEMUs are being ended */
};

/* It outlives its questions until its process has ended. */
struct Interview {
        Interviews *all;
        const InterviewListener *listener; /* NULL: it is over */
        void *data;
        Process *process;
        Monitor *monitor;
        sd_event_source *wake; /* the time that it may take; or what tells that it is over */
        bool has_ended, finishing, failed;
};

Interviews *interviews_new(sd_event *event, const ProcessSetup *template) {
        Interviews *interviews = g_new0(Interviews, 1);
        interviews->event = event;
        interviews->template = *template;
        interviews->ending = g_ptr_array_new();
        return interviews;
}

static void interview_free(Interview *interview) {
        sd_event_source_disable_unref(interview->wake);
        if (interview->monitor)
                monitor_free(interview->monitor);
        if (interview->process)
                process_free(interview->process);
        g_free(interview);
}

void interviews_free(Interviews *interviews) {
        for (guint i = 0; i < interviews->ending->len; i++)
                interview_free(interviews->ending->pdata[i]);
        g_ptr_array_unref(interviews->ending);
        g_free(interviews);
}

void interview_end(Interview *interview) {
        interview->listener = NULL;
        interview->wake = sd_event_source_disable_unref(interview->wake);
        g_clear_pointer(&interview->monitor, monitor_free);
        if (interview->has_ended) {
                interview_free(interview);
                return;
        }
        g_ptr_array_add(interview->all->ending, interview);
        process_end(interview->process);
}

static void on_process_ended(void *data, int status) {
        Interview *interview = data;
        (void) status;
        interview->has_ended = true; /* what it has not answered, its monitor tells */
        if (g_ptr_array_remove_fast(interview->all->ending, interview))
                interview_free(interview);
}

static int on_over(sd_event_source *source, void *data) {
        Interview *interview = data;
        const InterviewListener *listener = interview->listener;
        void *user = interview->data;
        bool failed = interview->failed;
        (void) source;
        interview_end(interview);
        listener->over(user, failed);
        return 0;
}

/* From the loop: what is freed then has a callback on the stack. */
static void finish(Interview *interview, bool failed) {
        if (interview->finishing)
                return;
        interview->finishing = true;
        interview->failed = failed;
        sd_event_source_disable_unref(interview->wake);
        interview->wake = NULL;
        sd_event_add_defer(interview->all->event, &interview->wake, on_over, interview);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *data) {
        (void) source;
        (void) usec;
        finish(data, true);
        return 0;
}

static void ask_next(Interview *interview);

static void on_answer(void *data, JsonObject *answer, const GError *error) {
        Interview *interview = data;
        JsonNode *value = error ? NULL : json_object_get_member(answer, "return");
        if (interview->listener->answered(interview->data, value, error) && monitor_is_there(interview->monitor))
                ask_next(interview);
        else
                finish(interview, true);
}

static void ask_next(Interview *interview) {
        JsonObject *arguments = NULL;
        const char *command = interview->listener->next(interview->data, &arguments);
        if (command)
                monitor_command(interview->monitor, command, arguments, -1, on_answer, interview);
        else
                finish(interview, false);
}

static void on_ready(void *data) {
        ask_next(data);
}

static void on_closed(void *data, const GError *error) {
        (void) error;
        finish(data, true);
}

static const MonitorListener monitor_listener = { .ready = on_ready, .closed = on_closed };

Interview *interview_begin(Interviews *interviews, const char *emulator, bool kvm, const InterviewListener *listener, void *data,
                           GError **error) {
        g_autofd int log = open("/dev/null", O_WRONLY | O_CLOEXEC);
        Interview *interview = g_new0(Interview, 1);
        *interview = (Interview){ .all = interviews, .listener = listener, .data = data };
        ProcessSetup setup = interviews->template;
        setup.log = log;
        setup.file_size = INTERVIEW_FILE_BYTES;
        setup.seconds = INTERVIEW_SECONDS;
        const BareQemu qemu = {
                .emulator = emulator,
                .machine = kvm ? "none,accel=kvm" : "none,accel=tcg",
                .setup = &setup,
                .listener = &monitor_listener,
                .monitor_data = interview,
                .ended = on_process_ended,
                .process_data = interview,
        };
        interview->process = bare_qemu_new(interviews->event, &qemu, &interview->monitor, error);
        if (!interview->process) {
                g_free(interview);
                return NULL;
        }
        sd_event_add_time_relative(interviews->event, &interview->wake, CLOCK_MONOTONIC, INTERVIEW_TIMEOUT, 0, on_timeout,
                                   interview);
        process_go(interview->process);
        return interview;
}
