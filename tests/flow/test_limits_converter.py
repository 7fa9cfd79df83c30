# SPDX-License-Identifier: Apache-2.0
"""The converter follows the limits documents: allowed engines, and timeouts where a job names none. It reads them itself,
every few seconds, and works on with the last ones while the store is away. Only the converter runs here: records in, records
out. Documents are written by hand, as an operator may."""
import pytest

from harness import servers as server_list
from harness.converter import Converter
from harness.wait import wait_for

STORE = next(name for name in server_list.NAMES if name in ("ferretdb", "mongo"))


@pytest.fixture(scope="module")
def converter(unstarted):
    unstarted["converter"].start()
    return Converter(unstarted)


@pytest.fixture
def limits(unstarted):
    unstarted.db["limits"].delete_many({})
    return unstarted.db["limits"]


def refused(job):
    return job["error"] is not None and job["error"]["code"] == "engine_not_allowed"


def accepted(job):
    return job["error"] is None


def test_an_engine_that_is_not_allowed_is_refused_until_it_is(converter, make, user, limits):
    assert accepted(converter.convert(make("true")))
    limits.insert_one({"_id": f"flow/{user}", "engines": ["sqlite"]})
    converter.follow(make("true"), refused)
    error = converter.convert(make("true"))["error"]
    assert error["class"] == "limit"
    assert error["message"] == f"engine: flow/{user} may not use 'shell', but: sqlite"
    # The narrowest selector that names engines counts; others' limits don't.
    limits.insert_many([{"_id": "*", "engines": ["shell"]}, {"_id": "other/*", "engines": ["python"]}])
    converter.follow(make("select 1", engine="sqlite", user="somebody"), refused)
    assert refused(converter.convert(make("true")))
    assert accepted(converter.convert(make("select 1", engine="sqlite")))
    limits.delete_one({"_id": f"flow/{user}"})
    converter.follow(make("true"), accepted)


def test_timeouts_are_filled_where_the_job_names_none(converter, make, limits):
    limits.insert_many([{"_id": "*", "queue_timeout_ms": 3_000_000, "run_timeout_ms": 4_000_000},
                        {"_id": "flow/*", "run_timeout_ms": 5_000_000}])
    converter.follow(make("true"), lambda job: job["limits"]["run_timeout_ms"] == 5_000_000)
    assert converter.convert(make("true"))["limits"]["queue_timeout_ms"] == 3_000_000
    asked = converter.convert(make("true", limits={"queue_timeout_ms": 0, "run_timeout_ms": 60_000}))["limits"]
    assert (asked["queue_timeout_ms"], asked["run_timeout_ms"]) == (0, 60_000)


def test_nonsense_in_a_document_stops_nothing(converter, make, user, limits):
    limits.insert_many([
        {"_id": "no selector", "engines": ["sqlite"]},
        {"_id": 7, "engines": ["sqlite"]},
        {"_id": f"flow/{user}", "engines": "sqlite", "run_timeout_ms": "soon", "queue_timeout_ms": -4, "weight": {}},
        {"_id": "flow/*", "queue_timeout_ms": 7_000_000},
    ])
    converter.follow(make("true"), lambda job: job["limits"]["queue_timeout_ms"] == 7_000_000)
    assert accepted(converter.convert(make("true")))


def test_the_last_limits_count_while_the_store_is_away(converter, servers, make, user, limits):
    limits.insert_one({"_id": f"flow/{user}", "engines": ["sqlite"]})
    converter.follow(make("true"), refused)
    said = len(converter.stage.text())
    servers.kill(STORE)
    try:
        wait_for(lambda: "store_away" in converter.stage.text()[said:], 30, "the converter misses the store")
        assert converter.stage.probe("/readyz") == 200
        assert all(refused(converter.result(key)) for key in [converter.submit(make("true")) for _ in range(20)])
    finally:
        servers.start(STORE)
    limits.delete_many({})
    converter.follow(make("true"), accepted)


def test_a_converter_that_starts_without_the_store_takes_no_job(converter, servers, make, user, limits):
    """It could not know what is not allowed."""
    limits.insert_one({"_id": f"flow/{user}", "engines": ["sqlite"]})
    converter.follow(make("true"), refused)
    assert converter.stage.stop() == 0
    said = len(converter.stage.text())
    servers.kill(STORE)
    try:
        converter.stage.start(wait=False)
        wait_for(lambda: "waiting for mongodb" in converter.stage.text()[said:], 30, "it waits for the store")
        assert converter.stage.probe("/readyz") == 503
        key = converter.submit(make("true"))
    finally:
        servers.start(STORE)
    assert refused(converter.result(key))
