"""The stack as several deployments would have it, written out as templates: `python variants.py FOLDER CODE`.

One process for all, for starting Node is what takes the time; and few of them, for each takes two seconds more.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

APP = Path(__file__).parents[2] / "infra"
HERE = "111122223333"
KEY = f"arn:aws:kms:eu-west-1:{HERE}:key/own"

ROLE = "arn:aws:iam::444455556666:role/mail"
SECRET = f"arn:aws:secretsmanager:eu-west-1:{HERE}:secret:slack-AbCdEf"
SETTINGS = {
    "KAKITOME_HTTP__KEYS": "ssm:/kakitome/api-key,ssm:other",
    "KAKITOME_ALERTS__SLACK": f"secretsmanager:{SECRET}",
    "KAKITOME_LANES__SG__API_KEY": "ssm:/kakitome/sendgrid",
    "KAKITOME_LANES__SES__ASSUME_ROLE": ROLE,
}

VARIANTS: dict[str, dict[str, str]] = {
    "plain": {
        "identities": "example.com",
        "sender": "Shop <news@example.com>",
        "api": "url",
        "settings": json.dumps(SETTINGS),
    },
    "own-key": {
        "encryption": "own",
        "events_by": "function",
        "identities": "example.com",
        "campaign_tables": "own",
    },
    "given": {
        "alarms": "false",
        "given.bucket": "their-lists",
        "given.mails": "their-mails",
        "given.ledger": "restored",
        "given.stream": f"arn:aws:dynamodb:eu-west-1:{HERE}:table/restored/stream/2026-11-22T00:00:00.000",
        "given.origin": "ledger-of-old",
        "given.configuration_set": "Theirs",
        "given.topics": f"arn:aws:sns:eu-west-1:{HERE}:one,arn:aws:sns:eu-west-1:{HERE}:two",
        "given.queue": f"arn:aws:sqs:eu-west-1:{HERE}:theirs",
        "given.identities": "example.org",
        "given.key": KEY,
        "given.vpc": "vpc-1",
        "given.zones": "eu-west-1a",
        "given.subnets": "subnet-1",
        "given.security_groups": "sg-1",
        "workers": "0",
        "containers": "2",
        "containers_most": "5",
        "image": f"{HERE}.dkr.ecr.eu-west-1.amazonaws.com/kakitome:1",
    },
}


def write(folder: Path, code: str) -> None:
    sys.path.append(str(APP))
    import aws_cdk

    from kakitome_infra.parameters import Parameters
    from kakitome_infra.stack import KakitomeStack

    flags = json.loads((APP / "cdk.json").read_text("utf-8"))["context"]
    for name, context in VARIANTS.items():
        app = aws_cdk.App(outdir=str(folder / name), context=flags, analytics_reporting=False)
        KakitomeStack(app, "Kakitome", Parameters.of(flags | context | {"code": code}))
        app.synth()


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2])
