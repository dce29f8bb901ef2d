"""What the CDK CLI runs, in this folder: `cdk deploy -c name=kakitome -c sender='Shop <news@example.com>'`."""

from __future__ import annotations

import aws_cdk

from kakitome_infra.parameters import Parameters
from kakitome_infra.stack import KakitomeStack

app = aws_cdk.App()
parameters = Parameters.of(app.node.get_all_context())
KakitomeStack(app, parameters.stack, parameters)
app.synth()
