"""When Debian's cron would start a job: a simulation of its main loop, minute by minute where the clock changes.

Reads {"years": [FIRST, LAST], "zones": [...], "expressions": [...]} and prints the release of its time zone database, then
for each zone and expression a line with the starts in UTC as seconds since 1970. `croniter` says which times of a clock
match, `zoneinfo` what the clock shows; the rest is the loop of `main` in cron.c, its names kept. Several jobs that it would
start in one minute, for several times that were skipped, count as one.
"""

import json
import sys
import zoneinfo
from bisect import bisect_left
from datetime import datetime, timedelta, timezone

import tzdata
from croniter import croniter

# Not the machine's database, which may be of another release.
zoneinfo.reset_tzpath(to=[])
MINUTE = timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1)


def minutes(time):
    return (time - EPOCH) // MINUTE


def matches(expression, first, last):
    """The minutes of a clock that never changes, counted from 1970."""
    end = datetime(last + 1, 1, 3)
    times = croniter(expression, datetime(first - 1, 12, 29), ret_type=datetime, implement_cron_bug=True)
    found = []
    while (time := times.get_next()) < end:
        found.append(minutes(time))
    return found


def clock(zone):
    def at(minute):
        local = (EPOCH + minute * MINUTE).replace(tzinfo=timezone.utc).astimezone(zone)
        return minutes(local.replace(tzinfo=None))

    return at


def changes(at, first, last):
    """The minutes at which the clock jumps."""
    hour, found = 60, []
    for minute in range(first, last, hour):
        if at(minute + hour) - at(minute) != hour:
            found.extend(m for m in range(minute + 1, minute + hour + 1) if at(m) - at(m - 1) != 1)
    return found


def starts(at, jumps, is_wild, matching, first, last):
    begun, known = set(), set(matching)
    virtual_time = at(first) - 1
    minute = first
    while minute < last:
        time_running = at(minute)
        time_diff = time_running - virtual_time
        if time_diff == 1:
            # In step: nothing but ordinary minutes until the next change.
            until = next((jump for jump in jumps if jump > minute), last)
            low = bisect_left(matching, time_running)
            high = bisect_left(matching, time_running + until - minute)
            begun.update(wall - time_running + minute for wall in matching[low:high])
            virtual_time = time_running + until - minute - 1
            minute = until
            continue
        if 0 < time_diff <= 5:
            while virtual_time < time_running:
                virtual_time += 1
                if virtual_time in known:
                    begun.add(minute)
        elif 5 < time_diff <= 180:
            if is_wild and time_running in known:
                begun.add(minute)
            while virtual_time < time_running:
                virtual_time += 1
                if not is_wild and virtual_time in known:
                    begun.add(minute)
        elif -180 < time_diff <= 0:
            if is_wild and time_running in known:
                begun.add(minute)
        else:
            virtual_time = time_running
            if time_running in known:
                begun.add(minute)
        minute += 1
    return sorted(begun)


def main():
    asked = json.load(sys.stdin)
    first_year, last_year = asked["years"]
    first, last = minutes(datetime(first_year, 1, 1)), minutes(datetime(last_year + 1, 1, 1))
    print(tzdata.IANA_VERSION)
    matching = {e: matches(e, first_year, last_year) for e in asked["expressions"]}
    for name in asked["zones"]:
        at = clock(zoneinfo.ZoneInfo(name))
        jumps = changes(at, first, last)
        for expression in asked["expressions"]:
            minute, hour, *_ = expression.split()
            is_wild = minute.startswith("*") or hour.startswith("*")
            begun = starts(at, jumps, is_wild, matching[expression], first, last)
            print(*(60 * minute for minute in begun))


main()
