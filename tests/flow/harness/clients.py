# SPDX-License-Identifier: Apache-2.0
"""REST and documents as users see them: httpx, pymongo, and the command line as a subprocess."""
import json
import subprocess

import httpx
import pymongo

from . import settings
from .wait import wait_for

FINAL = {"succeeded", "failed", "cancelled", "timed_out", "rejected"}
END_LIMIT_S = 40


class Rest:
    """ingest's API. Methods that are named after a route return httpx's response; the others assert that it went well."""

    def __init__(self, url):
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def close(self):
        self.http.close()

    def post(self, job, key=None, **headers):
        h = {**headers, **({"Idempotency-Key": key} if key else {})}
        return self.http.post("/v1/jobs", json=job, headers=h)

    def submit(self, job, key=None):
        """An accepted job's id."""
        answer = self.post(job, key)
        assert answer.status_code == 202, f"{answer.status_code}: {answer.text}"
        return answer.json()["job_id"]

    def get(self, path, **query):
        return self.http.get(path, params=query)

    def job(self, job_id):
        answer = self.get(f"/v1/jobs/{job_id}")
        assert answer.status_code == 200, f"{answer.status_code}: {answer.text}"
        return answer.json()

    def end_of(self, job_id, limit=END_LIMIT_S):
        """The document when the job has ended. A job that came by Kafka has none at first."""
        return self.wait_state(job_id, FINAL, limit)

    def wait_state(self, job_id, states, limit=END_LIMIT_S):
        states = {states} if isinstance(states, str) else set(states)

        def reached():
            answer = self.get(f"/v1/jobs/{job_id}")
            assert answer.status_code == 200, f"{answer.status_code}: {answer.text}"
            job = answer.json()
            assert job["state"] in states, job
            return job

        return wait_for(reached, limit, f"job {job_id} is {' or '.join(sorted(states))}")

    def run(self, job, limit=END_LIMIT_S):
        """Submits and waits: the final document."""
        return self.end_of(self.submit(job), limit)

    def cancel(self, job_id, **body):
        return self.http.post(f"/v1/jobs/{job_id}/cancel", json=body)

    def log(self, job_id):
        """The text of the whole log."""
        answer = self.http.get(f"/v1/jobs/{job_id}/log", headers={"Accept": "text/plain"})
        assert answer.status_code == 200, f"{answer.status_code}: {answer.text}"
        assert answer.headers["x-complete"] == "true", answer.headers
        return answer.text

    def rows(self, job_id, n=0, **query):
        answer = self.get(f"/v1/jobs/{job_id}/results/{n}", **query)
        assert answer.status_code == 200, f"{answer.status_code}: {answer.text}"
        return answer.json()


def mongo_database(name):
    client = pymongo.MongoClient(settings.MONGO_URI, serverSelectionTimeoutMS=10_000, tz_aware=True)
    return client[name]


def in_ledger(db, ids):
    """Waits until all these jobs have a run."""
    wait_for(lambda: db["runs"].count_documents({"_id": {"$in": ids}}) == len(ids), END_LIMIT_S, "all are in the ledger")


class Cli:
    """The program `millrace`, with the environment of one stack."""

    def __init__(self, env, cwd):
        self.env = env
        self.cwd = cwd

    def __call__(self, *words, stdin=None, limit=60, **env):
        return subprocess.run([settings.BIN / "millrace", *words], env={**self.env, **env}, cwd=self.cwd, text=True,
                              input=stdin if stdin is not None else "", capture_output=True, timeout=limit)

    def json(self, *words, **more):
        done = self(*words, "--output", "json", **more)
        assert done.returncode == 0, done
        return json.loads(done.stdout)
