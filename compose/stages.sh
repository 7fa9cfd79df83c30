# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The five programs: started from build/<preset>/bin with their settings in the environment, stopped by SIGTERM.
# One that dies stays dead, and status says so: nothing is restarted behind anybody's back.

STAGES=(ingest converter planner executor collector)
BIN_DIR=$ROOT/build/$PRESET/bin

stage_port() {
    local i
    for i in "${!STAGES[@]}"; do
        [ "${STAGES[$i]}" != "$1" ] || echo $((HTTP_PORT + i))
    done
}

# What every program of ours, and every client in the tests, needs to find the others.
stage_environment() {
    export MILLRACE_KAFKA_BROKERS=127.0.0.1:$KAFKA_PORT
    export MILLRACE_MONGO_URI=mongodb://127.0.0.1:$MONGO_PORT/millrace
    export MILLRACE_URL=http://127.0.0.1:$HTTP_PORT
    export MILLRACE_BUILD_DIR=$ROOT/build/$PRESET
    export MILLRACE_ENGINES_DIR="${MILLRACE_ENGINES_DIR:-$ROOT/build/$PRESET/engines}"
    export MILLRACE_RESULTS_DIR=$VAR/results
    export MILLRACE_STATE_DIR=$VAR/state
    export MILLRACE_PYTHON=$VENV_DIR/bin/python
    # A process that is killed -9 would leave the MongoDB driver's counters in /dev/shm for ever.
    export MONGOC_DISABLE_SHM=1
    # So that ./run, called by a test, starts the same build.
    export MILLRACE_PRESET=$PRESET
}

stage_start() {
    ! alive "$1" || return 0
    [ -x "$BIN_DIR/millrace-$1" ] || die "not built: $BIN_DIR/millrace-$1 (./run build)"
    port_free "$1" "$(stage_port "$1")"
    mkdir -p "$VAR/results" "$VAR/state"
    MILLRACE_HTTP_PORT=$(stage_port "$1") launch "$1" "$BIN_DIR/millrace-$1"
}

stage_ready() { curl -fs --max-time 5 -o "$RUN_DIR/probe" "http://127.0.0.1:$(stage_port "$1")/readyz"; }
stage_wait() { wait_ready "$1" 60 stage_ready "$1"; }

# A program that was built anew while it runs goes on as it is; say so instead of restarting it.
stage_outdated() { case $(readlink "/proc/$(pid_of "$1")/exe" 2>/dev/null) in *" (deleted)") true ;; *) false ;; esac; }

stages_up() {
    local name began=$SECONDS
    stage_environment
    step "create topics" "$BIN_DIR/millrace" topics create
    for name in "${STAGES[@]}"; do
        stage_start "$name"
        ! stage_outdated "$name" || warn "$name runs an older build: ./run down, then ./run up, to renew it"
    done
    for name in "${STAGES[@]}"; do
        stage_wait "$name"
    done
    say " ok stages: ${STAGES[*]} ($((SECONDS - began)) s)"
}

# All are asked at once, then awaited: an executor may drain its jobs for a while.
stages_down() {
    local name
    for name in "${STAGES[@]}"; do
        signal_process "$name" TERM
    done
    for name in "${STAGES[@]}"; do
        stop_process "$name" TERM 60
    done
}

stage_command() {
    stage_environment
    case " ${STAGES[*]} " in
    *" ${2:-} "*) ;;
    *) die "usage: ./run stage start|stop|kill NAME, where NAME is one of: ${STAGES[*]}" ;;
    esac
    case $1 in
    start) stage_start "$2"; stage_wait "$2" ;;
    stop) stop_process "$2" TERM 60 ;;
    kill) kill_process "$2" ;;
    *) die "usage: ./run stage start|stop|kill NAME" ;;
    esac
}

# Before any work: somebody else's program on one of our ports is a reason not to begin.
ports_free() {
    local name
    for name in $(server_names); do
        server_alive "$name" || port_free "$name" "$(server_port "$name")"
    done
    for name in "${STAGES[@]}"; do
        alive "$name" || port_free "$name" "$(stage_port "$name")"
    done
}

# Ends with failure unless everything is ready.
status() {
    local name all=0
    printf '%-10s %8s %6s  %s\n' NAME PID PORT READY
    for name in $(server_names); do
        status_line "$name" "$(server_port "$name")" server_alive server_ready || all=1
    done
    for name in "${STAGES[@]}"; do
        status_line "$name" "$(stage_port "$name")" alive stage_ready || all=1
    done
    return $all
}

# A stage tells by itself why it is not ready.
why_not_ready() {
    local why=""
    case " ${STAGES[*]} " in
    *" $1 "*) why=$(curl -s --max-time 5 "http://127.0.0.1:$(stage_port "$1")/readyz" | jq -r '.detail // empty' 2>/dev/null) || true ;;
    esac
    printf 'no%s' "${why:+: $why}"
}

status_line() {
    local pid=- ready=no
    if "$3" "$1"; then
        pid=$(pid_of "$1") || pid=container
        if "$4" "$1" >/dev/null 2>&1; then ready=yes; else ready=$(why_not_ready "$1"); fi
    elif pid_of "$1" >/dev/null 2>&1; then
        ready="no: it has ended (./run logs $1; ./run up starts it)"
    fi
    printf '%-10s %8s %6s  %s\n' "$1" "$pid" "$2" "$ready"
    [ "$ready" = yes ]
}
