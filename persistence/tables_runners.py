"""Tables of work in progress: who runs answers, which answers wait, and which are unwanted."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, Text
from sqlmodel import Field, SQLModel

from persistence.tables_parts import IN_SCHEMA, HistoryRow


class RunnerRow(SQLModel, table=True):
    """A process that runs answers, and how long the others may rely on it."""

    __tablename__ = "runners"
    __table_args__ = IN_SCHEMA

    id: UUID = Field(primary_key=True)
    lease_until: datetime


class WaitingQuestionRow(HistoryRow, table=True):
    """The question of an answer that waits, until somebody claims it."""

    __tablename__ = "waiting_questions"
    __table_args__ = (Index("waiting_questions_in_order", "moment"), IN_SCHEMA)

    question: str = Field(sa_type=Text)


class CancelRequestRow(HistoryRow, table=True):
    """An answer that is to be canceled, until its runner has heard of it."""

    __tablename__ = "cancel_requests"
    __table_args__ = (Index("cancel_requests_of_a_runner", "runner"), IN_SCHEMA)

    runner: UUID
