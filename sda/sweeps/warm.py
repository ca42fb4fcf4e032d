"""Work that every run would do first, done once in the process that runs are forked from."""

from sda.experiment import launch
from sda.runs import environment
from sda.sweeps.worker import Child

environment.revision()  # half a second, since it reads the code
launch.read_ahead()
__all__ = ["Child"]
