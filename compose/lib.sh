# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What every part of ./run uses: messages, timed steps, ports, and processes that are known by a pid file.
# A process is known by two files in var/run: NAME.pid (its pid, nothing else) and NAME.started (its start time in
# clock ticks, as the kernel counts it). Both must fit, so that a pid that was given away again after a crash or a
# reboot is never signalled.

say() { printf '%s\n' "$*"; }
warn() { printf 'run: %s\n' "$*" >&2; }
die() { warn "$*"; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# The user may not be root: then sudo must be there before the first step needs it.
need_root() {
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null || die "needs root or sudo: install sudo, or run as root"
}

# --- steps ---------------------------------------------------------------------------------------------------------

# step "what" command...: one line when it begins, one with the time when it is done; its output goes to a log,
# and the end of that log is shown when it fails.
step() {
    local what=$1 began=$SECONDS log rc
    shift
    log=$LOG_DIR/$(slug "$what").log
    mkdir -p "$LOG_DIR"
    say "... $what"
    # Not "if command": bash switches "set -e" off in everything that runs inside a condition.
    set +e
    (set -e; "$@") >"$log" 2>&1 </dev/null
    rc=$?
    set -e
    [ "$rc" = 0 ] || step_failed "$what" "$log"
    say " ok $what ($((SECONDS - began)) s)"
}

step_failed() {
    tail -n 30 "$2" >&2
    die "failed: $1 (whole output: $2)"
}

slug() { printf '%s' "$1" | tr -cs 'A-Za-z0-9.\n' '-' | tr '[:upper:]' '[:lower:]'; }

# spawn "what" words...: the same in the background, as "./run words..." in a process group of its own, so that an
# interrupted run takes it along (see stop_spawned).
SPAWNED=()
spawn() {
    local what=$1
    shift
    mkdir -p "$LOG_DIR"
    say "... $what (in the background)"
    setsid "$ROOT/run" "$@" >"$LOG_DIR/$(slug "$what").log" 2>&1 </dev/null &
    SPAWNED+=("$!|$SECONDS|$what")
}

wait_spawned() {
    local entry pid began what
    for entry in ${SPAWNED[@]+"${SPAWNED[@]}"}; do
        IFS='|' read -r pid began what <<<"$entry"
        if wait "$pid"; then
            say " ok $what ($((SECONDS - began)) s)"
        else
            step_failed "$what" "$LOG_DIR/$(slug "$what").log"
        fi
    done
    SPAWNED=()
}

stop_spawned() {
    local entry pid
    for entry in ${SPAWNED[@]+"${SPAWNED[@]}"}; do
        pid=${entry%%|*}
        if kill -0 "$pid" 2>/dev/null; then
            as_root kill -TERM -- "-$pid" 2>/dev/null || true
        fi
    done
    SPAWNED=()
}

# What has to end with this run, however it ends; a command adds its own part by at_exit FUNCTION.
AT_EXIT=
at_exit() { AT_EXIT=$1; }
cleanup() {
    # A second Ctrl-C must not leave half of it running.
    trap '' INT TERM
    stop_spawned
    [ -z "$AT_EXIT" ] || "$AT_EXIT"
}

# until_true SECONDS "what" command...: repeats a real probe until it holds or the limit is over.
until_true() {
    local limit=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$limit" ] || { warn "gave up waiting for: $what"; return 1; }
        sleep 0.1
    done
}

# --- ports ---------------------------------------------------------------------------------------------------------

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

port_closed() { ! port_open "$1"; }

# port_free NAME PORT: dies with one line when somebody else listens there.
port_free() {
    port_open "$2" || return 0
    local owner=""
    if command -v ss >/dev/null; then
        owner=$(ss -Hltnp "sport = :$2" 2>/dev/null | sed -n 's/.*users:((\("[^"]*",pid=[0-9]*\).*/ by \1/p' | head -n 1)
    fi
    die "port $2 ($1) is taken$owner: stop that program, or set MILLRACE_PORT_OFFSET (e.g. 100) to move all our ports"
}

# --- processes -----------------------------------------------------------------------------------------------------

pid_of() {
    local pid
    pid=$(cat "$RUN_DIR/$1.pid" 2>/dev/null) || return 1
    [ -n "$pid" ] && printf '%s' "$pid"
}

# The start time is field 22 of /proc/PID/stat; the name in field 2 may hold blanks, so count from its closing bracket.
started_at() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    stat=${stat##*) }
    # A zombie is dead: it only waits for its parent.
    [ "${stat%% *}" != Z ] || return 1
    cut -d' ' -f20 <<<"$stat"
}

alive() {
    local pid now
    pid=$(pid_of "$1") || return 1
    now=$(started_at "$pid") || return 1
    [ "$now" = "$(cat "$RUN_DIR/$1.started" 2>/dev/null)" ]
}

# launch [-r] NAME command...: a daemon with its own session, its output in var/log/NAME.log, its pid in var/run;
# -r: as root. The command must not fork: the pid that is written down is that of the process itself (not sudo's).
launch() {
    local prefix=() name pid
    if [ "$1" = -r ]; then
        shift
        [ "$(id -u)" = 0 ] || prefix=(sudo)
    fi
    name=$1
    shift
    mkdir -p "$RUN_DIR" "$LOG_DIR"
    rm -f "$RUN_DIR/$name.pid" "$RUN_DIR/$name.started"
    # shellcheck disable=SC2016
    setsid ${prefix[@]+"${prefix[@]}"} bash -c 'pid=$1; shift
        printf "%s\n" "$$" >"$pid.new"; mv "$pid.new" "$pid"; exec "$@"' launch "$RUN_DIR/$name.pid" "$@" \
        >>"$LOG_DIR/$name.log" 2>&1 </dev/null &
    until_true 10 "$name to start" test -s "$RUN_DIR/$name.pid" || die "could not start $name (log: $LOG_DIR/$name.log)"
    pid=$(pid_of "$name")
    # Nothing to note when it has died already: then it counts as dead, and wait_ready shows its log.
    started_at "$pid" >"$RUN_DIR/$name.started" || true
}

# wait_ready NAME SECONDS probe...: fails at once when the process has died, with the end of its log.
wait_ready() {
    local name=$1 limit=$((SECONDS + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        if ! alive "$name" || [ "$SECONDS" -ge "$limit" ]; then
            tail -n 20 "$LOG_DIR/$name.log" >&2
            alive "$name" || die "$name has died (log: $LOG_DIR/$name.log)"
            die "$name is not ready in time (log: $LOG_DIR/$name.log)"
        fi
        sleep 0.1
    done
}

# signal_process NAME SIGNAL: the process may belong to another user (PostgreSQL's does).
signal_process() {
    local pid
    alive "$1" || return 0
    pid=$(pid_of "$1")
    kill "-$2" "$pid" 2>/dev/null || as_root kill "-$2" "$pid" 2>/dev/null || true
}

gone() { ! alive "$1"; }

# stop_process NAME SIGNAL SECONDS: asks, waits, and kills only what did not go by itself, and says so.
stop_process() {
    if alive "$1"; then
        signal_process "$1" "$2"
        if ! until_true "$3" "$1 to stop" gone "$1"; then
            warn "$1 did not stop in $3 s: killed"
            signal_process "$1" KILL
            until_true 10 "$1 to die" gone "$1" || die "could not stop $1"
        fi
    fi
    rm -f "$RUN_DIR/$1.pid" "$RUN_DIR/$1.started"
}

# kill_process NAME: SIGKILL, as a crash would; the files stay, as they would.
kill_process() {
    signal_process "$1" KILL
    until_true 10 "$1 to die" gone "$1"
}
