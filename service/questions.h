/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The questions to polkit. The bus lets one connection wait for so many answers only, and polkit answers one after the other: so
 * only some are out at a time, users take turns, and who asks the same again gets the same answer. A person may take minutes for
 * a password: those questions have places of their own, and one caller is asked one of them at a time. */

#include "callers.h"

typedef struct Questions Questions;

typedef enum AnswerKind {
        ANSWER_YES,
        ANSWER_NO,
        ANSWER_CHALLENGE, /* not without a password */
        ANSWER_BUSY,      /* there are too many questions */
        ANSWER_NONE,      /* polkit does not answer */
        ANSWER_CANCELLED, /* the caller has left, or the service ends */
} AnswerKind;

typedef struct Answer {
        AnswerKind kind;
        bool temporary;     /* polkit forgets it after a while */
        const char *reason; /* why there is none */
} Answer;

typedef void (*Answered)(void *data, const Answer *answer);

/* ON_ANSWERER is told the connection that each answer came from. */
Questions *questions_new(sd_bus *bus, void (*on_answerer)(void *data, const char *name), void *data);

/* Those that wait were cancelled before. */
void questions_free(Questions *questions);

/* Asks whether CALLER may do ACTION. DETAILS (taken over) are names and values of what polkit's rules are told. A person may be
 * asked where INTERACTIVE. ANSWERED may be called before this returns. */
void questions_ask(Questions *questions, Caller *caller, const char *action, GStrv details, bool interactive, Answered answered,
                   void *data);

/* Something has changed: answers to what is out count for those only who wait for them already. */
void questions_changed(Questions *questions);

/* Cancels those of a caller, or all where that is NULL. */
void questions_cancel(Questions *questions, const Caller *caller);
