"""The arrival processes. To add one, write its file in this folder and add its line to ARRIVALS.

Closed arrivals (traces.arrivals.closed) are none: only a run tells their times.
"""

from sim_core.errors import SpecError
from traces.arrivals.base import ArrivalProcess
from traces.arrivals.closed import NAME as CLOSED
from traces.arrivals.constant import Constant
from traces.arrivals.gamma import Gamma
from traces.arrivals.onoff import OnOff
from traces.arrivals.piecewise import Piecewise
from traces.arrivals.poisson import Poisson
from traces.arrivals.sinusoidal import Sinusoidal
from traces.arrivals.trace import Given
from traces.arrivals.utilization import Utilization
from traces.policy_text import Context, parameters, split_name

ARRIVALS: dict[str, type[ArrivalProcess]] = {
    "poisson": Poisson,
    "constant": Constant,
    "gamma": Gamma,
    "onoff": OnOff,
    "piecewise": Piecewise,
    "sinusoidal": Sinusoidal,
    "trace": Given,
    "utilization": Utilization,
}


def arrivals(text: object, context: Context, key: str) -> ArrivalProcess:
    """The process that `text`, such as gamma:rate=70,cv=2, describes. SpecError, naming `key`, if it is not valid."""
    name, body = split_name(text, (*ARRIVALS, CLOSED), key)
    if name == CLOSED:
        raise SpecError("have no times before a run", key=key, value=text)
    section = parameters(body, key)
    process = ARRIVALS[name].from_section(section, context)
    section.done()
    return process
