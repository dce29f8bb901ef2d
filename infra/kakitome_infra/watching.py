"""What a person is told, and one page to look at. Each alarm says what is broken, not what is busy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambdas
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as states
from constructs import Construct

from kakitome_infra.parameters import Parameters

BOUNCES, COMPLAINTS = 0.04, 0.0008  # of one; before SES reviews an account at 0.05 and 0.001
BEHIND = 10 * 60 * 1000  # ms that the stream's reader is behind: as long as alerts wait for late mail
LOOK = Duration.minutes(5)


class Watching(Construct):
    def __init__(
        self,
        scope: Construct,
        parameters: Parameters,
        *,
        dead: Mapping[str, sqs.IQueue],
        functions: Mapping[str, lambdas.Alias],
        machine: states.StateMachine,
    ) -> None:
        super().__init__(scope, "Watching")
        self._name = parameters.name
        told = parameters.given.alarms
        self._told = actions.SnsAction(sns.Topic.from_topic_arn(self, "Told", told)) if told else None
        for word, queue in dead.items():
            depth = queue.metric_approximate_number_of_messages_visible(period=LOOK, statistic="Maximum")
            self._alarm(
                f"dead-letters-{word}", depth, 0, f"Something could not be worked off: see {word}'s dead letters."
            )
        for word, function in functions.items():
            errors = function.metric_errors(period=LOOK, statistic="Sum")
            self._alarm(f"errors-{word}", errors, 0, f"The function {word} fails; its log says why.", periods=3)
        behind = functions["feed"].metric("IteratorAge", period=LOOK, statistic="Maximum")
        self._alarm("feed-behind", behind, BEHIND, "What happens in the ledger is told late.")
        failed = machine.metric_failed(period=LOOK, statistic="Sum")
        self._alarm("lists-failed", failed, 0, "The run of a list failed; starting the same input again is safe.")
        rates = [_rate("BounceRate"), _rate("ComplaintRate")]
        self._alarm("bounces", rates[0], BOUNCES, "Near 5 %, where SES reviews an account. Stop the worst list.")
        self._alarm(
            "complaints", rates[1], COMPLAINTS, "Near 0.1 %, where SES reviews an account. Stop the worst list."
        )
        self._page(dead, functions, machine, rates)

    def _alarm(self, word: str, metric: cloudwatch.IMetric, above: float, why: str, *, periods: int = 1) -> None:
        made = cloudwatch.Alarm(
            self,
            word,
            alarm_name=f"{self._name}-{word}",
            alarm_description=why,
            metric=metric,
            threshold=above,
            evaluation_periods=periods,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        if self._told is not None:
            made.add_alarm_action(self._told)

    def _page(
        self,
        dead: Mapping[str, sqs.IQueue],
        functions: Mapping[str, lambdas.Alias],
        machine: states.StateMachine,
        rates: Sequence[cloudwatch.IMetric],
    ) -> None:
        errors = [one.metric_errors(period=LOOK) for one in functions.values()]
        times = [one.metric_duration(period=LOOK, statistic="p99") for one in functions.values()]
        depths = [one.metric_approximate_number_of_messages_visible(period=LOOK) for one in dead.values()]
        runs = [machine.metric_started(), machine.metric_succeeded(), machine.metric_failed()]
        graphs = {
            "Bounces and complaints": rates,
            "Lists": runs,
            "Dead letters": depths,
            "Errors": errors,
            "p99": times,
        }
        widgets = [cloudwatch.GraphWidget(title=title, left=list(lines), width=12) for title, lines in graphs.items()]
        cloudwatch.Dashboard(self, "Page", dashboard_name=self._name, widgets=[widgets])


def _rate(word: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace="AWS/SES", metric_name=f"Reputation.{word}", period=Duration.hours(1), statistic="Maximum"
    )
