"""`serve` and `worker`: what runs until it is told to stop."""

from __future__ import annotations

from argparse import Namespace

from kakitome.cli import session
from kakitome.cli.interrupt import interruptible
from kakitome.cli.out import Out
from kakitome.cli.trouble import told


async def serve(args: Namespace, out: Out) -> int:
    from kakitome.http.address import address
    from kakitome.http.server import serve as serving

    def announce(at: str) -> None:
        if out.json:
            out.document({"http": at})
        out.note(f"Serving http://{at}; a worker runs. Ctrl-C ends both in order.")

    async with session.instance(args, out) as instance:
        host, port = address(args.address or instance.config.http.address)
        with told(out.note):
            await serving(instance, host, port, announce=announce)
    return 0


async def worker(args: Namespace, out: Out) -> int:
    if args.http:
        return await _woken(args, out)
    async with session.instance(args, out) as instance:
        with interruptible() as interruption, told(out.note):
            worker = instance.worker()
            interruption.call(worker.stop)
            out.note("The worker runs. Ctrl-C ends it in order: what is on the wire is finished.")
            await worker.run()
    out.note("The worker has ended. Nothing is lost: what was not sent waits for the next one.")
    return 0


async def _woken(args: Namespace, out: Out) -> int:
    from kakitome.http.address import address
    from kakitome.http.wake import serve_worker

    def announce(at: str) -> None:
        if out.json:
            out.document({"http": at})
        out.note(f"The worker runs, and is woken by posts to http://{at}/. Ctrl-C ends it in order.")

    async with session.instance(args, out) as instance:
        with told(out.note):
            await serve_worker(instance, *address(args.http), announce)
    return 0
