"""Start the local stack, print where everything is and how to start a run, and keep it running until Ctrl-C.

If a part ends by itself, everything is stopped: a half-working stack would hide the failure. All data stays.
"""

import argparse
import asyncio

from rich.console import Console

from deployments.environment import NOTHING_GIVEN, Environment
from deployments.local.assembly import EVERYTHING
from deployments.local.errors import StackError
from deployments.local.guide import print_guide
from deployments.local.interruption import interruptible
from deployments.local.part import Part
from deployments.local.stack import Stack


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--processing-seconds", type=float, default=2.0, help="how long an emulated vendor works on a job (%(default)s)"
    )
    parser.add_argument(
        "--ignore-environment", action="store_true", help="start every part here, whatever the environment and .env say"
    )
    parser.add_argument(
        "--parts", type=lambda names: names.split(","), help="only these, separated by commas, and what they need"
    )


def run(options: argparse.Namespace) -> int:
    return asyncio.run(_run(options, Console()))


async def _run(options: argparse.Namespace, console: Console) -> int:
    def report(part: Part, seconds: float) -> None:
        how = f"given by {part.given_by}" if part.given_by else f"ready after {seconds:.1f} s"
        console.print(f"  {part.name:<15} {how}", highlight=False)

    stack = Stack(
        data=options.data,
        environment=NOTHING_GIVEN if options.ignore_environment else Environment(),
        wanted=options.parts or EVERYTHING,
        processing_seconds=options.processing_seconds,
        report=report,
    )
    is_up = False
    with interruptible(stack.hurry) as interruption:
        try:
            console.print(f"Starting the local stack in {stack.data} ...", highlight=False, soft_wrap=True)
            async with stack:
                await print_guide(stack, console)
                is_up = True
                try:
                    await stack.watch()
                finally:
                    console.print("\nStopping ...")
        except StackError as error:
            console.print(f"\n{error}", style="red", markup=False, highlight=False, soft_wrap=True)
            console.print("Everything is stopped. The data stays.")
            return 1
        except asyncio.CancelledError:
            console.print("Stopped. The data stays.")
        return 0 if is_up else interruption.exit_code
