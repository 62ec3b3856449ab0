"""What `sim_core.native` is to the type checker and to the compiler."""

from mypy_extensions import mypyc_attr as mypyc_attr
