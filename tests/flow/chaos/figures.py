# SPDX-License-Identifier: Apache-2.0
"""What a run came to, for people."""
import collections


def takeovers(history, faults):
    """(seconds from what happened to an executor until a lost job of it started again, job, lost attempt), sorted."""
    by_pid = collections.defaultdict(list)
    for f in faults:
        by_pid[f.pid].append(f.at_ms)
    started = {(e.job_id, e.attempt): e for e in history.events if e.phase == "started"}
    found = []
    for e in history.events:
        again = started.get((e.job_id, e.attempt + 1))
        first = started.get((e.job_id, e.attempt))
        if e.phase != "lost" or not again or not first or not first.instance:
            continue
        before = [t for t in by_pid[int(first.instance.split("-")[-2])] if t <= again.at]
        if before:
            found.append((round((again.at - max(before)) / 1000, 1), history.by_id[e.job_id], e.attempt))
    return sorted(found)


def text(history, trouble):
    kinds = collections.Counter(f"{f.kind} {f.label.split('-')[0]}" for f in trouble.faults)
    starts = sum(word == "start" for lines in history.plain.values() for _, _, word in lines)
    jobs = len({(group, seq) for group, lines in history.plain.items() for seq, _, _ in lines})
    planned = [j for j in history.jobs if j.plan]
    leaves = [(j, a, w.split(".")[0]) for j in planned for _, a, w in history.lines_of(j) if w.endswith("start")]
    first = {(j, n) for j, a, n in leaves}
    states = collections.Counter(d["state"] for d in history.documents.values())
    answers = collections.Counter(c.was for c in history.cancels)
    times = takeovers(history, trouble.faults)

    def told(counter):
        return ", ".join(f"{n} {what}" for what, n in sorted(counter.items())) or "none"

    return "\n".join([
        f"jobs       {len(history.jobs)} accepted; {told(states)}",
        f"trouble    {told(kinds)}",
        f"by itself  {told(trouble.ended)}",
        f"attempts   {starts} started, {starts - jobs} of them repeats of a job",
        f"plans      {len(planned)} jobs of several nodes; {len(leaves)} starts of leaves, {len(leaves) - len(first)} of them repeats",
        f"cancels    {told(answers)} (as answered), {len(history.unanswered)} unanswered",
        f"takeover   {len(times)} lost jobs started again"
        + (f" after {times[0][0]} s at best, {times[len(times) // 2][0]} s p50, {times[-1][0]} s at most ({times[-1][1].group} "
           f"{times[-1][1].seq}, after attempt {times[-1][2]})" if times else "")])
