#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes docs/reference/*.md from what the programs themselves print: settings, routes, records, errors, variables, checks, passes, the
# command line.
# A flow test compares the committed pages with it.
#
#     docs/make-reference.sh [OUT]      OUT: the folder, default docs/reference; programs: MILLRACE_BUILD_DIR (build/release, by ./run build)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=${MILLRACE_BUILD_DIR:-build/release}/bin
out=${1:-docs/reference}
mkdir -p "$out"

for stage in ingest converter planner executor collector; do
    "$bin/millrace-$stage" --help=markdown >"$out/settings-$stage.md"
done
"$bin/millrace-ingest" --help=routes >"$out/routes.md"
"$bin/codec-tool" markdown >"$out/records.md"
"$bin/codec-tool" errors >"$out/errors.md"
"$bin/variables-tool" markdown >"$out/variables.md"
"$bin/rules-tool" markdown >"$out/checks.md"
"$bin/plan-tool" markdown >"$out/passes.md"
"$bin/millrace" help --markdown >"$out/cli.md"
