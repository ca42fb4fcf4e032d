"""Work that every run would do first, done once in the process that runs are forked from."""

from sda.experiment import ahead
from sda.runs import environment
from sda.sweeps.worker import Child

environment.revision()  # half a second, since it reads the code
ahead.read()
__all__ = ["Child"]
