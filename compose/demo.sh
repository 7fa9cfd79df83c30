# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# ./run demo: four jobs go through the real thing: three by REST, one straight into Kafka; two succeed, one fails, one is
# refused. Their states are shown as they change, then what came of them and where to look next.

DEMO_IDS=()
DEMO_NAMES=()
DEMO_LIMIT_S=60

demo() {
    local once=no
    case ${1:-} in
    "") ;;
    --once) once=yes ;;
    *) die "usage: ./run demo [--once]" ;;
    esac
    # What was up before stays up.
    demo_running || at_exit demo_end
    up
    demo_submit
    demo_watch
    demo_show
    demo_where_next
    if [ $once = yes ] && [ -n "$AT_EXIT" ]; then
        say ""
        say "Everything stops now; ./run up starts it again, with what these jobs left."
    fi
    if [ $once = no ] && [ -n "$AT_EXIT" ]; then
        say ""
        say "Everything stays up until you press Ctrl-C."
        # Not one long sleep: bash runs its traps only between commands.
        while sleep 1; do :; done
    fi
}

demo_running() {
    local name
    for name in "${STAGES[@]}"; do
        alive "$name" || return 1
    done
}

demo_end() {
    say "stopping"
    down
}

# --- submit --------------------------------------------------------------------------------------------------------

# demo_post NAME USER ENGINE CODE: by REST.
demo_post() {
    local answer id
    answer=$(jq -nc --arg name "$1" --arg user "$2" --arg engine "$3" --arg code "$4" \
        '{creator: "demo", user: $user, name: $name, engine: $engine, code: $code}' |
        curl -sS --max-time 30 -H 'content-type: application/json' --data-binary @- "$MILLRACE_URL/v1/jobs")
    id=$(jq -er .job_id <<<"$answer") || die "$1 was not accepted: $answer"
    demo_remember "$1" "$id"
    say "POST /v1/jobs     -> $id  $1 (demo/$2, $3)"
}

# demo_produce NAME USER ENGINE CODE: by a plain Kafka producer, JSON in a record.
demo_produce() {
    local id
    id=$(cat /proc/sys/kernel/random/uuid)
    jq -nc --arg id "$id" --arg name "$1" --arg user "$2" --arg engine "$3" --arg code "$4" \
        '{job_id: $id, creator: "demo", user: $user, name: $name, engine: $engine, code: $code}' |
        kcat -P -b "$MILLRACE_KAFKA_BROKERS" -t "${MILLRACE_TOPIC_PREFIX:-}jobs.submitted" -k "demo/$2" \
            -H content-type=application/json -X partitioner=murmur2_random ||
        die "$1 could not be produced to jobs.submitted: see ./run logs kafka"
    demo_remember "$1" "$id"
    say "kcat -P           -> $id  $1 (demo/$2, $3)"
}

demo_remember() {
    DEMO_NAMES+=("$1")
    DEMO_IDS+=("$2")
}

demo_submit() {
    stage_environment
    say ""
    say "Four jobs:"
    # shellcheck disable=SC2016
    demo_post shell-job ann shell 'for i in 1 2 3; do echo "step $i of 3"; sleep 0.5; done; echo "done by $(id -un)"'
    demo_post sql-job bob sqlite "with recursive n(i) as (select 1 union all select i + 1 from n where i < 5)
select i as number, i * i as square, printf('%0*d', i, 0) as zeros from n"
    demo_post failing-job ann shell 'echo "this one gives up" >&2; exit 3'
    demo_produce refused-job bob no-such-engine 'select 1'
}

# --- watch ---------------------------------------------------------------------------------------------------------

# The states as they change. ann's two jobs go one after the other, bob's do not wait for them.
demo_watch() {
    local limit=$((SECONDS + DEMO_LIMIT_S)) i document state last=() open=${#DEMO_IDS[@]}
    say ""
    say "They move:"
    while [ "$open" -gt 0 ]; do
        [ "$SECONDS" -lt "$limit" ] || die "not all jobs ended in $DEMO_LIMIT_S s: see ./run status and ./run logs"
        open=0
        for i in "${!DEMO_IDS[@]}"; do
            # The document of a job that came by Kafka is there only when the collector has seen it: 404 until then.
            document=$(curl -s --max-time 10 "$MILLRACE_URL/v1/jobs/${DEMO_IDS[$i]}" || true)
            state=$(jq -r '.state // ""' <<<"$document" 2>/dev/null || true)
            if [ -n "$state" ] && [ "$state" != "${last[$i]:-}" ]; then
                last[i]=$state
                printf '  %s  %-12s %s\n' "$(date +%H:%M:%S.%3N)" "${DEMO_NAMES[$i]}" "$state"
            fi
            [ "$(jq -r '.final // false' <<<"$document" 2>/dev/null)" = true ] || open=$((open + 1))
        done
        sleep 0.05
    done
}

# --- show ----------------------------------------------------------------------------------------------------------

demo_show() {
    local i id
    for i in "${!DEMO_IDS[@]}"; do
        id=${DEMO_IDS[$i]}
        say ""
        say "=== ${DEMO_NAMES[$i]}"
        demo_cli get "$id"
        demo_cli log "$id"
        demo_cli results "$id"
    done
}

# A client that fails here is a fault of the demo's subject: shown, and counted in the exit code by set -e.
demo_cli() {
    say "\$ millrace $*"
    "$BIN_DIR/millrace" "$@"
}

demo_where_next() {
    say ""
    say "Where to look next:"
    say "  curl $MILLRACE_URL/v1/jobs                          all jobs"
    say "  curl $MILLRACE_URL/v1/jobs/${DEMO_IDS[0]}/log"
    say "  export MILLRACE_URL=$MILLRACE_URL; build/$PRESET/bin/millrace submit --help"
    say "  kcat -C -b $MILLRACE_KAFKA_BROKERS -t jobs.events -o beginning -e    every event (Avro)"
    say "  $MILLRACE_MONGO_URI    the documents: jobs, job_logs, job_events"
    say "  $VAR/results    result files    $VAR/log    logs    ./run status    ./run logs"
}
