"""The local stack's commands: `python -m deployments.local COMMAND --help`."""

import argparse
import sys
from importlib import import_module
from pathlib import Path

from deployments.local.stack.stack import DEFAULT_DATA

COMMANDS = {
    "demo": "run one job from start to end, and stop everything",
    "up": "start everything, and keep it running until Ctrl-C",
    "clean": "delete the data of a stopped stack",
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m deployments.local",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"{name:<8} {summary}" for name, summary in COMMANDS.items()),
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of the below")
    name = parser.parse_args(sys.argv[1:2]).command
    command = import_module(f"deployments.local.commands.{name}")  # only this one: the demo's imports take a second
    parser = argparse.ArgumentParser(prog=f"python -m deployments.local {name}", description=command.__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the data folder (%(default)s)")
    command.add_options(parser)
    return int(command.run(parser.parse_args(sys.argv[2:])))


if __name__ == "__main__":
    sys.exit(main())
