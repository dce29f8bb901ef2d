"""One signed request to AWS, or to what stands for it: publishing to SNS, sending to SQS.

Keys come from the environment (`AWS_ACCESS_KEY_ID` …); emulators take any, so there need not be some.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlencode

import aiohttp
import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

FORM = "application/x-www-form-urlencoded; charset=utf-8"
JSON = "application/x-amz-json-1.0"


async def publish_to_topic(session: aiohttp.ClientSession, endpoint: str, topic: str, subject: str, text: str) -> bool:
    """SNS Publish, by the Query protocol. False unless it was taken."""
    said = {"Action": "Publish", "Version": "2010-03-31", "TopicArn": topic, "Subject": subject, "Message": text}
    region = topic.split(":")[3] if topic.count(":") >= 5 else ""
    return await _post(session, endpoint, "sns", region, {"Content-Type": FORM}, urlencode(said).encode())


async def send_to_queue(session: aiohttp.ClientSession, endpoint: str, queue: str, body: str) -> bool:
    """SQS SendMessage, by the JSON protocol. False unless it was taken."""
    headers = {"Content-Type": JSON, "X-Amz-Target": "AmazonSQS.SendMessage"}
    said = msgspec.json.encode({"QueueUrl": queue, "MessageBody": body})
    return await _post(session, endpoint, "sqs", "", headers, said)


async def _post(
    session: aiohttp.ClientSession, endpoint: str, service: str, region: str, headers: Mapping[str, str], body: bytes
) -> bool:
    url = endpoint.rstrip("/") + "/"
    signed = AWSRequest("POST", url, headers=dict(headers), data=body)
    SigV4Auth(_keys(), service, region or os.environ.get("AWS_REGION", "us-east-1")).add_auth(signed)
    async with session.post(url, data=body, headers=dict(signed.headers.items()), allow_redirects=False) as answer:
        await answer.read()
        return answer.status == 200


def _keys() -> Credentials:
    look = os.environ.get
    return Credentials(
        look("AWS_ACCESS_KEY_ID", "simulator"), look("AWS_SECRET_ACCESS_KEY", "simulator"), look("AWS_SESSION_TOKEN")
    )
