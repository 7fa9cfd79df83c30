/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim: the executor's rules (executor/rules.h) under virtual time, with a model of everything around them and with faults, all drawn
 * from one seed. The words:
 *
 *   host       a machine: its clocks, and one life after another
 *   life       one process of an executor, from its enlisting to its end; owns a `struct rules`
 *   statement  an ask on its way to the ledger, there, and back
 *   child      what runs for an attempt of a job; lives longer than its life, until the guard kills it
 *   happening  something that is due at a time; the queue of them is the whole schedule
 *   truth      what the checker knows and no program could know
 *
 *   queue.c     the happenings               plan.c     what a seed draws: jobs, groups, limits, the weather (rates of faults)
 *   world.c     what the rules call          life.c     hosts and lives: begin, freeze, die, drain
 *   asks.c      statements and their faults  reads.c, writes.c   what the statements do to the documents
 *   kafka.c     planned records, the group   children.c attempts that run
 *   events.c    jobs.events                  users.c    submit, cancel, hold, release, limits
 *   faults.c    when what breaks             checker.c  the promises
 *   history.c   what is printed of a failure seed.c     one seed, from the plan to the last check
 */
#ifndef MILLRACE_SIM_H
#define MILLRACE_SIM_H

#include <sys/queue.h>

#include "executor/bugs.h"
#include "executor/rules.h"
#include "tests/sim/coverage.h"
#include "tests/sim/random.h"

enum {
    HOSTS_MAX = 4,
    GROUPS_MAX = 8,
    PARTITIONS_MAX = 4,
    NODES_MAX = 4,
    LIMITS_SETS = 4,
    SELECTORS_MAX = 12
};
#define NEVER INT64_MAX

struct sim;
struct life;
struct child;
struct statement;

/* ---- time ---- */

enum happening_kind {
    /* of a life: none once it is dead, all at once after it was frozen */
    HAPPEN_TURN,
    HAPPEN_ENLISTED,
    HAPPEN_ANSWER,
    HAPPEN_REPEAT,
    HAPPEN_REVOKED,
    HAPPEN_ASSIGNED,
    HAPPEN_FETCHED,
    HAPPEN_POLL,
    HAPPEN_REPORT,
    HAPPEN_OVER,
    HAPPEN_NODE,
    HAPPEN_BELL,
    HAPPEN_LIMITS,
    HAPPEN_TERM,
    HAPPENINGS_OF_LIVES,
    /* of the world */
    HAPPEN_APPLY = HAPPENINGS_OF_LIVES,
    HAPPEN_RECORD,
    HAPPEN_COMMIT,
    HAPPEN_SESSION,
    HAPPEN_REBALANCE,
    HAPPEN_CHILD,
    HAPPEN_CHILD_DIES,
    HAPPEN_GUARD,
    HAPPEN_EVENT,
    HAPPEN_BEGIN,
    HAPPEN_THAW,
    HAPPEN_SUBMIT,
    HAPPEN_ORDER,
    HAPPEN_FAULT,
    HAPPEN_CALM,
    HAPPEN_RELEASE_ALL,
    HAPPENINGS
};

struct happening {
    int64_t at; /* ms of virtual time */
    uint64_t order;
    enum happening_kind kind;
    struct life *life; /* NULL: of the world */
    void *what;
    int64_t number;
};

struct queue {
    struct happening *heap;
    size_t count, cap;
    uint64_t pushed;
};
void queue_clear(struct queue *q);
void queue_release(struct queue *q);
void queue_push(struct queue *q, const struct happening *h);
bool queue_pop(struct queue *q, struct happening *out);

/* ---- what a seed draws ---- */

enum fault_kind {
    FAULT_CRASH,     /* kill -9 of an executor; its host lives */
    FAULT_POWER,     /* the host dies with all that runs on it */
    FAULT_FREEZE,    /* stopped, its guard goes on */
    FAULT_CUT,       /* cut off from the ledger */
    FAULT_REBALANCE, /* partitions move, with notice */
    FAULT_LOSE,      /* partitions move, the loser hears of it late */
    FAULT_STEP,      /* a UTC clock steps */
    FAULT_DRAIN,     /* rolling restart */
    FAULT_LIMITS,    /* another set of limits */
    FAULT_OUTAGE,    /* the ledger answers nobody */
    FAULT_TRIP,      /* the worst for a lease: frozen while a renewal and a start are on their way */
    FAULTS
};
extern const char *const fault_names[FAULTS];

/* Rates in per mille where nothing else is said. */
struct weather {
    int64_t slow, refused, answer_lost, repeated_late, in_pieces;
    int64_t bell_lost, event_fails, unreadable, no_room, produced_twice, commit_lost, commit_unfenced,
        due_lost;
    int64_t never_ran, lose_at_record, late_news;
    int64_t every_ms[FAULTS]; /* 0: never */
};

struct sim_group {
    int number;
    struct bytes name;
    int32_t partition;
    /* truth */
    int64_t max_running;   /* the greatest of all sets of limits */
    bool strict;           /* it is 1 in all of them */
    bool holds_on_failure; /* in all sets */
    int64_t held_acked;    /* the hold that stands was acknowledged then, or NEVER */
    int64_t released;      /* the latest release was written then */
    int64_t live;          /* children */
    struct sim_job **jobs;
    size_t count;
    /* ledger: the hold */
    bool held;
};

/* One document of `runs`. */
struct document {
    bool exists, has_payload;
    enum run_state state;
    int32_t partition;
    int64_t seq, attempt, tries, lost;
    struct bytes group, instance;
    char out[UUID_TEXT_LEN + 1];
    const char *reason;
    int64_t queued_at, started_at, wake_at, retry_at;
    struct bytes nodes[NODES_MAX]; /* events of those that finished */
};

/* The event as the simulator writes it: plain bytes. */
struct sim_event {
    int32_t job, phase;
    int64_t attempt, at, retry_at;
    char code[24];
};

/* An end as the ledger applied it. */
struct close_done {
    int64_t attempt;
    enum run_state from, to;
    char out[UUID_TEXT_LEN + 1];
};

/* What comes at the worst moment: in the middle of its first start, or while it runs. */
enum ambush { AMBUSH_NONE, AMBUSH_CANCEL, AMBUSH_HOLD, AMBUSH_RUNNING };

struct sim_job {
    int number;
    bool guarded; /* of the report below: the guard killed it */
    struct uuid id;
    char text[UUID_TEXT_LEN + 1];
    struct sim_group *group;
    struct bytes engine, payload;
    int64_t not_before; /* true UTC, or NO_TIME */
    int64_t queue_timeout_ms, submitted_at;
    bool refused;
    int64_t max_attempts, backoff_ms, max_backoff_ms;
    bool on_lost_fails;
    int nodes;
    int64_t longest_ms; /* of one attempt */
    int64_t fails;      /* per mille of its attempts */
    bool impostor;      /* another group's record with this id follows */
    enum ambush ambush;

    struct document run;
    bool cancel;
    struct bytes cancel_by;

    /* truth */
    int64_t record;     /* the first offset of its record, or -1 */
    int64_t due_record; /* the same of the one that says it is due */
    int64_t retry_at;   /* as the latest end told, or NO_TIME */
    struct child *live;
    int64_t acked_queued; /* a cancel was answered `queued` then, or NEVER */
    int64_t begun_at;     /* when the start of the latest attempt was written */
    int64_t launches;
    uint64_t launched[4];       /* attempts */
    unsigned nodes_acked;       /* bits */
    struct rules_report report; /* of the latest attempt that was told to be over */
    int64_t reported;           /* that attempt */
    int64_t shown_running;      /* `jobs` says running from then on, or NEVER */
    struct close_done *closes;
    size_t close_count, close_cap;
    size_t finals; /* final events that were delivered */
    struct sim_event final;
};

/* ---- kafka ---- */

struct planned {
    int32_t job;
    bool due, impostor;
    int64_t at; /* true UTC */
};
struct partition {
    int32_t number;
    struct planned *records;
    size_t count, cap;
    int64_t committed;
    struct life *owner, *target;
    bool revoking;
};

/* ---- hosts, lives ---- */

struct host {
    int number;
    int64_t boot_base, utc_offset;
    int64_t rate; /* of its boot clock, per mille */
    struct life *life;
    int lives;
};

enum life_state { LIFE_BEGINS, LIFE_WORKS, LIFE_ENDED };

struct share { /* of a partition */
    bool told, fetched;
    int64_t assignment, position;
};

struct life {
    TAILQ_ENTRY(life) all;
    struct sim *sim;
    struct host *host;
    char name[24];
    struct rules *rules;
    enum life_state state;
    bool over; /* ledger: `over` */
    bool enlisted;
    int64_t counter; /* ledger */
    bool frozen, dying, draining, joined, poll_is_due, trips;
    const char *why;
    struct happening *missed; /* while frozen */
    size_t missed_count, missed_cap;
    size_t backlog; /* messages that come before the next turn */
    int64_t cut_until, frozen_until;
    int64_t turn_at, turn_number, stuck_since, turns_since;
    int64_t next_assignment, group_news_at;
    int64_t lease_until; /* boot ms */
    struct share shares[PARTITIONS_MAX];
    TAILQ_HEAD(, child) children;
    TAILQ_HEAD(, statement) statements;
    int64_t live, tasks; /* children; launched and not gone */
    int64_t live_of_engine[2];
    bool drain_asked; /* ledger: a drain document */
};
TAILQ_HEAD(life_list, life);

struct statement {
    TAILQ_ENTRY(statement) out;
    struct life *life;   /* NULL: its writer is gone, or this is a late repeat */
    const struct ask *q; /* the question */
    struct ask *a;       /* where the answer goes, or NULL */
    struct life *writer;
    struct ask own;
    bool sent_late, applied, dropped, answered, repeated;
    int64_t answer_at; /* it is there */
    size_t next;       /* item of a bulk */
    int64_t modified;
    bool yes, *duplicates;
    enum ask_renewal renewal;
    int step; /* of reads in two steps */
};

struct child {
    TAILQ_ENTRY(child) all;
    struct sim_job *job;
    int64_t attempt;
    struct life *life;
    struct task *task;
    bool alive, told, gone, waits, doomed, signalled;
    bool guarded;  /* the guard killed it: the lease was over */
    unsigned done; /* nodes that finished */
    int64_t version;
    struct rules_report report;
};

struct outcome {
    char id[UUID_TEXT_LEN + 1];
    bool unsent;
    int64_t at;
    struct life *writer;
    struct outcome_line *lines;
    size_t count;
};

struct shared_gate {
    struct bytes selector;
    int64_t max; /* the greatest of all sets, NO_INT: none in some set */
    struct holders holders;
    int64_t live;
};

/* ---- the whole ---- */

struct sim_options {
    int64_t jobs, instances; /* 0: as the seed draws */
    bool history;
};

struct sim {
    const struct sim_options *options;
    uint64_t seed;
    struct random random;
    struct arena memory; /* of the seed */
    struct queue queue;
    int64_t now;
    int64_t calm_at;
    bool calm, ending;
    bool always_calm; /* no faults at all: what must happen at once can be checked */
    uint64_t digest;  /* of everything that happened: a replay has the same */
    int64_t steps;

    struct weather weather;
    struct rules_options rules;
    int64_t session_ms, grace_ms, kill_ms;
    int64_t skew_ms; /* no clock was ever further off */
    int64_t engine_slots[2];
    struct host hosts[HOSTS_MAX];
    int host_count;
    struct life_list lives;
    struct life *by_kafka[HOSTS_MAX]; /* members */
    struct partition partitions[PARTITIONS_MAX];
    int32_t partition_count;
    struct sim_group groups[GROUPS_MAX];
    int group_count;
    struct sim_job *jobs;
    int job_count;
    struct limits *limits[LIMITS_SETS];
    int limits_count, limits_now;
    struct shared_gate gates[SELECTORS_MAX];
    int gate_count;
    struct outcome **outcomes;
    size_t outcome_count, outcome_cap, first_unsent;
    int64_t outage_until;
    int64_t late; /* late writes on their way */
    int64_t due_pending;

    int finals; /* jobs whose final event was delivered */
    int64_t slowest_ms;

    /* failure */
    bool failed;
    char complaint[512];
    struct sim_job *concerned;
    struct sim_group *concerned_group;
    struct buf history; /* lines */
    struct coverage coverage;
};

/* ---- seed.c ---- */
void sim_init(struct sim *s, const struct sim_options *o, uint64_t seed);
void sim_release(struct sim *s);
/* False: a promise was broken; complaint tells it. */
bool sim_run(struct sim *s);
void sim_push(
    struct sim *s, int64_t at, enum happening_kind kind, struct life *l, void *what, int64_t number);
static inline int64_t sim_in(struct sim *s, int64_t from, int64_t to)
{
    return random_in(&s->random, from, to);
}
/* A fault by its rate; none once it is calm. */
static inline bool sim_hits(struct sim *s, int64_t per_mille)
{
    return !s->calm && random_hits(&s->random, per_mille);
}
void sim_happens(struct sim *s, const struct happening *h);

/* ---- plan.c ---- */
void plan_draw(struct sim *s);
struct sim_job *plan_job(struct sim *s, const struct uuid *id);
struct sim_group *plan_group(struct sim *s, struct bytes name);
struct shared_gate *plan_gate(struct sim *s, struct bytes selector);
bool gate_covers(const struct shared_gate *g, const struct sim_group *group);

/* ---- world.c, life.c ---- */
extern const struct rules_world sim_world;
extern int64_t sim_kept; /* payloads that are kept */
/* True UTC ms: no clock shows it exactly. */
int64_t sim_utc(const struct sim *s);
struct moment life_now(const struct life *l);
int64_t life_when(const struct life *l, int64_t boot_ms); /* virtual time of a boot time, rounded up */
void life_begin(struct sim *s, const struct happening *h);
void life_enlisted(struct sim *s, const struct happening *h);
void life_turn(struct sim *s, const struct happening *h);
void life_after(struct life *l); /* a message was handed in */
void life_freeze(struct life *l, int64_t for_ms);
void life_trip(struct life *l, const struct ask *a); /* it is asked */
void life_thaw(struct sim *s, const struct happening *h);
void life_die(struct life *l, const char *why, bool with_host);
void life_term(struct sim *s, const struct happening *h);
void life_limits(struct sim *s, const struct happening *h);
void life_defer(struct life *l, const struct happening *h);

/* ---- asks.c, reads.c, writes.c ---- */
void asks_give(struct life *l, struct ask *a);
void asks_apply(struct sim *s, const struct happening *h);
void asks_answer(struct sim *s, const struct happening *h);
void asks_repeat(struct sim *s, const struct happening *h);
void asks_orphan(struct life *l); /* it dies: what becomes of its statements */
/* True: it is done; otherwise the rest comes later. */
bool writes_apply(struct sim *s, struct statement *st);
bool reads_apply(struct sim *s, struct statement *st);
bool ask_writes(enum ask_kind kind);

/* ---- kafka.c ---- */
void kafka_record(struct sim *s, const struct happening *h);
void kafka_produce(struct sim *s, int64_t delay, const struct sim_job *j, bool due, bool impostor);
void kafka_join(struct life *l);
void kafka_leave(struct life *l);
void kafka_wake(struct life *l); /* asks for a poll if there is something to read */
void kafka_poll(struct sim *s, const struct happening *h);
void kafka_taken(struct life *l, struct rules_batch *b, bool ok);
void kafka_commit(struct sim *s, const struct happening *h);
void kafka_session(struct sim *s, const struct happening *h);
void kafka_rebalance(struct sim *s, const struct happening *h);
void kafka_lose(struct sim *s, struct partition *p);
void kafka_revoked(struct sim *s, const struct happening *h);
void kafka_assigned(struct sim *s, const struct happening *h);
void kafka_fetched(struct sim *s, const struct happening *h);

/* ---- events.c ---- */
bool events_make(struct life *l, const struct telling *t, struct arena *a, struct bytes *out);
struct bytes events_refused(struct sim *s, const struct sim_job *j);
void events_send(struct life *l, struct bytes event, struct publication *p);
void events_arrive(struct sim *s, const struct happening *h);
void events_report(struct sim *s, const struct happening *h);

/* ---- children.c ---- */
void children_launch(struct life *l, struct task *t, const struct launch *launch);
void children_stop(struct life *l, struct task *t);
void children_kill(struct life *l, int64_t within_ms);
void children_step(struct sim *s, const struct happening *h);
void children_die(struct sim *s, const struct happening *h);
void children_over(struct sim *s, const struct happening *h);
void children_node(struct sim *s, const struct happening *h);
void children_node_kept(struct life *l, struct task *t, bool still_ours);
void children_gone(struct life *l, struct task *t, bool closed);
void children_guard(struct sim *s, const struct happening *h);
void child_dead(struct sim *s, struct child *c);

/* ---- users.c ---- */
void users_plan(struct sim *s);
void users_submit(struct sim *s, const struct happening *h);
void users_order(struct sim *s, const struct happening *h);
void users_release_all(struct sim *s, const struct happening *h);
void users_bell(struct sim *s, const struct happening *h);
void users_ambush(struct sim *s, struct sim_job *j);

/* ---- faults.c ---- */
void faults_plan(struct sim *s);
void faults_strike(struct sim *s, const struct happening *h);
void faults_calm(struct sim *s, const struct happening *h);

/* ---- checker.c ---- */
/* A promise is broken. The first one counts. */
void complain(struct sim *s, struct sim_job *j, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void check_begun(struct sim *s, struct sim_job *j, struct life *writer); /* running was written */
void check_launch(struct life *l, struct child *c, const struct launch *launch);
void check_closed(
    struct sim *s, struct sim_job *j, const struct life *writer, const struct run_close *c, const char *out);
void check_event(struct sim *s, const struct sim_event *e);
bool check_everything_is_done(struct sim *s, char *missing, size_t size);

/* ---- history.c ---- */
void note(struct sim *s, const char *who, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define NOTE(s, ...) ((s)->options->history ? note((s), __VA_ARGS__) : (void)0)
void history_print(const struct sim *s);

#endif
