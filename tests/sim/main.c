/* SPDX-License-Identifier: Apache-2.0 */
/* main: seeds in a row, in one or several processes; a failure is run again with its history; the table of bugs. */
#include <getopt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "tests/sim/sim.h"

enum { HELP = 256, REPLAY_EVERY = 50, BUG_SEEDS = 500, PROCESSES_MAX = 64 };

enum bug rules_bug;

static const char *const bug_names[BUGS] = {
    [BUG_NONE] = "none",
    [BUG_DUPLICATE_IGNORED] = "duplicate-ignored",
    [BUG_LOSER_DROPS_PARTITION] = "loser-drops-partition",
    [BUG_LEDGER_BEFORE_OFFSET] = "ledger-before-offset",
    [BUG_HEAD_FROM_QUEUED_ONLY] = "head-from-queued-only",
    [BUG_SCAN_BY_STATE] = "scan-by-state",
    [BUG_UNSENT_CLEARED_EARLY] = "unsent-cleared-early",
    [BUG_UNANSWERED_FORGOTTEN] = "unanswered-forgotten",
    [BUG_LEASE_REVIVES] = "lease-revives",
    [BUG_LEASE_FROM_ACK] = "lease-from-ack",
    [BUG_ATTEMPT_REUSED] = "attempt-reused",
    [BUG_DRAIN_BEFORE_DEATH] = "drain-before-death",
    [BUG_CANCELS_BEFORE_INSERT] = "cancels-before-insert",
    [BUG_CANCEL_FROM_JOBS] = "cancel-from-jobs",
    [BUG_START_BEFORE_FINISH] = "start-before-finish",
    [BUG_HEAD_SKIPPED] = "head-skipped",
};

struct settings {
    struct sim_options sim;
    uint64_t from, seeds;
    int processes;
    bool coverage, history, all_bugs;
};

/* What a process tells its parent. */
struct tally {
    int64_t seeds, failures, steps, slowest_ms, jobs;
    struct coverage coverage;
};

/* ---- one seed ---- */

/* An assertion of the rules is a catch too. */
static sigjmp_buf abort_jump;

static void on_abort(int signal)
{
    siglongjmp(abort_jump, signal);
}

static bool run_once(struct sim *s, const struct sim_options *o, uint64_t seed)
{
    sim_init(s, o, seed);
    if (sigsetjmp(abort_jump, 1) == 0)
        return sim_run(s);
    complain(s, s->concerned, "an assertion failed, see above");
    return false;
}

static void add_coverage(struct coverage *to, const struct coverage *from)
{
    int64_t a[COVERAGE_COUNT], b[COVERAGE_COUNT];
    memcpy(a, to, sizeof a);
    memcpy(b, from, sizeof b);
    for (size_t i = 0; i < COVERAGE_COUNT; i++)
        a[i] += b[i];
    memcpy(to, a, sizeof a);
}

static void explain(struct sim *s, const struct settings *set, uint64_t seed)
{
    struct sim_options o = set->sim;
    o.history = true;
    printf("\nseed %llu fails: %s\n", (unsigned long long)seed, s->complaint);
    fflush(stdout);
    (void)run_once(s, &o, seed);
    history_print(s);
    printf("seed %llu fails: %s\nagain: ./run sim --seed %llu", (unsigned long long)seed, s->complaint,
        (unsigned long long)seed);
    if (o.jobs)
        printf(" --jobs %lld", (long long)o.jobs);
    if (o.instances)
        printf(" --instances %lld", (long long)o.instances);
    printf(rules_bug ? " --bug %s\n" : "\n", bug_names[rules_bug]);
    fflush(stdout);
}

static bool run_seed(struct sim *s, const struct settings *set, uint64_t seed, struct tally *t)
{
    bool ok = run_once(s, &set->sim, seed);
    t->seeds++;
    t->steps += s->steps;
    t->jobs += s->job_count;
    if (s->slowest_ms > t->slowest_ms)
        t->slowest_ms = s->slowest_ms;
    add_coverage(&t->coverage, &s->coverage);
    if (ok && seed % REPLAY_EVERY == 0) {
        uint64_t digest = s->digest;
        (void)run_once(s, &set->sim, seed);
        if (s->digest != digest)
            complain(s, NULL, "a replay is not the same");
        ok = !s->failed;
    }
    t->failures += !ok;
    return ok;
}

/* ---- many seeds ---- */

static void run_share(const struct settings *set, int share, struct tally *t)
{
    struct sim s = {0};
    for (uint64_t i = (uint64_t)share; i < set->seeds; i += (uint64_t)set->processes)
        if (!run_seed(&s, set, set->from + i, t)) {
            explain(&s, set, set->from + i);
            break;
        }
    sim_release(&s);
}

static void add_tally(struct tally *to, const struct tally *from)
{
    to->seeds += from->seeds;
    to->failures += from->failures;
    to->steps += from->steps;
    to->jobs += from->jobs;
    if (from->slowest_ms > to->slowest_ms)
        to->slowest_ms = from->slowest_ms;
    add_coverage(&to->coverage, &from->coverage);
}

static void run_in_processes(const struct settings *set, struct tally *total)
{
    int pipes[PROCESSES_MAX][2];
    pid_t pids[PROCESSES_MAX];
    for (int p = 0; p < set->processes; p++) {
        MUST(pipe(pipes[p]) == 0);
        fflush(stdout);
        pids[p] = fork();
        MUST(pids[p] >= 0);
        if (pids[p] == 0) {
            struct tally t = {0};
            run_share(set, p, &t);
            MUST(write(pipes[p][1], &t, sizeof t) == (ssize_t)sizeof t);
            exit(0);
        }
        close(pipes[p][1]);
    }
    for (int p = 0; p < set->processes; p++) {
        struct tally t = {0};
        int status;
        if (read(pipes[p][0], &t, sizeof t) != (ssize_t)sizeof t)
            t.failures = 1; /* it died */
        close(pipes[p][0]);
        MUST(waitpid(pids[p], &status, 0) == pids[p]);
        t.failures += status != 0;
        add_tally(total, &t);
    }
}

static int64_t print_coverage(const struct coverage *c)
{
    int64_t counts[COVERAGE_COUNT], blind = 0;
    memcpy(counts, c, sizeof counts);
    for (size_t i = 0; i < COVERAGE_COUNT; i++) {
        printf("%12lld  %s%s\n", (long long)counts[i], coverage_texts[i], counts[i] ? "" : "   NEVER");
        blind += counts[i] == 0;
    }
    return blind;
}

static int run_seeds(const struct settings *set)
{
    struct tally t = {0};
    int64_t from_ms = clock_boot_ms();
    if (set->processes == 1)
        run_share(set, 0, &t);
    else
        run_in_processes(set, &t);
    double seconds = (double)(clock_boot_ms() - from_ms + 1) / 1000;
    int64_t blind = set->seeds > 1 ? print_coverage(&t.coverage) : 0;
    printf("%lld seed%s, %lld failed; %.0f s, %.0f seeds/s; %lld jobs, %.1f million steps; all done %.1f s "
           "after the last "
           "fault at most\n",
        (long long)t.seeds, t.seeds == 1 ? "" : "s", (long long)t.failures, seconds,
        (double)t.seeds / seconds, (long long)t.jobs, (double)t.steps / 1e6, (double)t.slowest_ms / 1000);
    if (set->coverage && blind)
        printf("%lld things never happened: the simulator is blind to them\n", (long long)blind);
    return t.failures || (set->coverage && blind);
}

/* ---- the table of bugs ---- */

static int run_bugs(const struct settings *set)
{
    struct sim s = {0};
    int missed = 0;
    for (int b = BUG_NONE + 1; b < BUGS; b++) {
        uint64_t seed = set->from, last = set->from + BUG_SEEDS;
        int64_t from_ms = clock_boot_ms();
        rules_bug = (enum bug)b;
        while (seed < last && run_once(&s, &set->sim, seed))
            seed++;
        missed += seed == last;
        printf("%-22s %s %4llu  %5.1f s  %s\n", bug_names[b],
            seed == last ? "NOT CAUGHT within" : "caught by seed",
            (unsigned long long)(seed == last ? BUG_SEEDS : seed), (double)(clock_boot_ms() - from_ms) / 1000,
            seed == last ? "" : s.complaint);
        fflush(stdout);
    }
    sim_release(&s);
    return missed != 0;
}

/* ---- the command line ---- */

static const char usage[] =
    "usage: sim [--seed N | --seeds N [--from N] [--processes N] [--coverage]] [--bug NAME|all]\n"
    "           [--jobs N] [--instances N] [--history]\n"
    "  --seed N       one seed; with --history all of it is printed, also when nothing fails\n"
    "  --seeds N      so many seeds, the first is --from (default 1); without --seed and --seeds: 1000\n"
    "  --processes N  at once (./run sim: as many as there are cores)\n"
    "  --coverage     fail when something interesting never happened\n"
    "  --bug NAME     a deliberate mistake is on; all: each in turn, and each must be caught within 500 "
    "seeds\n"
    "  --jobs N, --instances N  instead of what the seed draws\n"
    "More: tests/sim/README.md. Bugs:";

static void print_usage(FILE *to)
{
    fputs(usage, to);
    for (int b = BUG_NONE + 1; b < BUGS; b++)
        fprintf(to, "%s %s", b % 5 == 1 ? "\n " : "", bug_names[b]);
    fputs("\n", to);
}

static int refuse(const char *what)
{
    fprintf(stderr, "%s: not understood\n", what);
    print_usage(stderr);
    return 2;
}

static bool set_bug(struct settings *set, const char *name)
{
    set->all_bugs = strcmp(name, "all") == 0;
    for (int b = 0; b < BUGS; b++)
        if (strcmp(name, bug_names[b]) == 0) {
            rules_bug = (enum bug)b;
            return true;
        }
    return set->all_bugs;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seed", required_argument, NULL, 's'},
        {"seeds", required_argument, NULL, 'n'}, {"from", required_argument, NULL, 'f'},
        {"processes", required_argument, NULL, 'p'}, {"bug", required_argument, NULL, 'b'},
        {"jobs", required_argument, NULL, 'j'}, {"instances", required_argument, NULL, 'i'},
        {"coverage", no_argument, NULL, 'c'}, {"history", no_argument, NULL, 'h'},
        {"help", no_argument, NULL, HELP}, {NULL, 0, NULL, 0}};
    struct settings set = {.from = 1, .seeds = 1000, .processes = 1};
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        int64_t n = 0;
        if (c != HELP && strchr("snfpji", c) && (!bytes_parse_int64(bytes_of(optarg), &n) || n < 0))
            return refuse(optarg);
        switch (c) {
        case 's':
            set.from = (uint64_t)n;
            set.seeds = 1;
            break;
        case 'n':
            set.seeds = (uint64_t)n;
            break;
        case 'f':
            set.from = (uint64_t)n;
            break;
        case 'p':
            set.processes = n < 1 ? 1 : n > PROCESSES_MAX ? PROCESSES_MAX : (int)n;
            break;
        case 'j':
            set.sim.jobs = n;
            break;
        case 'i':
            set.sim.instances = n > HOSTS_MAX ? HOSTS_MAX : n;
            break;
        case 'c':
            set.coverage = true;
            break;
        case 'h':
            set.history = true;
            break;
        case 'b':
            if (!set_bug(&set, optarg))
                return refuse(optarg);
            break;
        case HELP:
            print_usage(stdout);
            return 0;
        default:
            return refuse("an option");
        }
    }
    if (optind < argc)
        return refuse(argv[optind]);
    if ((uint64_t)set.processes > set.seeds)
        set.processes = set.seeds ? (int)set.seeds : 1;
    struct sigaction action = {.sa_handler = on_abort};
    sigaction(SIGABRT, &action, NULL);
    if (set.all_bugs)
        return run_bugs(&set);
    if (set.history && set.seeds == 1) {
        struct sim s = {0};
        set.sim.history = true;
        bool ok = run_once(&s, &set.sim, set.from);
        printf("%.*s%s\n", (int)s.history.len, s.history.data, ok ? "nothing fails" : s.complaint);
        sim_release(&s);
        return !ok;
    }
    return run_seeds(&set);
}
