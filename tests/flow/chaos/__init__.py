# SPDX-License-Identifier: Apache-2.0
"""Chaos: several processes of every stage and the servers are killed, frozen and restarted by a seeded schedule while jobs
flow, and afterwards every promise is checked.

    schedule.py  seed -> what happens when (pure)          load.py   the jobs, and a few cancels
    trouble.py   does it to the real processes             check.py  what must be true of what was seen (pure)
    figures.py   what it came to: kills, attempts, repeats, takeover times"""
