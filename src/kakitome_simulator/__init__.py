"""A mail provider one can run: Amazon SES as its clients see it, with faults on request.

It imports nothing of Kakitome, so that it can be the judge of it. From a shell: `python -m kakitome_simulator --help`.
In a test: `Simulator` inside an asyncio loop, or the fixture `simulator` of `kakitome_simulator.pytest_plugin`.
"""

from .accepted import Accepted
from .cli import main
from .options import Endpoint, OptionError, Options
from .simulator import Simulator

__all__ = ["Accepted", "Endpoint", "OptionError", "Options", "Simulator", "main"]
