"""The distributions of sizes. To add one, write its file in this folder and add its line to DISTRIBUTIONS."""

from traces.distributions.base import Distribution
from traces.distributions.constant import Constant
from traces.distributions.exponential import Exponential
from traces.distributions.gamma import Gamma
from traces.distributions.lognormal import LogNormal
from traces.distributions.mixture import Mixture
from traces.distributions.normal import Normal
from traces.distributions.poisson import Poisson
from traces.distributions.quantiles import Quantiles
from traces.distributions.randint import RandInt
from traces.distributions.trace import Empirical
from traces.distributions.truncnorm import TruncNorm
from traces.distributions.uniform import Uniform
from traces.policy_text import Context, split_name

DISTRIBUTIONS: dict[str, type[Distribution]] = {
    "constant": Constant,
    "uniform": Uniform,
    "randint": RandInt,
    "normal": Normal,
    "truncnorm": TruncNorm,
    "lognormal": LogNormal,
    "gamma": Gamma,
    "exponential": Exponential,
    "poisson": Poisson,
    "mixture": Mixture,
    "quantiles": Quantiles,
    "trace": Empirical,
}


def distribution(text: object, context: Context, key: str) -> Distribution:
    """The distribution that `text`, such as lognormal:mean=1024,sigma=0.8, means. SpecError, with `key`, if none."""
    name, body = split_name(text, DISTRIBUTIONS, key)
    if name == Mixture.name:  # its text contains the texts of its parts
        return Mixture.of_texts(body, context, key, distribution)
    return DISTRIBUTIONS[name].parse(body, context, key)
