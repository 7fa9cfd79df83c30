# SPDX-License-Identifier: Apache-2.0
"""Variables against a second reckoning: Python's own dates, zones and decimals, for random and for awkward times, zones and
numbers. Only variables-tool runs here, no server."""
import calendar
import datetime as dt
import itertools
import json
import random
import subprocess
import zoneinfo
from decimal import ROUND_HALF_UP, Decimal, localcontext

import pytest

from harness import settings

TOOL = settings.BIN / "variables-tool"
SEED = 20260214
UTC = dt.timezone.utc
EPOCH = dt.datetime(1970, 1, 1)
BOUNDARIES = [(y, m, d) for y in (1999, 2000, 2023, 2024, 2100) for m, d in
              ((1, 1), (1, 31), (2, 28), (3, 1), (3, 31), (4, 1), (4, 30), (6, 30), (7, 1), (9, 30), (10, 1), (12, 31))] + \
             [(2000, 2, 29), (2024, 2, 29)]
EDGES = [(1, 1, 1), (1, 12, 31), (9999, 1, 1), (9999, 12, 31)]  # of the years that there are
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Shanghai", "Asia/Kathmandu", "Australia/Lord_Howe",
         "Pacific/Apia", "Africa/Casablanca", "America/St_Johns", "Pacific/Kiritimati", "Etc/GMT+12"]


def run(verb, lines):
    done = subprocess.run([TOOL, verb], input="".join(line + "\n" for line in lines), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def fill(cases):
    """Of (code, fields) the text that the code becomes, or the refusal's code."""
    base = {"code_type": "sql", "variables": {}, "user": "ann", "submitter": "ops", "timezone": "UTC", "at": 0}
    answers = [json.loads(line) for line in run("fill", [json.dumps({**base, **fields, "code": code}) for code, fields in cases])]
    return [answer.get("text", answer.get("code")) for answer in answers]


# --- time, as Python sees it ---

def seconds(naive):
    return (naive - EPOCH) // dt.timedelta(seconds=1)


def offset(zone, utc):
    return int((EPOCH + dt.timedelta(seconds=utc)).replace(tzinfo=UTC).astimezone(zone).utcoffset().total_seconds())


def utc_of(zone, local, preferred=None):
    """Of a wall clock's time: the one with the preferred offset, else the first; in a gap as much later as is left out."""
    both = [seconds((EPOCH + dt.timedelta(seconds=local)).replace(tzinfo=zone, fold=fold).astimezone(UTC).replace(tzinfo=None))
            for fold in (0, 1)]
    real = [utc for utc in both if utc + offset(zone, utc) == local]
    for utc in real:
        if offset(zone, utc) == preferred:
            return utc
    return min(real) if real else both[0]


def local_of(zone, utc):
    return EPOCH + dt.timedelta(seconds=utc + offset(zone, utc))


def near_a_change(rng, zone):
    """A time; where the zone has changes it is mostly close to one."""
    low = rng.randrange(seconds(dt.datetime(1950, 1, 1)), seconds(dt.datetime(2090, 1, 1)))
    high = low + 86400 * 250
    if offset(zone, low) == offset(zone, high):
        return low
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if offset(zone, middle) == offset(zone, low) else (low, middle)
    return high + rng.choice([-1, 0, 1, -3600, 3600, -1800, 86400, -86400, rng.randrange(-90000, 90000)])


def test_every_zone_has_the_offsets_that_python_sees():
    rng = random.Random(SEED)
    names = run("zones", [])
    assert len(names) > 400 and set(names) <= zoneinfo.available_timezones()
    lines, expected = [], []
    for name in names:
        zone = zoneinfo.ZoneInfo(name)
        for _ in range(40):
            utc = near_a_change(rng, zone)
            local = utc + rng.choice([offset(zone, utc), 0, offset(zone, utc) + rng.randrange(-7200, 7200)])
            preferred = rng.choice([offset(zone, utc), offset(zone, utc - 7200), -2**31])
            lines.append(f"{name} {utc} {local} {preferred}")
            expected.append(f"{offset(zone, utc)} {utc_of(zone, local, preferred)}")
    wrong = [case for case in zip(lines, expected, run("offset", lines)) if case[1] != case[2]]
    assert not wrong, wrong[:5]


# --- built-in variables ---

def months_on(day, months):
    number = day.year * 12 + day.month - 1 + months
    if not 12 <= number < 120000:
        raise OverflowError
    year, month = divmod(number, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def begin(day, months):
    return dt.date(day.year, (day.month - 1) // months * months + 1, 1)


def end(day, months):
    last = begin(day, months).month + months - 1
    return dt.date(day.year, last, calendar.monthrange(day.year, last)[1])


FROM_RUN_DATE = {"run_mon", "run_mon_start", "run_mon_end", *(f"run_{unit}_{edge}" for unit in ("month", "quarter", "half_year", "year")
                                                              for edge in ("begin", "end"))}
UNITS = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}


def builtin(name, zone, now, run_date, steps):
    """The date and its form without and with _std."""
    day, hour, month = ("%Y%m%d", "%Y-%m-%d"), ("%Y%m%d%H", "%Y-%m-%d %H"), ("%Y%m", "%Y-%m")
    if name == "run_date":
        return run_date + dt.timedelta(days=steps), day
    today = run_date if name in FROM_RUN_DATE else run_date + dt.timedelta(days=1)
    if name == "run_today":
        return today + dt.timedelta(days=steps), day
    if name in ("run_today_h", "run_today_hour"):
        local = dt.datetime(today.year, today.month, today.day, now.hour)
        return local_of(zone, utc_of(zone, seconds(local)) + 3600 * steps), hour
    if name.startswith("run_month_now_"):
        moved = months_on(begin(today, 1), steps - 1)
        return (end if name.endswith("end") else begin)(moved, 1), day
    if name in ("run_mon", "run_mon_start", "run_mon_end"):
        moved = months_on(begin(run_date, 1), steps)
        return moved.replace(month=12) if name == "run_mon_end" else moved, month
    if name in ("run_mon_now", "run_current_mon_now", "run_last_mon_now"):
        return months_on(begin(today, 1), steps - (name == "run_last_mon_now")), month
    unit, edge = name.removeprefix("run_").rsplit("_", 1)
    moved = months_on(begin(run_date, UNITS[unit]), steps * UNITS[unit])
    return (end if edge == "end" else begin)(moved, UNITS[unit]), day


NAMES = ["run_date", "run_today", "run_month_begin", "run_month_end", "run_month_now_begin", "run_month_now_end", "run_quarter_begin",
         "run_quarter_end", "run_half_year_begin", "run_half_year_end", "run_year_begin", "run_year_end", "run_mon", "run_mon_start",
         "run_mon_end", "run_mon_now", "run_current_mon_now", "run_last_mon_now", "run_today_h", "run_today_hour"]


def times(rng):
    """(zone, submitted at, run_date or None)"""
    for year, month, day in BOUNDARIES:
        for hour in (0, 12, 23):
            yield "UTC", seconds(dt.datetime(year, month, day, hour, 59, 59)), None
            yield "UTC", 1_700_000_000, dt.date(year, month, day)
    for edge in EDGES:
        yield "UTC", 1_700_000_000, dt.date(*edge)
    for name in ZONES:
        for _ in range(40):
            given = rng.choice([None, dt.date(rng.randrange(2, 9998), rng.randrange(1, 13), rng.randrange(1, 29))])
            yield name, near_a_change(rng, zoneinfo.ZoneInfo(name)), given


def wanted(name, std, zone, at, given, steps):
    now = local_of(zone, at)
    try:
        value, forms = builtin(name, zone, now, given or now.date() - dt.timedelta(days=1), steps)
        return value.strftime(forms[std].replace("%Y", f"{value.year:04d}"))
    except (OverflowError, ValueError):
        return "bad_variable"


def test_every_built_in_variable_at_many_times():
    rng = random.Random(SEED)
    cases, expected = [], []
    for zone_name, at, given in times(rng):
        zone = zoneinfo.ZoneInfo(zone_name)
        fields = {"at": at * 1000 + rng.randrange(1000), "timezone": zone_name,
                  "variables": {"run_date": given.isoformat() if rng.random() < 0.5 else given.isoformat().replace("-", "")}
                  if given else {}}
        # One code for all: each name plain, with _std, and some units away.
        code, values = [], []
        for name in NAMES:
            for std in (False, True):
                steps = rng.choice([0, 0, 1, -1, 2, -7, rng.randrange(-40, 40)])
                text = f"{steps:+d}" if steps else rng.choice(["", "+0", "-0"])
                value = wanted(name, std, zone, at, given, steps)
                if value == "bad_variable":
                    cases.append((f"${{{name}{'_std' * std}{text}}}", fields))
                    expected.append(value)
                    continue
                blank = rng.choice(["", " "])
                code.append(f"${{{blank}{name}{'_std' * std}{blank}{text[:1]}{blank}{text[1:]}{blank}}}")
                values.append(value)
        cases.append(("\n".join(code), fields))
        expected.append("\n".join(values))
    assert len(cases) > 500
    for (code, fields), right, got in zip(cases, expected, fill(cases)):
        wrong = [line for line in itertools.zip_longest(code.split("\n"), right.split("\n"), got.split("\n")) if line[1] != line[2]]
        assert not wrong, (fields, wrong)


def test_the_names_of_the_table_are_those_of_this_test():
    rows = [line.split("`")[1] for line in run("markdown", []) if line.startswith("| `run_")]
    assert sorted(rows) == sorted(NAMES)


# --- dates in a form of one's own ---

LETTERS = {
    "yyyy": lambda t, o: f"{t.year:04d}", "yy": lambda t, o: f"{t.year % 100:02d}", "y": lambda t, o: str(t.year),
    "MM": lambda t, o: f"{t.month:02d}", "M": lambda t, o: str(t.month), "MMM": lambda t, o: calendar.month_abbr[t.month],
    "MMMM": lambda t, o: calendar.month_name[t.month], "dd": lambda t, o: f"{t.day:02d}", "d": lambda t, o: str(t.day),
    "DDD": lambda t, o: f"{t.timetuple().tm_yday:03d}", "D": lambda t, o: str(t.timetuple().tm_yday),
    "Q": lambda t, o: str((t.month + 2) // 3), "QQQ": lambda t, o: f"Q{(t.month + 2) // 3}",
    "EEE": lambda t, o: calendar.day_abbr[t.weekday()], "EEEE": lambda t, o: calendar.day_name[t.weekday()],
    "a": lambda t, o: "AM" if t.hour < 12 else "PM", "HH": lambda t, o: f"{t.hour:02d}", "H": lambda t, o: str(t.hour),
    "hh": lambda t, o: f"{(t.hour + 11) % 12 + 1:02d}", "mm": lambda t, o: f"{t.minute:02d}", "ss": lambda t, o: f"{t.second:02d}",
    "SSS": lambda t, o: f"{t.microsecond // 1000:03d}", "xxx": lambda t, o: shown_offset(o, ":"), "xx": lambda t, o: shown_offset(o, ""),
    "XXX": lambda t, o: shown_offset(o, ":") if o else "Z", "'T'": lambda t, o: "T", "''": lambda t, o: "'", "-": lambda t, o: "-",
    ":": lambda t, o: ":", " ": lambda t, o: " ", "01": lambda t, o: "01", "/": lambda t, o: "/",
}


def shown_offset(value, colon):
    minutes = abs(value) // 60
    return f"{'-' if value < 0 else '+'}{minutes // 60:02d}{colon}{minutes % 60:02d}"


def stepped(zone, local, steps):
    utc = utc_of(zone, seconds(local))
    local = local_of(zone, utc)
    for count, unit in steps:
        if unit in "Hms":
            utc += count * {"H": 3600, "m": 60, "s": 1}[unit]
        else:
            day = local.date() + dt.timedelta(days=count) if unit == "d" else months_on(local.date(), count * (12 if unit == "y" else 1))
            utc = utc_of(zone, seconds(dt.datetime.combine(day, local.time())), offset(zone, utc))
        local = local_of(zone, utc)
    return local, offset(zone, utc)


def test_forms_and_steps_at_many_times():
    rng = random.Random(SEED)
    cases, expected = [], []
    for _ in range(3000):
        zone_name = rng.choice(ZONES)
        zone = zoneinfo.ZoneInfo(zone_name)
        at, ms = near_a_change(rng, zone), rng.randrange(1000)
        now = local_of(zone, at)
        form = []
        for piece in rng.choices(sorted(LETTERS), k=rng.randrange(1, 7)):
            if form and (form[-1][-1] == piece[0]):
                form.append("-")  # the same letters side by side would be one field
            form.append(piece)
        form = ["yyyy", *form] if form[0] not in ("yyyy", "yy", "y", "''", "'T'", " ") else ["d", ".", "yyyy"]
        form.append("|")
        steps = [(rng.choice([1, -1, 12, -25, rng.randrange(-400, 400)]), rng.choice("yMdHms")) for _ in range(rng.randrange(4))]
        steps = [(count % 50 if unit == "y" else count, unit) for count, unit in steps]
        text = "".join(rng.choice(["%", "% "]) + f"{count}{unit}" for count, unit in steps)
        local, off = stepped(zone, dt.datetime.combine(now.date() - dt.timedelta(days=1), now.time()), steps)
        local = local.replace(microsecond=ms * 1000)
        cases.append((f"x &{{{''.join(form)}{text}}}", {"at": at * 1000 + ms, "timezone": zone_name}))
        expected.append("x " + "".join(LETTERS[p](local, off) if p in LETTERS else p for p in form))
    wrong = [case for case in zip(cases, expected, fill(cases)) if case[1] != case[2]]
    assert not wrong, wrong[:3]


# --- numbers ---

DIGITS, PLACES = 36, 18


def plain(number):
    if number == 0:
        return "0"
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quotient(left, right):
    left, right = left.normalize(), right.normalize()
    places = max(PLACES, max(0, -left.as_tuple().exponent) - max(0, -right.as_tuple().exponent))
    exact = left / right
    whole = len(str(abs(int(exact)))) if abs(exact) >= 1 else 0
    places = min(places, DIGITS - whole) if exact != exact.quantize(Decimal(1).scaleb(-places)) else places
    return exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def random_number(rng):
    digits = rng.choice([1, 2, 3, 5, 9, 17])
    text = str(rng.randrange(1, 10**digits))
    if rng.random() < 0.5:
        at = rng.randrange(1, len(text) + 1)
        text = f"{text[:at]}.{text[at:]}{rng.randrange(10)}"
    return rng.choice(["", "", "-"]) + text


def test_numbers_are_calculated_exactly():
    rng = random.Random(SEED)
    cases, expected = [], []
    with localcontext() as context:
        context.prec = 200
        for _ in range(4000):
            left, right, op = random_number(rng), random_number(rng), rng.choice("+-*/")
            a, b = Decimal(left), Decimal(right)
            result = {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: quotient(a, b)}[op]()
            cases.append((f"${{left {op} right}}", {"variables": {"left": left, "right": right}}))
            expected.append(plain(result))
    wrong = [case for case in zip(cases, expected, fill(cases)) if case[1] != case[2]]
    assert not wrong, wrong[:5]


@pytest.mark.parametrize("times", [1, 1000, 100_000])
def test_the_time_is_linear_in_the_code(times):
    """The unit test measures it; here the real program takes as long as it takes, and gives the right text."""
    code = "select '${run_date}', ${n*2}, '${none}' from t -- $ { & &{\n" * times
    text, = fill([(code, {"variables": {"n": "1.5"}, "at": 1_715_844_612_345})])
    assert text == code.replace("${run_date}", "20240515").replace("${n*2}", "3")
