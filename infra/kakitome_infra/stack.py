"""The whole, in the order in which a mail meets it."""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from kakitome_infra import sources
from kakitome_infra.containers import Containers
from kakitome_infra.definition import CHILD_SECONDS, PLAN_SECONDS
from kakitome_infra.encryption import key
from kakitome_infra.environment import environment
from kakitome_infra.events import EVENTS_SECONDS, Events
from kakitome_infra.functions import Function, Ground, ground
from kakitome_infra.grants import Grants
from kakitome_infra.parameters import Parameters
from kakitome_infra.queues import dead_letters
from kakitome_infra.sending import WORKER_SECONDS, Sending
from kakitome_infra.statemachine import Lists
from kakitome_infra.storage import Storage
from kakitome_infra.watching import Watching

SWEEP_SECONDS = 55  # less than the minute after which it runs again
API_SECONDS = 30


class KakitomeStack(Stack):
    def __init__(self, scope: Construct, id: str, parameters: Parameters, **more: object) -> None:
        super().__init__(scope, id, **more)
        self.key = key(self, parameters)
        self.storage = Storage(self, parameters, self.key)
        self.sending = Sending(self, parameters, self.key)
        self.events = Events(self, parameters, self.sending, self.key)
        self.unread = dead_letters(self, "Unread", f"{parameters.name}-feed-dead", self.key)
        words = environment(self, parameters, self.storage, self.sending, self.events)
        on = ground(self, parameters, words, self.key)
        may = Grants(parameters, self.storage, self.sending, self.events, self.key)
        self.functions = self._functions(parameters, on, may)
        if parameters.containers:
            Containers(self, on, may.container())
        live = {word: one.alias for word, one in self.functions.items()}
        self.lists = Lists(self, parameters, self.storage, live, self.key)
        sources.rings(self, live["worker"], self.sending, parameters.workers)
        sources.provider_events(self, live["events"], self.events, parameters.events_by)
        sources.feed(self, live["feed"], self.storage, self.unread)
        # A stream of a campaign's table wakes nobody: the feed reads all of them, also when the ledger's own is silent.
        clocked = ("sweep", "feed") if parameters.campaign_tables == "own" or parameters.given.origin else ("sweep",)
        sources.each_minute(self, parameters.name, {word: live[word] for word in clocked})
        if parameters.api == "url":
            sources.address(self, live["api"])
        if parameters.alarms:
            Watching(self, parameters, dead=self._dead(), functions=live, machine=self.lists.machine)
        self._tell()

    def _functions(self, parameters: Parameters, on: Ground, may: Grants) -> dict[str, Function]:
        sizes = {
            "plan": (may.plan(), PLAN_SECONDS, 1024),
            "child": (may.child(), CHILD_SECONDS, 512),
            "finish": (may.finish(), CHILD_SECONDS, 512),
            "worker": (may.worker(), WORKER_SECONDS, 512),
            "events": (may.events(), EVENTS_SECONDS, 512),
            "feed": (may.feed(self.unread.queue_arn), WORKER_SECONDS, 512),
            "sweep": (may.sweep(), SWEEP_SECONDS, 512),
        }
        if parameters.api == "url":
            sizes["api"] = (may.api(), API_SECONDS, 512)
        return {
            word: Function(self, word, on, allowed, seconds=seconds, memory=memory)
            for word, (allowed, seconds, memory) in sizes.items()
        }

    def _dead(self) -> dict[str, sqs.IQueue]:
        made = {"bulk": self.sending.bulk, "transactional": self.sending.transactional, "events": self.events.made}
        dead = {
            word: one.dead_letter_queue.queue for word, one in made.items() if one is not None and one.dead_letter_queue
        }
        return dead | {"feed": self.unread}

    def _tell(self) -> None:
        """What people and scripts need to know of the stack, by name."""
        told = {
            "BucketName": self.storage.bucket.bucket_name,
            "MailsTable": self.storage.mails.table_name,
            "LedgerTable": self.storage.ledger.table_name,
            "StateMachineArn": self.lists.machine.state_machine_arn,
            "ConfigurationSetName": self.sending.set_name,
            "TopicArns": ",".join(topic.topic_arn for topic in self.events.topics),
            "EventsUrl": self.events.queue.queue_url,
            "BulkUrl": self.sending.bulk.queue_url,
            "TransactionalUrl": self.sending.transactional.queue_url,
        }
        for word, value in told.items():
            CfnOutput(self, word, value=value)
