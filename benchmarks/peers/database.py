"""The users of both FastAPI services and how their passwords are hashed."""

import asyncio
import json
import os
from datetime import UTC, datetime
from uuid import UUID, uuid4

from argon2 import PasswordHasher, Type
from fastapi_users.db import SQLAlchemyBaseUserTableUUID
from sqlalchemy import String
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

TIME_COST = int(os.environ["ARGON2_TIME_COST"])
MEMORY_KIB = int(os.environ["ARGON2_MEMORY_KIB"])
PARALLELISM = int(os.environ["ARGON2_PARALLELISM"])
hasher = PasswordHasher(TIME_COST, MEMORY_KIB, PARALLELISM, type=Type.ID)

url = os.environ["DATABASE_URL"].replace("postgres://", "postgresql+asyncpg://")
# As many connections as requests under way in a process, so that none is opened for a request.
engine = create_async_engine(url, pool_size=16, max_overflow=0)
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class User(SQLAlchemyBaseUserTableUUID, Base):
    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    username: Mapped[str] = mapped_column(String(150), unique=True)
    first_name: Mapped[str] = mapped_column(String(150), default="Ada")
    last_name: Mapped[str] = mapped_column(String(150), default="Lovelace")
    role: Mapped[str] = mapped_column(String(32), default="user")
    created_at: Mapped[datetime] = mapped_column(
        default=lambda: datetime.now(UTC).replace(tzinfo=None)
    )


async def seed() -> None:
    """Make the table and the users: `python -m benchmarks.peers.database`."""
    password = hasher.hash(os.environ["PASSWORD"])
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with sessions() as session:
        session.add_all(
            User(username=name, email=name, hashed_password=password)
            for name in json.loads(os.environ["USERS"])
        )
        await session.commit()
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(seed())
