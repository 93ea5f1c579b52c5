"""How sure a share is that was seen in so many requests: Wilson's interval, and Newcombe's for a difference.

Both hold for few requests and for shares near nothing, where plus-minus of the normal distribution does not: 0 bad of 3
says little, and 1 bad of 3 says little, too. Three standard errors, since a rollout looks at every slice: at a
tolerance of 1 % a look takes equal sides for different less than once in a thousand times.

Wilson (1927), JASA 22:209; Newcombe (1998), Statistics in Medicine 17:873, method 10.
"""

import math

Z = 3.0


def interval(bad: float, of: float) -> tuple[float, float]:
    """Return between which bounds the true share is, surely enough.

    >>> [round(bound, 3) for bound in interval(1, 20)]
    [0.005, 0.375]
    >>> [round(bound, 3) for bound in interval(100, 2000)]
    [0.037, 0.067]
    """
    if of <= 0:
        return 0.0, 1.0
    share = min(1.0, bad / of)
    middle = share + Z * Z / (2 * of)
    reach = Z * math.sqrt(share * (1 - share) / of + Z * Z / (4 * of * of))
    whole = 1 + Z * Z / of
    return max(0.0, (middle - reach) / whole), min(1.0, (middle + reach) / whole)


def worse_by(bad: float, of: float, stable_bad: float, stable_of: float) -> float:
    """Return by how much the share is worse than the stable side's, at the least.

    >>> round(worse_by(10, 100, 0, 900), 3)
    0.04
    >>> round(worse_by(1, 20, 0, 900), 3)
    0.004
    """
    share, stable_share = min(1.0, bad / of), min(1.0, stable_bad / stable_of)
    low, high = interval(bad, of)[0], interval(stable_bad, stable_of)[1]
    return share - stable_share - math.hypot(share - low, high - stable_share)
