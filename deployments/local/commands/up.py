"""Start the local stack, print where everything is and how to start a run, and keep it running until Ctrl-C.

If a service exits by itself, the whole stack stops: a half-working stack would hide the failure. All data is kept.
"""

import argparse
import asyncio

from rich.console import Console

from deployments.local.commands.usage import print_usage
from deployments.local.stack.errors import StackError
from deployments.local.stack.service import Service
from deployments.local.stack.service_graph import ALL_SERVICES
from deployments.local.stack.signals import cancel_on_signal
from deployments.local.stack.stack import Stack
from deployments.server.environment import EMPTY_ENVIRONMENT, Environment


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--processing-seconds",
        type=float,
        default=2.0,
        help="how long an emulated vendor processes a job (%(default)s)",
    )
    parser.add_argument(
        "--ignore-environment",
        action="store_true",
        help="start every service here, whatever the environment and .env say",
    )
    parser.add_argument("--services", type=_split, help="only these, separated by commas, and what they depend on")
    parser.add_argument("--parts", dest="services", type=_split, default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def _split(names: str) -> list[str]:
    return names.split(",")


def run(options: argparse.Namespace) -> int:
    return asyncio.run(_run(options, Console()))


async def _run(options: argparse.Namespace, console: Console) -> int:
    def on_ready(service: Service, seconds: float) -> None:
        how = f"external: {service.override_variable}" if service.override_variable else f"ready after {seconds:.1f} s"
        console.print(f"  {service.name:<15} {how}", highlight=False)

    stack = Stack(
        data=options.data,
        environment=EMPTY_ENVIRONMENT if options.ignore_environment else Environment(),
        services=options.services or ALL_SERVICES,
        processing_seconds=options.processing_seconds,
        on_ready=on_ready,
    )
    is_up = False
    with cancel_on_signal(stack.force_stop) as interruption:
        try:
            console.print(f"Starting the local stack in {stack.data} ...", highlight=False, soft_wrap=True)
            async with stack:
                await print_usage(stack, console)
                is_up = True
                try:
                    await stack.raise_on_exit()
                finally:
                    console.print("\nStopping ...")
        except StackError as error:
            console.print(f"\n{error}", style="red", markup=False, highlight=False, soft_wrap=True)
            console.print("The stack is stopped. The data is kept.")
            return 1
        except asyncio.CancelledError:
            console.print("Stopped. The data is kept.")
        return 0 if is_up else interruption.exit_code
