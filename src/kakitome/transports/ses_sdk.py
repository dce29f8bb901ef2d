"""SES by the SDK, for what is no mail: one question, one request, with the SDK's repetitions off.

Only where our own connection for mail does not do (`http_line.ANSWER_LIMIT`, XML) and nothing has to be sent only once.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

from kakitome.transports.aws_credentials import AwsCredentials
from kakitome.transports.opening import Unreached
from kakitome.transports.ses import ENDPOINT, SesSettings


class Unasked(Exception):
    """There is no answer to use. `why` is for people; `code` is AWS's, and `None` where AWS said nothing."""

    def __init__(self, why: str, code: str | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.code = code


async def ask(
    service: str, operation: str, settings: SesSettings, credentials: AwsCredentials, patience: float, **words: Any
) -> dict[str, Any]:
    """The answer to one operation, within `patience` seconds. Of the settings region, endpoint and `ca` are used.

    Raises `Unasked`.
    """
    errors = await asyncio.to_thread(importlib.import_module, "botocore.exceptions")
    parsers = await asyncio.to_thread(importlib.import_module, "botocore.parsers")
    network = await asyncio.to_thread(importlib.import_module, "aiohttp")
    try:
        async with asyncio.timeout(patience), await _client(service, settings, credentials, patience) as ses:
            found: dict[str, Any] = await getattr(ses, operation)(**words)
            return found
    except Unreached as error:
        raise Unasked(error.outcome.reply.text if error.outcome.reply else str(error)) from error
    except errors.ClientError as error:
        told = error.response.get("Error", {})
        raise Unasked(f"SES answered {told.get('Code')}: {told.get('Message')}", told.get("Code")) from error
    except parsers.ResponseParserError as error:  # not of the SDK's own family: a proxy's page where XML should be
        raise Unasked("what answered is not SES; is there a proxy on the way?") from error
    except (errors.BotoCoreError, network.ClientError, OSError) as error:
        raise Unasked(f"{type(error).__name__}: {error}") from error


async def _client(service: str, settings: SesSettings, credentials: AwsCredentials, patience: float) -> Any:
    sdk = await asyncio.to_thread(importlib.import_module, "aiobotocore.session")  # half a second
    config = await asyncio.to_thread(importlib.import_module, "aiobotocore.config")
    keys = await credentials.keys()
    return sdk.AioSession().create_client(
        service,
        region_name=settings.region,
        endpoint_url=settings.endpoint or ENDPOINT.format(region=settings.region),
        verify=settings.ca or True,
        aws_access_key_id=keys.access,
        aws_secret_access_key=keys.secret,
        aws_session_token=keys.token,
        config=config.AioConfig(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=patience),
    )
