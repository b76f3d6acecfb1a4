/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An operation on a domain: one at work at a time, others wait in a queue. What each kind does is a class, in a file of its own:
 * operations/. Another kind is another file, and touches none of these. */

#include "domain/domain.h"

/* Operations that may wait for one domain. */
#define OPERATIONS_WAITING_MAX 16

#define IN(state) (1u << (state))
#define IN_ACTIVE (IN(DOMAIN_RUNNING) | IN(DOMAIN_PAUSED) | IN(DOMAIN_CRASHED) | IN(DOMAIN_PMSUSPENDED))
#define IN_SETTLED (IN(DOMAIN_SHUTOFF) | IN_ACTIVE)

/* What the end of its domain's run is to an operation at work. */
typedef enum OperationFate {
        OPERATION_FAILS,    /* cancelled, or with the run's own error */
        OPERATION_SUCCEEDS, /* it was what it was for */
        OPERATION_GOES_ON,  /* it works on the definition */
} OperationFate;

typedef struct OperationClass {
        const char *name;        /* the method's, as errors name it */
        unsigned states;         /* in which it may begin: IN() of each */
        const char *needs;       /* those states in words: "it must ..." */
        const TreeKind *of_tree; /* it changes what is known of that; or NULL */
        bool tells_state;        /* it stops and resumes the processors itself, and tells of that when it is done */
        size_t size;             /* of the structure that begins with an Operation; 0: that alone */

        /* Does it, or has the hypervisor do it; operation_finish follows, at once or later. */
        void (*begin)(Operation *operation);

        /* All of these may be NULL. */

        /* Whether the hypervisor has what it needs: where not, it is Unsupported in any state. */
        bool (*is_offered)(const Hypervisor *hypervisor);

        /* Whether it may begin, besides the state. */
        bool (*check)(const Operation *operation, GError **error);

        /* The hypervisor has done it: true where the operation goes on, and operation_finish is called again. */
        bool (*proceed)(Operation *operation);

        /* It is done: what follows for its domain; false where that makes it a failure. */
        bool (*follow)(Operation *operation, GError **error);

        /* It has failed: what follows for its domain, before anyone is told. */
        void (*failed)(Operation *operation, const GError *error);

        /* Answers the call of one that is done; without it the answer is empty. */
        void (*reply)(Operation *operation, Call *call);

        /* What the end of the run is to it; without it, it fails. */
        OperationFate (*fate)(const Operation *operation);

        /* Its domain is destroyed: true where it has ended by itself, and nothing of the hypervisor is at work. */
        bool (*destroyed)(Operation *operation);

        /* Meanwhile, by itself, the guest has lost a device; has got another amount of memory. */
        void (*device_gone)(Operation *operation, const char *alias);
        void (*memory_changed)(Operation *operation, uint64_t bytes);

        /* The managed save that its domain had is gone. */
        void (*save_removed)(Operation *operation);

        /* Writes into the domain's status what a successor of this driver needs to know of it. */
        void (*write_status)(const Operation *operation, xmlNode *status);

        /* Frees what the structure has besides the Operation. */
        void (*free)(Operation *operation);
} OperationClass;

struct Operation {
        const OperationClass *class;
        Domain *domain;
        Call *call;   /* to be answered; NULL for the driver's own */
        Job *job;     /* that stands for it; NULL: none */
        char *sender; /* who has called, as errand_begin takes it; NULL: the driver */
};

/* Makes one; CALL (or NULL) is answered when it is done, or cannot begin. */
Operation *operation_new(const OperationClass *class, Call *call);

/* Whether there is an operation, of this class. */
bool operation_is(const Operation *operation, const OperationClass *class);

/* Queues an operation, which is taken, on a domain. */
void domain_operate(Domain *domain, Operation *operation);

/* Puts it into the queue before anything may begin; what waits begins. */
void operation_enqueue(Domain *domain, Operation *operation);
void operations_run(Domain *domain);

/* The operation is done, or has failed. It is freed. */
void operation_finish(Operation *operation, const GError *error);

/* While a domain that is off gets another name, or an image of it another size, what is asked of it waits; when that is over,
 * what waits begins. Each hold is to be taken back. */
void domain_hold(Domain *domain, bool hold);

/* The queue's own end: all that wait are told ERROR; the one at work has ended with its domain's run. */
void operations_fail_waiting(Domain *domain, const GError *error);
void operations_end_run(Domain *domain, Operation *operation, const GError *error);

/* All are given up with their domain. */
extern const DomainListener operations_listener;
