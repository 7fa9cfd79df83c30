# SPDX-License-Identifier: Apache-2.0
"""The converter fills in what jobs do not say from the defaults documents, and follows their changes. Only the converter runs here.
Documents are written by hand, as an operator may."""
import datetime
import zoneinfo

import pytest

from harness.converter import Converter


@pytest.fixture(scope="module")
def stack_options():
    return {"stage_env": {"converter": {"MILLRACE_TIMEZONE": "Pacific/Kiritimati"}}}


@pytest.fixture(scope="module")
def converter(unstarted):
    unstarted["converter"].start()
    return Converter(unstarted)


@pytest.fixture
def defaults(unstarted):
    unstarted.db["defaults"].delete_many({})
    return unstarted.db["defaults"]


def text(job):
    return job["statements"][0]["text"] or job["code"]


def test_the_most_specific_document_counts_field_by_field(converter, make, user, defaults):
    defaults.insert_many([
        {"_id": "*", "variables": {"schema": "all", "mark": "*"}, "conf": {"nice": "1", "memory": "1g"},
         "limits": {"run_timeout_ms": 5_000_000, "max_result_rows": 77}, "retry": {"max_attempts": 3}},
        {"_id": "flow/*,engine=shell", "variables": {"schema": "shell"}, "conf": {"nice": "2"}},
        {"_id": f"flow/{user}", "variables": {"schema": "mine"}, "limits": {"run_timeout_ms": 6_000_000}},
        {"_id": f"flow/{user},label=tier=gold", "variables": {"schema": "gold"}, "retry": {"max_attempts": 5}},
    ])
    converter.follow(make("echo ${schema} ${mark}"), lambda job: text(job) == "echo mine *")
    job = converter.convert(make("echo ${schema}", conf={"reuse": "never"}))
    assert job["conf"] == {"reuse": "never", "memory": "1g", "nice": "2"}
    assert (job["limits"]["run_timeout_ms"], job["limits"]["max_result_rows"]) == (6_000_000, 77)
    assert job["retry"]["max_attempts"] == 3
    assert job["variables"] == {"schema": "mine", "mark": "*"}
    gold = converter.convert(make("echo ${schema}", labels={"tier": "gold"}, retry={"max_attempts": 2}))
    assert text(gold) == "echo gold" and gold["retry"]["max_attempts"] == 2
    other = converter.convert(make("echo ${schema}", user="somebody"))
    assert text(other) == "echo shell" and other["limits"]["run_timeout_ms"] == 5_000_000
    assert text(converter.convert(make("select '${schema}'", engine="sqlite", user="somebody"))) == "select 'all'"


def test_code_goes_before_the_job_and_the_job_before_defaults(converter, make, user, defaults):
    defaults.insert_one({"_id": f"flow/{user}", "variables": {"t": "default", "run_date": "20240301"}})
    converter.follow(make("echo ${t} ${run_date-1}"), lambda job: text(job) == "echo default 20240229")
    assert text(converter.convert(make("echo ${t}", variables={"t": "job"}))) == "echo job"
    code = "#@set t = code\necho ${t}"
    assert text(converter.convert(make(code, variables={"t": "job"}))) == "#@set t = code\necho code"


def test_nonsense_in_a_document_stops_nothing(converter, make, user, defaults):
    defaults.insert_many([
        {"_id": "no selector", "variables": {"t": "x"}},
        {"_id": 7, "variables": {"t": "x"}},
        {"_id": f"flow/{user}", "variables": "t", "conf": {"a b": "1"}, "limits": 4, "retry": {"max_attempts": -1}, "strategy": []},
        {"_id": "flow/*", "variables": {"t": "right", "user": "root", "1": "x"}},
    ])
    converter.follow(make("echo ${t}"), lambda job: text(job) == "echo right")
    job = converter.convert(make("echo ${user}"))
    assert text(job) == f"echo {user}" and job["conf"] == {} and job["retry"]["max_attempts"] == 1
    assert job["warnings"] == ["the defaults of flow/* set user, which is built in and can't be set: it is passed over"]


def test_a_job_that_names_no_zone_is_in_the_converters(converter, make, defaults):
    def yesterday(zone):
        return (datetime.datetime.now(zoneinfo.ZoneInfo(zone)) - datetime.timedelta(days=1)).strftime("%Y%m%d")

    for job, zone in ((make("echo ${run_date}"), "Pacific/Kiritimati"), (make("echo ${run_date}", timezone="Etc/GMT+12"), "Etc/GMT+12")):
        before = yesterday(zone)
        done = converter.convert(job)
        assert done["timezone"] == zone and text(done) in (f"echo {before}", f"echo {yesterday(zone)}")
    refused = converter.convert(make("echo", timezone="Europe/Atlantis"))
    assert refused["error"]["code"] == "unknown_timezone"


def test_a_refusal_names_its_place(converter, make, defaults):
    error = converter.convert(make("echo\n  ${run_date*2}"))["error"]
    assert (error["code"], error["line"]) == ("bad_variable", 2)
    assert error["message"] == "line 2, column 3: ${run_date*2}: a date takes only + and -"
