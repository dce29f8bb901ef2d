"""Mailing lists: CSV files as people really have them, read row by row.

    file      a list: what it is, and its rows                rejects   what could not be used, for people
    encoding  which encoding     header   which columns       records   where rows begin and end
    origin    where the bytes are: on `disk`, in `s3` (`s3_refusals`: why they do not come)

Only `disk` and `s3` know where a list lies, so that it is read by the same rules anywhere.
"""

from kakitome.ports.lists import BadRow, Row

from .file import ListFile, open_list
from .limits import Limits
from .rejects import RejectsFile

__all__ = ["BadRow", "Limits", "ListFile", "RejectsFile", "Row", "open_list"]
