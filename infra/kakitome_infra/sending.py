"""With what mail is sent: identities, the configuration set, and the doorbells of the workers."""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_ses as ses
from constructs import Construct

from kakitome_infra.parameters import Parameters
from kakitome_infra.queues import queue

RINGS = 1000  # receptions before a ring is put aside: it holds no mail, and the sweeper rings again
WORKER_SECONDS = 60
VISIBLE = 6 * WORKER_SECONDS  # "Using Lambda with Amazon SQS": six times the function's time


class Sending(Construct):
    def __init__(self, scope: Construct, parameters: Parameters, key: kms.IKey | None) -> None:
        super().__init__(scope, "Sending")
        self.set_name = parameters.given.configuration_set or parameters.configuration_set
        self.set = None if parameters.given.configuration_set else self._set(self.set_name)
        self.identities = [_arn(self, f"identity/{name}") for name in parameters.given.identities]
        for name in parameters.identities:
            self._identity(name)
        self.set_arn = _arn(self, f"configuration-set/{self.set_name}")
        self.bulk, self.transactional = (
            queue(self, word.capitalize(), f"{parameters.name}-{word}", key, tries=RINGS, visible=VISIBLE)
            for word in ("bulk", "transactional")
        )

    def _set(self, name: str) -> ses.CfnConfigurationSet:
        return ses.CfnConfigurationSet(
            self,
            "Set",
            name=name,
            reputation_options=ses.CfnConfigurationSet.ReputationOptionsProperty(reputation_metrics_enabled=True),
            sending_options=ses.CfnConfigurationSet.SendingOptionsProperty(sending_enabled=True),
            suppression_options=ses.CfnConfigurationSet.SuppressionOptionsProperty(
                suppressed_reasons=["BOUNCE", "COMPLAINT"]
            ),
        )

    def _identity(self, name: str) -> None:
        """A domain is signed by SES's own keys of 2,048 bits; its three records are outputs, to be put into the DNS."""
        domain = "@" not in name
        signing = ses.CfnEmailIdentity.DkimSigningAttributesProperty(next_signing_key_length="RSA_2048_BIT")
        made = ses.CfnEmailIdentity(
            self,
            f"Identity{name}",
            email_identity=name,
            dkim_attributes=ses.CfnEmailIdentity.DkimAttributesProperty(signing_enabled=True) if domain else None,
            dkim_signing_attributes=signing if domain else None,
            feedback_attributes=ses.CfnEmailIdentity.FeedbackAttributesProperty(email_forwarding_enabled=False),
        )
        self.identities.append(_arn(self, f"identity/{name}"))
        if domain:
            for n, (record, value) in enumerate(_records(made), 1):
                CfnOutput(self, f"Dkim{name}{n}", value=f"{record} CNAME {value}", description="To be put into the DNS")


def _records(made: ses.CfnEmailIdentity) -> list[tuple[str, str]]:
    return [
        (made.attr_dkim_dns_token_name1, made.attr_dkim_dns_token_value1),
        (made.attr_dkim_dns_token_name2, made.attr_dkim_dns_token_value2),
        (made.attr_dkim_dns_token_name3, made.attr_dkim_dns_token_value3),
    ]


def _arn(scope: Construct, resource: str) -> str:
    stack = Stack.of(scope)
    return f"arn:{stack.partition}:ses:{stack.region}:{stack.account}:{resource}"
