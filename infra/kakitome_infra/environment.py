"""A function's environment is its configuration (docs/configuration.md), and never a secret."""

from __future__ import annotations

from aws_cdk import Stack

from kakitome_infra.events import Events
from kakitome_infra.parameters import CAMPAIGN_TABLES, Parameters
from kakitome_infra.sending import Sending
from kakitome_infra.storage import Storage

ANSWER = "20s"  # SES answers in less than one; a function that has less left than this begins nothing
PUBLIC = "KAKITOME_HTTP__PUBLIC_URL"


def environment(
    stack: Stack, parameters: Parameters, storage: Storage, sending: Sending, events: Events
) -> dict[str, str]:
    """The names with two underscores are settings as everywhere; `settings` of the deployment win over ours."""
    region = stack.region
    ours = {
        "KAKITOME_LEDGER__URL": f"dynamodb://{storage.ledger.table_name}?region={region}",
        "KAKITOME_LEDGER__FEED": "elsewhere",  # by the function of that name
        CAMPAIGN_TABLES: parameters.campaign_tables,
        "KAKITOME_QUEUE__URL": f"sqs://{parameters.name}?region={region}",
        "KAKITOME_LANES__SES__PROVIDER": "ses",
        "KAKITOME_LANES__SES__REGION": region,
        "KAKITOME_LANES__SES__CONFIGURATION_SET": sending.set_name,
        "KAKITOME_LANES__SES__TIMEOUT": ANSWER,
        "KAKITOME_STREAMS__BULK__KIND": "bulk",
        "KAKITOME_STREAMS__BULK__ROUTE": "ses",
        "KAKITOME_STREAMS__TRANSACTIONAL__ROUTE": "ses",
        "KAKITOME_EVENTS__TOPICS": ",".join(topic.topic_arn for topic in events.topics),
        "KAKITOME_LISTS_BUCKET": storage.bucket.bucket_name,
        "KAKITOME_MAILS_TABLE": storage.mails.table_name,
    }
    if parameters.sender:
        ours["KAKITOME_STREAMS__BULK__FROM"] = parameters.sender
    if PUBLIC not in parameters.settings:  # a link that leads nowhere is refused: the mail carries its own, or none
        ours["KAKITOME_STREAMS__BULK__UNSUBSCRIBE"] = "none"
    return ours | dict(parameters.settings)
