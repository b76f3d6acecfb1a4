/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/block-job.h"

#include "bus.h"
#include "domain/connection.h"
#include "vtables.h"

typedef struct BlockJobOperation {
        Operation operation;
        DiskJobRequest request;
        char *path; /* of the job */
} BlockJobOperation;

Operation *block_job_new(Call *call, const DiskJobRequest *request) {
        Operation *operation = operation_new(&block_job_class, call);
        ((BlockJobOperation *) operation)->request = *request;
        return operation;
}

DiskJobRequest *block_job_request(Operation *operation) {
        return &((BlockJobOperation *) operation)->request;
}

static bool is_offered(const Hypervisor *hypervisor) {
        return HYPERVISOR_HAS(hypervisor, disk_jobs, begin);
}

static bool check(const Operation *operation, GError **error) {
        const DiskJobRequest *request = &((const BlockJobOperation *) operation)->request;
        return disk_jobs_check_none(operation->domain, request->alias, "another begins", error);
}

static void begin(Operation *operation) {
        operation->domain->connection->hypervisor->disk_jobs->begin(operation);
}

void block_job_begun(Operation *operation, const DiskJob *job) {
        ((BlockJobOperation *) operation)->path = g_strdup(disk_job_path(job));
        operation_finish(operation, NULL);
}

static void reply(Operation *operation, Call *call) {
        const BlockJobOperation *self = (const BlockJobOperation *) operation;
        if (self->request.kind == DISK_PULL)
                reply_device_disk_image_pull(call, self->path);
        else if (self->request.kind == DISK_COPY)
                reply_device_disk_image_copy(call, self->path);
        else
                reply_device_disk_image_commit(call, self->path);
}

static void block_job_free(Operation *operation) {
        BlockJobOperation *self = (BlockJobOperation *) operation;
        char *strings[] = { self->request.alias, self->request.target, self->request.base, self->request.top,
                            self->request.path,  self->request.format, self->path };
        for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
                g_free(strings[i]);
}

const OperationClass block_job_class = {
        .name = "a job on its images",
        .states = IN(DOMAIN_RUNNING) | IN(DOMAIN_PAUSED) | IN(DOMAIN_PMSUSPENDED),
        .needs = "run, or be paused",
        .size = sizeof(BlockJobOperation),
        .is_offered = is_offered,
        .check = check,
        .begin = begin,
        .reply = reply,
        .free = block_job_free,
};
