"""A provider, a door for its events, and victims that are killed: run as a process of its own, since it forks.

    python rig.py '{"folder": …, "lane": "ses-smtp", "events": "all", "kills": 75, "seed": 1}'

prints the judge's report as JSON. Victims are forked from a process that has everything imported and nothing running,
so that a life of a few milliseconds is possible.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import msgspec

sys.path.insert(0, str(Path(__file__).parent))

import door
import judge
import naive
import receiver
import victim
from plan import Plan, configuration

from kakitome.config import Config
from kakitome.core.template import TemplateSource
from kakitome.lists import open_list
from kakitome_simulator.remote import Remote

ROWS = 12_000


def main(plan: Plan) -> judge.Report:
    accepted = plan.folder / "accepted.jsonl"
    if plan.lane == "smtp":
        return with_a_stranger(plan, accepted)
    simulator, remote = start_simulator(plan, accepted)
    try:
        if plan.play == "naive":
            return naive_rounds(plan, remote, accepted)
        config = configuration(plan, remote)
        with open_door(plan, remote, config):
            {"stopped": stopped, "import": imports}.get(plan.play, rounds)(plan, config)
            fork_and_wait(lambda: victim.finish(config, "faults", plan.events != "none"))
        return judge.judge(config, accepted, plan.folder / "acknowledged")
    finally:
        simulator.terminate()
        simulator.wait()


def with_a_stranger(plan: Plan, accepted: Path) -> judge.Report:
    """The same kills, judged by what a receiver that is not ours wrote down."""
    listener = socket.create_server(("127.0.0.1", 0))
    remote = Remote(http="127.0.0.1:0", smtp=f"127.0.0.1:{listener.getsockname()[1]}")
    pid = fork(lambda: receiver.stand(accepted, listener))
    try:
        config = configuration(plan, remote)
        rounds(plan, config)
        fork_and_wait(lambda: victim.finish(config, "faults", False))
        return judge.judge(config, accepted, plan.folder / "acknowledged")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def stopped(plan: Plan, config: Config) -> None:
    """A worker is stopped in the middle of a batch, past its lease; another one goes on; the first is woken."""
    sleeper = fall_asleep(plan, config)
    fork_and_wait(lambda: victim.finish(config, "faults", plan.events != "none"))
    os.kill(sleeper, signal.SIGCONT)
    wait_for_death(sleeper, 2.0)


def imports(plan: Plan, config: Config) -> None:
    """The import of a list is killed at the step, again and again, and ends all the same with each row once."""
    path = plan.folder / "list.csv"
    path.write_text("email\n" + "".join(f"r{n}@example.com\n" for n in range(ROWS)))
    reader = open_list(path)
    source = TemplateSource(name="t", sender="a@example.com", subject="Hi", text="x")
    template = msgspec.json.encode(source)
    for life in range(plan.kills):
        step = victim.crash_at(plan.step, 1 + life % 2)
        wait_for_death(fork(lambda step=step: victim.import_list(config, reader, template, step)), 20.0)  # type: ignore[misc]
    fork_and_wait(lambda: victim.import_list(config, reader, template, victim.no_step))


def fall_asleep(plan: Plan, config: Config) -> int:
    """A worker that is stopped at the step. One that was stopped in the middle of a commit is killed and another one
    begun: it would hold the file's lock, and nobody could go on before it does (docs/guarantees.md)."""
    for life in range(20):
        step = victim.stop_at(plan.step, 2)
        seed = plan.seed * 10_000 + life
        sleeper = fork(
            lambda step=step, seed=seed: victim.live(  # type: ignore[misc]
                config, plan.folder / "acknowledged", step, seed, "faults", plan.feed, True
            )
        )
        os.waitpid(sleeper, os.WUNTRACED)
        with (plan.folder / "ledger.db-write").open("ab") as lock, suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return sleeper
        os.kill(sleeper, signal.SIGKILL)
        os.waitpid(sleeper, 0)
    raise RuntimeError("every worker was stopped in the middle of a commit")


def naive_rounds(plan: Plan, remote: Remote, accepted: Path) -> judge.Report:
    """The control, under the same kills. Its doubles show that the check can fail."""
    random, mails = Random(plan.seed), plan.folder / "naive.db"
    naive.prepare(mails, 2_000)
    host, _, port = (remote.smtp or "").rpartition(":")
    for _ in range(plan.kills):
        pid = fork(lambda: naive.live(mails, host, int(port)))
        time.sleep(random.uniform(plan.shortest_ms, plan.longest_ms) / 1000)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    fork_and_wait(lambda: naive.live(mails, host, int(port)))
    return judge.judge_naive(accepted)


def rounds(plan: Plan, config: Config) -> None:
    random = Random(plan.seed)
    for first in range(0, plan.kills, plan.workers):
        before = handed_in(plan)
        pids = [begin_life(plan, config, random, life) for life in range(first, first + plan.workers)]
        for pid in pids:
            if plan.step:
                wait_for_death(pid, 3.0)
                continue
            while plan.first_mail and handed_in(plan) == before:
                time.sleep(0.005)  # between two looks at a condition
            time.sleep(random.uniform(plan.shortest_ms, plan.longest_ms) / 1000)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def handed_in(plan: Plan) -> int:
    """Bytes of what was acknowledged."""
    file = plan.folder / "acknowledged"
    return file.stat().st_size if file.exists() else 0


def begin_life(plan: Plan, config: Config, random: Random, life: int) -> int:
    times = 1 if "reap" in plan.step else 1 + random.randrange(3)
    step = victim.crash_at(plan.step, times) if plan.step else victim.no_step
    seed = plan.seed * 10_000 + life
    return fork(lambda: victim.live(config, plan.folder / "acknowledged", step, seed, "faults", plan.feed))


def wait_for_death(pid: int, seconds: float) -> bool:
    """Whether it died by itself; a life that does not reach its step within the time is ended all the same."""
    ends = time.monotonic() + seconds
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() > ends:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return False
        time.sleep(0.005)
    return True


def fork(work: Callable[[], object]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
        os._exit(0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    os._exit(1)


def fork_and_wait(work: Callable[[], object]) -> None:
    _, status = os.waitpid(fork(work), 0)
    if status:
        raise RuntimeError("a process of the rig failed; its traceback is above")


def start_simulator(plan: Plan, accepted: Path) -> tuple[subprocess.Popen[str], Remote]:
    command = [sys.executable, "-m", "kakitome_simulator", "--accepted", str(accepted), "--no-authentication"]
    command += ["--certificate", str(plan.folder / "sns.pem"), "--seed", str(plan.seed)]
    command += ["--sendgrid-key", str(plan.folder / "sendgrid.key")]
    for fault in plan.faults + ([f"lose_events@share={plan.events}"] if plan.events not in ("all", "none") else []):
        command += ["--fault", fault]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, msgspec.json.decode(process.stdout.readline(), type=Remote)


class open_door:  # noqa: N801 - reads as the statement that it is
    """Events come in through a process that is killed only where the play says so (`door_step`): then it dies there
    every time, and another one takes its place. With `events` none, nobody opens."""

    def __init__(self, plan: Plan, remote: Remote, config: Config) -> None:
        self._pid = 0
        if plan.events != "none":
            listener = socket.create_server(("127.0.0.1", 0))
            self._pid = fork(lambda: keep_open(plan, config, listener))
            at = f"http://127.0.0.1:{listener.getsockname()[1]}"
            remote.events_to(f"{at}/events/ses")
            remote.sendgrid_events_to(f"{at}/events/sendgrid")
            listener.close()

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        if self._pid:
            os.killpg(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)


def keep_open(plan: Plan, config: Config, listener: socket.socket) -> None:
    os.setpgrp()
    for life in range(plan.door_kills):
        step = victim.crash_at(plan.door_step, 20 + life)
        os.waitpid(fork(lambda step=step: door.stand(config, listener, plan.folder / "sns.pem", step)), 0)  # type: ignore[misc]
    door.stand(config, listener, plan.folder / "sns.pem", victim.no_step)


if __name__ == "__main__":
    os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", RIG_API_KEY="SG.test")
    print(
        msgspec.json.encode(
            main(msgspec.json.decode(sys.argv[1], type=Plan, dec_hook=lambda kind, value: kind(value)))
        ).decode()
    )
