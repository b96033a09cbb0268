"""Delete all data of a stopped stack: databases, objects, logs, secrets."""

import argparse

from rich.console import Console

from deployments.local.stack.data_dir import DataDir
from deployments.local.stack.errors import StackError


def add_options(_: argparse.ArgumentParser) -> None:
    """No options beside the data folder."""


def run(options: argparse.Namespace) -> int:
    console = Console()
    if not options.data.exists():
        return 0
    try:
        with DataDir(options.data) as folder:
            folder.delete()
    except StackError as error:
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        return 1
    return 0
