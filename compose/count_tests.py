#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints "PASSED FAILED" of a JUnit file. A test that was skipped or did not run has not passed: it counts as failed."""
import sys
import xml.etree.ElementTree

passed = failed = 0
for case in xml.etree.ElementTree.parse(sys.argv[1]).iter("testcase"):
    bad = any(case.find(tag) is not None for tag in ("failure", "error", "skipped"))
    if bad or case.get("status", "run") != "run":
        failed += 1
    else:
        passed += 1
print(passed, failed)
