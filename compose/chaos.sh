# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# ./run chaos: the test of tests/flow/test_chaos.py, as long as one likes, with a seed of one's own.

CHAOS_USAGE="usage: ./run chaos [--minutes N] [--seed S], N from 1 to 1440, S a number"

chaos() {
    local minutes=3 seed=
    while [ $# -gt 0 ]; do
        case $1 in
        --minutes) minutes=${2:-} ;;
        --seed) seed=${2:-} ; [[ $seed =~ ^[0-9]{1,9}$ ]] || die "$CHAOS_USAGE" ;;
        *) die "$CHAOS_USAGE" ;;
        esac
        shift 2 || die "$CHAOS_USAGE"
    done
    [[ $minutes =~ ^[0-9]{1,4}$ && $((10#$minutes)) -ge 1 && $((10#$minutes)) -le 1440 ]] || die "$CHAOS_USAGE"
    export MILLRACE_CHAOS_MINUTES=$((10#$minutes)) MILLRACE_CHAOS_SEED=$seed
    # As the test's own limit: what comes after the last trouble has time.
    # shellcheck disable=SC2034  # read in compose/tests.sh
    FLOW_LIMIT_S=$((10#$minutes * 60 + 1800))
    run_tests tests/flow/test_chaos.py
}
