"""Where the verdicts of a profile come from, in sentences that every later output repeats."""

from __future__ import annotations

from flowir.profile.observations import Observations


def proxy_remarks(observations: Observations) -> list[str]:
    """A sentence for each proxy that stood in for labels; none where all is labelled."""
    found = []
    for code, proxy in enumerate(observations.proxies):
        calls = int((observations.proxy == code).sum())
        found.append(
            f"{calls} of {len(observations)} calls have no label: what is right was taken from a "
            f"proxy, {proxy}; accuracy means agreement with it"
        )
    return found
