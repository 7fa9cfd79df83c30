# SPDX-License-Identifier: Apache-2.0
"""What becomes of code on its way through the whole pipeline: split, filled in, refused by the rules of its creator, limited; as a user
sees it. Rules and defaults are set by REST, as an operator does."""
import pytest

from harness.converter import Converter
from harness.wait import wait_for

FOLLOW_S = 5
CREATOR = "flow"


@pytest.fixture
def put(rest):
    """put("limits", selector, **fields): taken away after the test."""
    paths = []

    def put_it(kind, selector, **fields):
        path = f"/v1/{kind}/{selector}"
        answer = rest.http.put(path, json=fields)
        assert answer.status_code == 200, answer.text
        paths.append(path)
        return answer.json()

    yield put_it
    for path in paths:
        rest.http.delete(path)


@pytest.fixture
def rules(put, rest, make, user):
    """Sets rules for this test's user, and waits until the converter follows: it refuses what only these rules refuse."""
    def set_rules(**fields):
        put("limits", f"{CREATOR}/{user}", **{"forbidden_sql": ["analyze"], **fields})
        probe = make("analyze", engine="sqlite", **fill(fields))

        def follows():
            job_id = rest.submit(probe)
            return "rule analyze" in ((rest.end_of(job_id).get("error") or {}).get("message") or "")

        wait_for(follows, FOLLOW_S * 5, "the converter follows the rules", 0.2)

    return set_rules


def fill(fields):
    return {"name": "probe"} if "name" in fields.get("required", []) else {}


@pytest.fixture
def end(rest):
    def end_of(job, state):
        job_id = rest.submit(job)
        document = rest.end_of(job_id)
        assert document["state"] == state, document
        return document

    return end_of


def log_of(rest, document):
    return rest.log(document["job_id"])


def rows_of(rest, document, n=0):
    return rest.rows(document["job_id"], n)["rows"]


# ---- refusals ----


@pytest.mark.parametrize("engine, code, line, message", [
    ("sqlite", "select 1;\n  drop table t", 2, "line 2, column 3: rule drop table: drop table: this account may not run such statements; leave it out, or ask an operator"),
    ("sqlite", "select 'ä', '${two}'; drop table t", 1, "line 1, column 23: rule drop table: drop"),
    ("sqlite", "select 1;\nselect ${evil}", 2, "line 2, column 8: rule drop table: drop"),
    ("shell", "echo rm\n/bin/rm -rf /tmp/x", 2, "line 2, column 1: rule shell.rm: /bin/rm"),
    ("shell", "echo ${two}\necho ${two}; rm x", 2, "line 2, column 14: rule shell.rm: rm"),
])
def test_forbidden_code_is_refused_with_line_column_and_rule(rest, make, rules, end, engine, code, line, message):
    rules(forbidden_sql=["drop table", "analyze"], forbidden_code=["shell.rm"])
    error = end(make(code, engine=engine, variables={"two": "a\nb", "evil": "1; drop table t"}), "rejected")["error"]
    assert error["code"] == "forbidden_code" and error["line"] == line
    assert error["message"].startswith(message)


def test_what_is_not_forbidden_runs_and_others_are_not_bound(rest, make, rules, end):
    rules(forbidden_sql=["drop table", "analyze"], forbidden_code=["shell.rm"])
    end(make("echo rm -rf / # rm"), "succeeded")
    end(make("select 'drop table t' -- drop table t", engine="sqlite"), "succeeded")
    end(make("create table t (a); drop table t", engine="sqlite", user="somebody.else"), "succeeded")


def test_all_that_is_forbidden_is_told(make, rules, end):
    rules(forbidden_sql=["drop table", "analyze"])
    error = end(make("drop table a;\nselect 1;\ndrop table b", engine="sqlite"), "rejected")["error"]
    assert [line.split(": ")[0] for line in error["detail"].splitlines()] == ["line 1, column 1", "line 3, column 1"]


@pytest.mark.parametrize("engine, code", [("sqlite", "-- nothing\n;/* at all */"), ("shell", "# nothing\n")])
def test_code_without_anything_to_run_is_refused(make, end, engine, code):
    assert end(make(code, engine=engine), "rejected")["error"]["code"] == "empty_code"


def test_required_fields(make, rules, end):
    rules(required=["name"])
    error = end(make("true"), "rejected")["error"]
    assert error["code"] == "missing" and error["message"].startswith("name: jobs of flow must give it")
    end(make("true", name="x"), "succeeded")


def test_fields_that_may_be_given(make, rules, end):
    rules(allowed=["labels.project", "conf"])
    error = end(make("select 1", engine="sqlite", name="x", labels={"project": "a", "team": "b"}, conf={"database": "x.db"}), "rejected")["error"]
    assert error["code"] == "field_not_allowed"
    assert [line.split(": ")[0] for line in error["detail"].splitlines()] == ["name", "labels.team"]
    end(make("select 1", engine="sqlite", labels={"project": "a"}, conf={"database": "x.db"}), "succeeded")


# ---- labels of other systems ----


def test_labels_that_stand_for_fields(rest, user, end):
    labels = {"engineType": "shell-1", "userCreator": f"{user}-flow", "codeType": "bash", "jobRunningTimeout": "600", "jobRetryCount": "2"}
    document = end({"code": "true", "labels": labels}, "succeeded")
    assert (document["creator"], document["user"], document["engine"], document["code_type"]) == ("flow", user, "shell", "bash")
    assert document["limits"]["run_timeout_ms"] == 600_000 and document["retry"]["max_attempts"] == 3
    assert document["labels"] == labels


def test_a_label_that_contradicts_its_field_is_refused_at_once(rest, make):
    answer = rest.post(make("true", labels={"engineType": "spark-3.4", "jobRunningTimeout": "soon"}))
    assert answer.status_code == 422
    assert {e["field"] for e in answer.json()["errors"]} == {"labels.engineType", "labels.jobRunningTimeout"}


def test_labels_by_kafka_are_understood_too(rest, kafka, user, db):
    kafka.submit_json({"creator": "", "user": "", "engine": "", "code": "true", "name": user,
                       "labels": {"engineType": "shell", "userCreator": f"{user}-flow"}})
    wait_for(lambda: db["jobs"].find_one({"user": user, "name": user, "state": "succeeded"}), 30, "the job ends")


# ---- statements ----


def test_offsets_and_lines_are_those_of_the_users_text(stack, make):
    code = "-- ä\nselect 'ö;', '${v}';\n\n select 2 /* x */ ;"
    job = Converter(stack).convert(make(code, engine="sqlite", variables={"v": "a\nb;"}))
    assert job["code"] == code
    raw = code.encode()
    assert [(raw[s["offset"]:s["offset"] + s["length"]].decode(), s["first_line"], s["text"]) for s in job["statements"]] == \
        [("select 'ö;', '${v}'", 2, "select 'ö;', 'a\nb;'"), ("select 2", 4, None)]


def test_the_statements_of_a_job_share_a_session(rest, make, end):
    document = end(make("create table t (a);\ninsert into t values (1), (2);\nselect sum(a) from t", engine="sqlite"), "succeeded")
    assert rows_of(rest, document) == [[3]]


@pytest.mark.parametrize("code, line, statement", [
    ("-- a comment\n\nselect nonsense", 3, 0),
    ("select 1;\n\nselect '${day}', nonsense", 3, 1),
    ("select 1; select nonsense", 1, 1),
    ("--@set x = 1\nselect ${x};\nselect 2;\n\n\nselect nonsense from t", 6, 2),
])
def test_an_error_of_the_engine_has_the_users_line_and_statement(make, end, code, line, statement):
    error = end(make(code, engine="sqlite", variables={"day": "monday"}), "failed")["error"]
    assert (error["code"], error["line"], error["statement"]) == ("sql_error", line, statement)


# ---- warnings ----


def test_undefined_variables_warn_in_the_log(rest, make, end):
    document = end(make("select '${nix}', '${run_dat}'", engine="sqlite"), "succeeded")
    log = log_of(rest, document)
    assert "warning: ${nix} stays as it is: no variable is named nix" in log and "${run_dat}" in log


def test_a_shells_own_variables_do_not_warn(rest, make, end):
    document = end(make("name=x; echo ${name} ${HOME-y} ${run_dat}"), "succeeded")
    warnings = [line for line in log_of(rest, document).splitlines() if "warning: " in line]
    assert len(warnings) == 1 and "${run_dat}" in warnings[0]


# ---- the row limit ----

ROWS = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 100) select i from n"


def test_the_row_limit_limits_rows(rest, make, rules, end):
    rules(row_limit=7)
    document = end(make(f"{ROWS};\n{ROWS} limit 3;\n{ROWS} limit 50", engine="sqlite"), "succeeded")
    assert [len(rows_of(rest, document, n)) for n in range(3)] == [7, 3, 7]
    log = log_of(rest, document)
    assert "line 1: the row limit of this creator was added: at most 7 rows" in log
    assert "line 3: the row limit of this creator was put for a larger one" in log and "line 2: " not in log


def test_what_sql_cannot_be_limited_to_the_fetch_is(rest, make, rules, end):
    rules(row_limit=7)
    # An expression as a limit is left alone: what is dropped is told by the executor.
    document = end(make(f"{ROWS} limit 10 + 10", engine="sqlite"), "succeeded")
    assert len(rows_of(rest, document)) == 7
    log = log_of(rest, document)
    assert "more than 7 rows: the rest is dropped" in log and "row limit of this creator" not in log


def test_without_a_rule_nothing_is_limited(rest, make, end):
    document = end(make(ROWS, engine="sqlite"), "succeeded")
    assert len(rows_of(rest, document)) == 100


# ---- rules and defaults, by REST ----


@pytest.mark.parametrize("body, field", [
    ({"forbidden_sql": ["drop; table"]}, "forbidden_sql"),
    ({"forbidden_sql": ["dorp table"]}, "forbidden_sql"),
    ({"forbidden_code": ["shell.rmm"]}, "forbidden_code"),
    ({"required": ["colour"]}, "required"),
    ({"allowed": ["labels.a b"]}, "allowed"),
    ({"row_limit": -1}, "row_limit"),
    ({"forbidden_sql": ["drop"] * 65}, "forbidden_sql"),
])
def test_a_rule_that_means_nothing_is_refused(rest, body, field):
    answer = rest.http.put("/v1/limits/ide/eve", json=body)
    assert answer.status_code == 422, answer.text
    assert {e["field"] for e in answer.json()["errors"]} == {field}


def test_none_switches_off_what_a_wider_selector_has(make, put, rules, end, user):
    put("limits", f"{CREATOR}/*", forbidden_code=["shell"])
    rules()
    assert end(make("rm -f x"), "rejected")["error"]["code"] == "forbidden_code"
    rules(forbidden_code=["none"], forbidden_sql=["analyze", "vacuum"])
    wait_for(lambda: end_state(end, make("rm -f x")), FOLLOW_S * 5, "the rule is off", 0.2)


def end_state(end, job):
    try:
        return end(job, "succeeded")
    except AssertionError:
        return None


def test_defaults_are_written_read_listed_and_taken_away(rest):
    body = {"variables": {"schema": "sales"}, "conf": {"memory": "1g"}, "limits": {"run_timeout_ms": 1000}, "by": "ops"}
    answer = rest.http.put("/v1/defaults/ide/ann", json=body)
    assert answer.status_code == 200, answer.text
    written = answer.json()
    assert written["selector"] == "ide/ann" and written["variables"] == {"schema": "sales"} and written["by"] == "ops"
    assert written["limits"]["run_timeout_ms"] == 1000 and written["at"].endswith("Z")
    assert rest.get("/v1/defaults/ide/ann").json() == written
    assert written in rest.get("/v1/defaults").json()["defaults"]
    assert rest.http.put("/v1/defaults/ide/ann", json=written).status_code == 200
    assert rest.http.delete("/v1/defaults/ide/ann").json() == {"selector": "ide/ann", "deleted": True}
    assert rest.http.delete("/v1/defaults/ide/ann").json() == {"selector": "ide/ann", "deleted": False}
    assert rest.get("/v1/defaults/ide/ann").status_code == 404


@pytest.mark.parametrize("path, selector", [
    ("ide/ann,engine=shell", "ide/ann,engine=shell"), ("ide%2F*%2Cengine=shell", "ide/*,engine=shell"), ("*", "*"),
    ("*,label=tier=gold", "*,label=tier=gold"), ("ide%2Fann%2Clabel%3Dpath%3Da%2Fb", "ide/ann,label=path=a/b"),
])
def test_a_selector_of_defaults_may_be_escaped_or_not(rest, path, selector):
    answer = rest.http.put(f"/v1/defaults/{path}", json={"variables": {"a": "1"}})
    assert answer.status_code == 200 and answer.json()["selector"] == selector, answer.text
    assert rest.http.delete(f"/v1/defaults/{path}").json() == {"selector": selector, "deleted": True}


@pytest.mark.parametrize("path", ["ide", "ide/ann,colour=red", "ide/ann,engine=", "*/ann", "ide/ann,label=x"])
def test_a_selector_of_defaults_that_is_none_is_refused(rest, path):
    assert rest.http.put(f"/v1/defaults/{path}", json={}).status_code == 400


@pytest.mark.parametrize("body, status, field", [
    ({"variables": {"run_mon": "1"}}, 422, "variables.run_mon"),
    ({"variables": {"1": "1"}}, 422, "variables.1"),
    ({"limits": {"run_timeout_ms": -1}}, 422, "limits.run_timeout_ms"),
    ({"retry": {"max_attempts": 0}}, 422, "retry.max_attempts"),
    ({"colour": "red"}, 400, "colour"),
    ({"selector": "ide/other"}, 422, "selector"),
])
def test_bad_defaults_are_refused_field_by_field(rest, body, status, field):
    answer = rest.http.put("/v1/defaults/ide/dora", json=body)
    assert answer.status_code == status, answer.text
    assert [e["field"] for e in answer.json()["errors"]] == [field]
    assert rest.get("/v1/defaults/ide/dora").status_code == 404


def test_defaults_that_were_put_count_for_jobs(rest, make, put, end, user):
    put("defaults", f"{CREATOR}/{user},engine=shell", variables={"greeting": "hello"}, limits={"run_timeout_ms": 77_000})

    def follows():
        document = end(make("echo [${greeting}]"), "succeeded")
        return "[hello]" in log_of(rest, document) and document["limits"]["run_timeout_ms"] == 77_000

    wait_for(follows, FOLLOW_S * 5, "the converter follows the defaults", 0.2)
    assert "[bye]" in log_of(rest, end(make("echo [${greeting}]", variables={"greeting": "bye"}), "succeeded"))
