"""The desk: what is given up leaves the queue at once."""

import asyncio
import threading

import pytest

from meta_nmt.serving.desk import Desk, Full, Limits
from meta_nmt.translation.translator import Translation


class Waits:
    """A translator that translates when it is told to."""

    beam = 1

    def __init__(self):
        self.go, self.seen = threading.Event(), []

    def results(self, lines, nbest):
        self.go.wait(10)
        self.seen += lines
        return [Translation(line, [], [], []) for line in lines]


@pytest.mark.parametrize("given_up", ["the client has gone", "it took too long"])
def test_who_has_given_up_leaves_the_queue(given_up):
    translator = Waits()

    async def scene():
        desk = Desk(translator, Limits(queue_size=2, timeout_s=10.0 if given_up == "the client has gone" else 0.05))
        worker = asyncio.create_task(desk.work())
        first = asyncio.create_task(desk.translate(["first"]))
        while desk.waiting or not desk.arrival.is_set():  # until the thread has it
            await asyncio.sleep(0.001)
            if first in asyncio.all_tasks() and not desk.waiting:
                break
        waiting = [asyncio.create_task(desk.translate([name])) for name in ("second", "third")]
        await asyncio.sleep(0)
        assert len(desk.waiting) == 2
        with pytest.raises(Full):
            await desk.translate(["fourth"])
        if given_up == "the client has gone":
            for task in waiting:
                task.cancel()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        expected = asyncio.CancelledError if given_up == "the client has gone" else TimeoutError
        assert [type(end) for end in ended] == [expected] * 2 and not desk.waiting, "there is room again"
        translator.go.set()
        (fifth,) = await desk.translate(["fifth"])
        worker.cancel()
        desk.thread.shutdown()
        return fifth.source

    assert asyncio.run(scene()) == "fifth"
    assert not {"second", "third"} & {*translator.seen}, "nobody wants them any more"
