"""`python -m kakitome.http --config FILE`: serve as `[http] address` says. Prints its address as one line of JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
from pathlib import Path

from kakitome.app import opened
from kakitome.config import Config, load
from kakitome.core.errors import ConfigurationError
from kakitome.http.address import address
from kakitome.http.server import serve


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m kakitome.http")
    parser.add_argument("--config", type=Path)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    try:
        asyncio.run(_run(load(parser.parse_args().config, os.environ)))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


async def _run(config: Config) -> None:
    host, port = address(config.http.address)
    async with opened(config) as instance:
        await serve(instance, host, port, announce=lambda at: print(json.dumps({"http": at}), flush=True))


if __name__ == "__main__":
    sys.exit(main())
