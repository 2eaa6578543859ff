"""Observations of single calls and prices: the schema, and the files they are read from."""

from flowir.profile.observations import VERDICTS, Observation, Observations, merge, observations_of
from flowir.profile.prices import Price, Prices, read_prices
from flowir.profile.read import observations_from_records, read_observations
from flowir.profile.store import store_observations

__all__ = [
    "VERDICTS",
    "Observation",
    "Observations",
    "Price",
    "Prices",
    "merge",
    "observations_from_records",
    "observations_of",
    "read_observations",
    "read_prices",
    "store_observations",
]
