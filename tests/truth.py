"""Reference rates, computed without the package.

They are the textbook cosine in 80 digits, over cycles that are counted one by one.
"""

import math

from mpmath import MPContext

mp = MPContext()
mp.dps = 80


def true_rate(schedule, e):
    s, e = schedule, max(e, 0)
    start, end, index = 0, s.t_max, 0
    while e >= end and (s.cycles is None or index + 1 < s.cycles):
        start, end, index = end, end + (end - start) * s.t_mult, index + 1
    peak = mp.mpf(s.lr_initial)
    floor = mp.mpf(s.lr_min) if s.lr_min_ratio is None else mp.mpf(s.lr_min_ratio) * peak
    if index == 0:
        start = s.warmup if isinstance(s.warmup, int) else round(s.warmup * s.t_max)
        ratio = s.warmup_start_ratio
        first = peak * (mp.one / (start + 1) if ratio is None else mp.mpf(ratio))
        if e < start:
            return first + (peak - first) * mp.mpf(e) / start
        start += s.hold if isinstance(s.hold, int) else round(s.hold * s.t_max)
        e = max(e, start)
    x = mp.mpf(min(e, end) - start) / (end - start)
    height = (peak - floor) * mp.mpf(s.peak_decay) ** index
    return floor + height * (1 + mp.cos(mp.pi * x)) / 2


def ulps(rate, true):
    return float(abs(mp.mpf(rate) - true) / mp.mpf(math.ulp(float(true))))
