"""One way to DynamoDB, and what is done when it does not answer.

What asks (`wire`) repeats nothing: it is known here what may be repeated (everything, see `table.Table`), jittered by
an argument, and ended in words. *Amazon DynamoDB Developer Guide*, "Error handling with DynamoDB", "Error retries and
exponential backoff".
"""

from __future__ import annotations

import asyncio
from functools import cache
from random import Random
from typing import Any, Final

from kakitome.core.errors import LedgerUnavailable
from kakitome.ledgers.dynamodb.access import Keyless, Told, way
from kakitome.ledgers.dynamodb.meter import Meter
from kakitome.ledgers.dynamodb.wire import Garbled, Wire, loaded
from kakitome.ports.clock import Clock

ANSWER_S: Final = 5.0
"""Seconds for one answer. A write takes 10 ms, so one that takes five seconds is better asked for again."""

ATTEMPTS: Final = 8
FIRST_PAUSE_S: Final = 0.025
LONGEST_PAUSE_S: Final = 1.0
PATIENCE_S: Final = 15.0
"""Seconds after which nothing is asked again, however few the attempts."""

REFUSED: Final = frozenset({"ConditionalCheckFailedException", "TransactionCanceledException"})
"""Answers to a condition, not failures."""

_AGAIN: Final = frozenset(
    {
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)

_LATER: Final = (
    "Look at the network, and whether [ledger] url names the right place. A worker asks again by itself; a command, "
    "when you type it again."
)

_THROTTLED: Final = (
    "The table is throttled; a worker asks again by itself. If it stays so, look at its throttled requests in "
    "CloudWatch, and whether its capacity is limited."
)

_REMEDIES: Final = {
    "Throttling": _THROTTLED,
    "Throughput": _THROTTLED,
    "RequestLimit": _THROTTLED,
    "AccessDenied": "The keys or the role need the grants on the table and its indexes that docs/operate names.",
    "ResourceNotFound": "Look at the table's name, the region and the account: there is no such table or index.",
    "UnrecognizedClient": "AWS does not know these keys: look at the environment, the profile or the role.",
    "InvalidSignature": "AWS does not accept the signature: look at the secret key and at this machine's clock.",
    "ExpiredToken": "The session's keys are over: log in again, or look why the role is not renewed.",
    "Validation": "Asking again will not help. Report it, with the words in brackets.",
    "NoCredentials": "No AWS keys were found: set up a role, a profile or AWS_ACCESS_KEY_ID.",
}


class Refusal(Exception):
    """A condition did not hold. `answer` is in the SDK's form, with the items as they are where they were asked for."""

    def __init__(self, code: str, answer: dict[str, Any]) -> None:
        super().__init__(code)
        self.answer = answer


class Line:
    """Connections are opened at the first question and kept. One for any number of tables; one event loop.

    `keys` (name and secret) are only for emulators: otherwise those of the SDK's chain, renewed by it.
    """

    def __init__(
        self,
        region: str,
        endpoint: str | None,
        clock: Clock,
        random: Random,
        *,
        answer_s: float = ANSWER_S,
        keys: tuple[str, str] | None = None,
        service: str = "dynamodb",
    ) -> None:
        self.region = region
        self._endpoint = endpoint
        self._clock = clock
        self._random = random
        self._answer_s = answer_s
        self._keys = keys
        self._service = service
        self._opening = asyncio.Lock()
        self._wire: Wire | None = None

    async def ask(self, operation: str, meter: Meter, **parameters: Any) -> dict[str, Any]:
        """One operation's answer, by its name in the SDK. It must be one that may be repeated.

        Raises `Refusal` for a condition that did not hold, `LedgerUnavailable` when the patience is over or AWS's
        answer would be the same again.
        """
        begun = self._clock.monotonic()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = await (self._wire or await self._connected()).ask(operation, parameters)
            except failures() as error:
                code = code_of(error)
                if code in REFUSED and not _contended(error):
                    meter.refused[operation] += 1
                    raise Refusal(code, _told(error)) from error
                late = self._clock.monotonic() - begun >= PATIENCE_S
                if attempt == ATTEMPTS or late or not _passing(error):
                    raise unavailable(operation, error, attempt) from error
                meter.again[operation] += 1
                await self.pause(attempt)
            else:
                meter.add(operation, answer)
                return answer
        raise AssertionError("the last attempt answers or raises")

    def of_streams(self) -> Line:
        """To the streams of the same tables, over connections of its own."""
        return Line(
            self.region,
            self._endpoint,
            self._clock,
            self._random,
            answer_s=self._answer_s,
            keys=self._keys,
            service="dynamodbstreams",
        )

    async def pause(self, attempt: int) -> None:
        """Between two attempts: up to 25 ms after the first, twice as long after each further one, at most 1 s."""
        longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (attempt - 1))
        await self._clock.sleep(self._random.uniform(0, longest))

    async def close(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.close()

    async def _connected(self) -> Wire:
        async with self._opening:
            if self._wire is None:
                await asyncio.to_thread(loaded)  # half a second: not in the loop that sends mail by the millisecond
                there = await way(self._service, self.region, self._endpoint, self._keys)
                self._wire = Wire(there, self.region, self._service, self._clock, self._answer_s)
            return self._wire


@cache
def failures() -> tuple[type[BaseException], ...]:
    """What a request may raise because of the network, the keys or AWS."""
    from aiohttp import ClientError as NetworkError

    return (Told, Garbled, Keyless, NetworkError, OSError, TimeoutError)


def code_of(error: BaseException) -> str:
    """AWS's name for the error, the exception's own where AWS said nothing."""
    told = _told(error)
    if told:
        return str(told.get("Error", {}).get("Code", ""))
    return error.code if isinstance(error, Keyless) else type(error).__name__


def unavailable(operation: str, error: BaseException, attempts: int) -> LedgerUnavailable:
    code = code_of(error)
    told = _told(error)
    words = str(told.get("Error", {}).get("Message", "")) if told else str(error)
    remedy = next((text for part, text in _REMEDIES.items() if part in code), _LATER)
    return LedgerUnavailable(
        f"DynamoDB did not do {operation} ({code}: {words[:300]}; asked {attempts} times). Nothing was acknowledged; "
        "what was asked may have been done or not, and doing it again changes nothing twice.",
        remedy,
        code=code,
        operation=operation,
    )


def _told(error: BaseException) -> dict[str, Any]:
    return error.response if isinstance(error, Told) else {}


def _passing(error: BaseException) -> bool:
    """Whether the same question may be answered otherwise a little later."""
    told = _told(error)
    if told:
        status = told.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or code_of(error) in _AGAIN or _contended(error)
    return code_of(error) not in {"NoCredentialsError", "PartialCredentialsError"}


def _contended(error: BaseException) -> bool:
    """A transaction that no condition cancelled, only others at the same items or too many requests."""
    told = _told(error)
    if told.get("Error", {}).get("Code") != "TransactionCanceledException":
        return False
    codes = {reason.get("Code") for reason in told.get("CancellationReasons", ())} - {"None", None}
    return bool(codes) and codes <= {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
