"""Mailing lists: CSV files as people really have them, read row by row.

    file      a list on disk: what it is, and its rows        rejects   what could not be used, for people
    encoding  which encoding     header   which columns       records   where rows begin and end

All but `file` work on chunks and know no disk, so that a list in an object store is read by the same rules.
"""

from kakitome.ports.lists import BadRow, Row

from .file import ListFile, open_list
from .limits import Limits
from .rejects import RejectsFile

__all__ = ["BadRow", "Limits", "ListFile", "RejectsFile", "Row", "open_list"]
