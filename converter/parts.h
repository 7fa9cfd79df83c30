/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts: one SQL text that is cut into the parts of a job by lines of its own:
 *     --@engine postgres@warehouse     what follows runs there, up to the next such line; without @target: the engine's default, or the
 *                                      job's where it is the job's engine
 *     --@part load after=a,b           a part begins, which starts when parts a and b have succeeded; without after: at once
 * Such a line may begin with blanks and ends with its line. It counts outside of strings, quoted names and comments that are open, in the
 * dialect of the engine that is then in force; also within parentheses and bodies. Lines that lie inside of what is open are text.
 *
 * What stands before the first --@part line, if that is anything but comments, is a part named `main`. An --@engine line in a part that has
 * statements already begins a new part, which runs after the one before it; it gets a name: p2 for the second part, and so on, or the next
 * of these that is free. The engine of a part: that of the last --@engine line above (or in) it, else the job's. Names are those of
 * part_graph.h; `after` may name parts that come later in the text.
 *
 * The parts have no code of their own: their statements lie in the job's (core/job.h). Lines with --@set count for the whole text.
 * Only for SQL: nothing is cut where the code type is no SQL (language.h). Pure; linear in the text but for the sorting of names.
 */
#ifndef MILLRACE_CONVERTER_PARTS_H
#define MILLRACE_CONVERTER_PARTS_H

#include "core/job.h"

/* Where a part's statements lie in the text. */
struct parts_place {
    size_t from, to;
    int64_t first_line; /* of what begins at `from` */
    int64_t
        line; /* of the --@part or --@engine line that tells about it; that of its beginning where there is none */
};

struct parts_cut {
    struct job_part *parts; /* id, after; engine and target where a line gives them */
    struct parts_place *places;
    size_t count;
};

enum parts_end {
    PARTS_NONE, /* there are no such lines */
    PARTS_CUT,
    PARTS_WRONG /* *problem tells */
};

/* Why the job is refused. */
struct parts_problem {
    const char *code;     /* a row of job_error_codes */
    struct bytes message; /* begins with the line, or part and line */
    int64_t line;
};

/* `engine` and `code_type`: the job's, the latter filled in. */
enum parts_end parts_cut(struct bytes code, struct bytes engine, struct bytes code_type, struct arena *a,
    struct parts_cut *out, struct parts_problem *problem);

#endif
