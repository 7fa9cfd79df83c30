# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# ./run test: lint, compile with both compilers, unit tests, short fuzz runs, and flow tests against real servers.
# Unit and flow tests run on the ASan+UBSan build. Everything that fails is counted; the last line sums it up.

# Every "timeout" in here is --foreground: in a process group of its own the test would miss Ctrl-C and CI's limit.
PASSED=0
FAILED=0
FUZZ_SECONDS=20
UNIT_LIMIT_S=600
FLOW_LIMIT_S=2400

# --- lint ----------------------------------------------------------------------------------------------------------

our_files() { git ls-files --cached --others --exclude-standard -- "$@" | while read -r f; do [ ! -e "$f" ] || echo "$f"; done; }

lint_shell() { shellcheck -x run .ci/run compose/*.sh; }
lint_format() { our_files '*.c' '*.h' | xargs clang-format-14 --dry-run -Werror; }
lint_tidy() { python3 compose/lint.py build/clang/compile_commands.json build/clang/tidy; }

# The longest by far: it runs on what the fuzz targets and the flow tests leave of the processors ("./run tidy").
tidy() {
    renice -n 19 -p $$ >/dev/null
    lint_tidy
}

lint() {
    step "lint: shell" lint_shell
    step "lint: format" lint_format
    # Also the second compiler's word: every warning is an error.
    step "compile with clang" configure_and_build clang
}

# --- unit and fuzz -------------------------------------------------------------------------------------------------

# count_junit "what" FILE RC: a run that failed without telling which test is one failure.
count_junit() {
    local passed=0 failed=0
    if [ -s "$2" ]; then
        read -r passed failed < <(python3 compose/count_tests.py "$2")
    fi
    [ "$3" = 0 ] || [ "$failed" -gt 0 ] || failed=1
    say " => $1: $passed passed, $failed failed"
    PASSED=$((PASSED + passed))
    FAILED=$((FAILED + failed))
}

sanitizers() {
    # Not detect_stack_use_after_return: with gcc 12 its frames do not keep the alignment of a bson_t (128 bytes), which
    # UBSan then reports where nothing is wrong.
    export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:${ASAN_OPTIONS:-}
    export UBSAN_OPTIONS=print_stacktrace=1:${UBSAN_OPTIONS:-}
}

unit_tests() {
    local rc=0 report=$LOG_DIR/unit.xml
    rm -f "$report"
    say "... unit tests"
    timeout --foreground -k 10 $UNIT_LIMIT_S ctest --test-dir "build/$PRESET" -j "$(nproc)" --timeout 120 --no-tests=error \
        --output-on-failure --output-junit "$report" "$@" </dev/null >"$LOG_DIR/unit.log" 2>&1 || rc=$?
    if [ $rc != 0 ]; then
        tail -n 200 "$LOG_DIR/unit.log"
        [ $rc != 124 ] || warn "unit tests hung: stopped after $UNIT_LIMIT_S s"
    fi
    count_junit unit "$report" $rc
}

# The corpus in the repository is only read; what a run finds goes to var.
fuzz_one() {
    local name=$1 found=$LOG_DIR/fuzz/$1
    mkdir -p "$found/corpus"
    local dirs=("$found/corpus")
    [ ! -d "tests/fuzz/corpus/${name#fuzz_}" ] || dirs+=("tests/fuzz/corpus/${name#fuzz_}")
    timeout --foreground -k 10 $((FUZZ_SECONDS + 100)) "build/fuzz/bin/$name" -max_total_time=$FUZZ_SECONDS -timeout=10 \
        -rss_limit_mb=2048 -artifact_prefix="$found/" "${dirs[@]}" </dev/null >"$found/log" 2>&1 && touch "$found/passed"
}

fuzz_tests() {
    local target name ended names=() passed=0 failed=0
    declare -A running=() # by process; other things run in the background too
    step "build (fuzz)" configure_and_build fuzz
    say "... fuzz, $FUZZ_SECONDS s each"
    rm -rf "$LOG_DIR/fuzz"
    for target in build/fuzz/bin/fuzz_*; do
        [ -x "$target" ] || continue
        names+=("${target##*/}")
        # As many at once as there are cores.
        if [ ${#running[@]} -ge "$(nproc)" ]; then
            wait -n -p ended "${!running[@]}" || true
            unset "running[$ended]"
        fi
        fuzz_one "${target##*/}" &
        running[$!]=1
    done
    wait "${!running[@]}" || true
    for name in ${names[@]+"${names[@]}"}; do
        if [ -e "$LOG_DIR/fuzz/$name/passed" ]; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            tail -n 40 "$LOG_DIR/fuzz/$name/log"
            warn "$name failed: its input lies in $LOG_DIR/fuzz/$name"
        fi
    done
    [ ${#names[@]} -gt 0 ] || { failed=1; warn "no fuzz target in build/fuzz/bin"; }
    say " => fuzz: $passed passed, $failed failed"
    PASSED=$((PASSED + passed))
    FAILED=$((FAILED + failed))
}

# --- flow ----------------------------------------------------------------------------------------------------------

# Servers of a run that were there before stay; the others end with it, as does any program of ours that a test left.
test_servers_up() {
    local name
    for name in $(server_names); do
        server_alive "$name" || STARTED_SERVERS+=("$name")
    done
    at_exit end_tests
    # What an earlier test run left is of no use; a folder that somebody chose is left alone.
    if [ "$VAR" = "$ROOT/var/test" ] && [ ${#STARTED_SERVERS[@]} -gt 1 ]; then
        as_root rm -rf "$VAR/kafka" "$VAR/postgres" "$VAR/ferretdb" "$VAR/results" "$VAR/state"
    fi
    # Only the machine's own crash could lose data then, see postgres_settings.
    MILLRACE_FSYNC=off servers_up
    stage_environment
}

STARTED_SERVERS=()
end_tests() {
    local name i
    end_left_programs
    for ((i = ${#STARTED_SERVERS[@]} - 1; i >= 0; i--)); do
        name=${STARTED_SERVERS[$i]}
        server_stop "$name" || warn "could not stop $name"
    done
}

# Programs of our build folder that carry this run's MILLRACE_VAR: a test that was stopped may have left them.
end_left_programs() {
    local process
    for process in /proc/[0-9]*; do
        case $(readlink "$process/exe" 2>/dev/null) in
        "$ROOT/build/"*) ;;
        *) continue ;;
        esac
        if grep -qzxF "MILLRACE_VAR=$VAR" "$process/environ" 2>/dev/null; then
            warn "left by a test, ended: $(tr '\0' ' ' <"$process/cmdline")"
            kill -KILL "${process#/proc/}" 2>/dev/null || true
        fi
    done
}

pytest() { "$VENV_DIR/bin/python" -m pytest -p no:cacheprovider "$@"; }

# The output is shown as it comes: a test that hangs is seen while it hangs.
flow_tests() {
    local rc=0 report=$LOG_DIR/flow.xml
    rm -f "$report"
    say "... flow tests"
    timeout --foreground -k 30 $FLOW_LIMIT_S "$VENV_DIR/bin/python" -m pytest -p no:cacheprovider -q --durations=5 --timeout=300 \
        --junitxml="$report" "$@" </dev/null || rc=$?
    [ $rc = 0 ] || show_logs
    [ $rc != 124 ] || warn "flow tests hung: stopped after $FLOW_LIMIT_S s"
    count_junit flow "$report" $rc
}

show_logs() {
    local log
    for log in "$LOG_DIR"/*.log; do
        case $log in */flow.log | */unit.log | */lint*.log | */build*.log) continue ;; esac
        [ ! -s "$log" ] || { say "--- the end of $log"; tail -n 15 "$log"; }
    done
}

# --- all, or one ---------------------------------------------------------------------------------------------------

run_tests() {
    mkdir -p "$LOG_DIR"
    sanitizers
    deps test
    if [ $# -gt 0 ]; then some_tests "$1"; else all_tests; fi
    say "$PASSED passed, $FAILED failed"
    [ "$FAILED" = 0 ]
}

all_tests() {
    local name
    for name in $(server_names); do
        server_alive "$name" || port_free "$name" "$(server_port "$name")"
    done
    lint
    step "build ($PRESET)" configure_and_build "$PRESET"
    unit_tests
    wait_spawned
    spawn "lint: clang-tidy" tidy
    fuzz_tests
    test_servers_up
    flow_tests tests/flow
    wait_spawned
}

# NAME is a part of a unit test's name, a flow test's name (as pytest -k understands it), or a flow test file.
some_tests() {
    local found=no select=(tests/flow -k "$1")
    [ ! -e "${1%%::*}" ] || select=("$1")
    step "build ($PRESET)" configure_and_build "$PRESET"
    if ctest --test-dir "build/$PRESET" -N -R "$1" | grep 'Test *#' >/dev/null; then
        found=yes
        unit_tests -R "$1"
    fi
    wait_spawned
    if pytest --collect-only -q "${select[@]}" >"$LOG_DIR/collect.log" 2>&1; then
        found=yes
        test_servers_up
        flow_tests "${select[@]}"
    fi
    [ $found = yes ] || { tail -n 5 "$LOG_DIR/collect.log" >&2; die "no unit or flow test matches '$1'"; }
}
