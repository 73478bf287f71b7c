"""Rows that are written once: a later fact is another row, so that nothing said disappears."""

from django.db import models


class WrittenOnce(Exception):
    """This row was stated or published: it is superseded by another one, never edited."""


class WrittenOnceQuerySet(models.QuerySet):
    """No general door: each allowed move is a method named for it, which calls `_move`."""

    def update(self, **kwargs):
        raise WrittenOnce

    def delete(self):
        raise WrittenOnce

    def _move(self, **changes) -> bool:
        """The conditional update behind a move: whether a row was still where it had to be."""
        return bool(super().update(**changes))
