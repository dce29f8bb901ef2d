"""Templates and single mails become `Content`."""

from kakitome.rendering.single import plain_content
from kakitome.rendering.template import CompiledTemplate, Preview, compile_template, preview

__all__ = ["CompiledTemplate", "Preview", "compile_template", "plain_content", "preview"]
