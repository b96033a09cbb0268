"""State that belongs to one event loop."""

import asyncio
import gc

from videojobs.aio.per_loop import PerLoop


async def get_twice(per_loop: PerLoop[list[int]]) -> tuple[list[int], list[int]]:
    return per_loop.get(), per_loop.get()


def test_each_event_loop_has_a_value_of_its_own() -> None:
    per_loop = PerLoop[list[int]](list)
    one, again = asyncio.run(get_twice(per_loop))
    other, _ = asyncio.run(get_twice(per_loop))
    assert one is again
    assert one is not other


def test_a_loop_that_is_gone_takes_its_value_along() -> None:
    per_loop = PerLoop[list[int]](list)
    asyncio.run(get_twice(per_loop))
    gc.collect()
    assert len(per_loop._values) == 0


async def test_a_popped_value_is_made_anew() -> None:
    per_loop = PerLoop[list[int]](list)
    first = per_loop.get()
    assert per_loop.pop() is first
    assert per_loop.pop() is None
    assert per_loop.get() is not first
