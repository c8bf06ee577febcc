"""Tables of what is on its way between processes: nothing in them outlives the answer it is of."""

from datetime import datetime
from typing import Final

from sqlalchemy import Text
from sqlmodel import Field

from persistence.tables_parts import SCHEMA, HistoryRow

_UNLOGGED: Final = {"schema": SCHEMA, "prefixes": ["UNLOGGED"]}


class AnswerPieceRow(HistoryRow, table=True):
    """A part of the text of an answer in progress, for those who follow it elsewhere."""

    __tablename__ = "answer_pieces"
    __table_args__ = _UNLOGGED

    begins_at: int = Field(primary_key=True)
    text: str = Field(sa_type=Text)


class AnswerFollowerRow(HistoryRow, table=True):
    """That somebody follows an answer in another process than its runner's."""

    __tablename__ = "answer_followers"
    __table_args__ = _UNLOGGED

    until: datetime
