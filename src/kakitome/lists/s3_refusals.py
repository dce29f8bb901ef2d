"""Why S3 does not hand out a list, in words for whoever wants to send to it. (Amazon S3 API Reference, "Error
responses"; a HEAD has no body, so its code is the bare status.)"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from kakitome.core.errors import ListError

from .origin import changed, empty, missing

_ANOTHER = {"PreconditionFailed", "412", "NoSuchKey", "NoSuchVersion", "404"}
_ABSENT = {"NoSuchKey", "NoSuchVersion", "404", "MethodNotAllowed"}  # the last: the version is a delete marker
_FORBIDDEN = {"AccessDenied", "AllAccessDisabled", "403"}
_KEYS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"}
_CHAIN = "Look at AWS_PROFILE, the keys in the environment, or the role of this machine: aws sts get-caller-identity."


@contextmanager
def asking(path: str, *, opened: bool = False) -> Iterator[None]:
    """Whatever the SDK raises within, as a `ListError`. `opened`: the request named the version that was pinned."""
    from botocore import exceptions as sdk
    from botocore.parsers import ResponseParserError  # not of the SDK's family: a proxy's page where XML should be

    try:
        yield
    except sdk.ClientError as error:
        raise _refused(path, error.response.get("Error", {}), opened) from error
    except (sdk.NoCredentialsError, sdk.PartialCredentialsError, sdk.ProfileNotFound) as error:
        raise ListError(f"{path} cannot be read: {_line(error)}.", _CHAIN) from error
    except sdk.ParamValidationError as error:
        raise ListError(f"{path} cannot be a list in S3: {_line(error)}", "Write s3://BUCKET/KEY.") from error
    except (sdk.BotoCoreError, ResponseParserError, ValueError) as error:
        remedy = "Look at the network, AWS_REGION and AWS_ENDPOINT_URL; the same command goes on where it stopped."
        raise ListError(f"{path} cannot be read: {_line(error)}.", remedy) from error


def _refused(path: str, told: Mapping[str, object], opened: bool) -> ListError:
    code, message = str(told.get("Code", "")), str(told.get("Message", ""))
    bucket, _, key = path.removeprefix("s3://").partition("/")
    said = f"S3 answered {code}: {message}"
    if opened and code in _ANOTHER:
        return changed(path)
    if code == "InvalidRange":  # what a request for the first byte of nothing gets
        return empty(path)
    if code in _ABSENT:
        return missing(path)
    if code == "NoSuchBucket":
        return ListError(f"There is no bucket {bucket}.", "Look at its name, and at whose keys these are.")
    if code in _FORBIDDEN:
        return ListError(
            f"{path} may not be read. {said}",
            f"Allow s3:GetObject and s3:GetObjectVersion on arn:aws:s3:::{bucket}/{key}, and kms:Decrypt on its key if "
            "it has one. Without s3:ListBucket a list that is missing gets the same answer.",
        )
    if code in _KEYS:
        return ListError(f"AWS does not take the keys. {said}", _CHAIN)
    if code == "InvalidObjectState":
        return ListError(f"{path} is archived. {said}", "Restore it first: aws s3api restore-object.")
    return ListError(f"{path} cannot be read. {said}", "The same command goes on where it stopped.")


def _line(error: BaseException) -> str:
    """The SDK's sentence, without its line breaks and full stop."""
    return " ".join(str(error).split())[:500].rstrip(".")
