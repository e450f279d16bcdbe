"""fastapi-users with its JWT strategy; it has no refresh tokens and takes no token back."""

import os
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin, schemas
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users.db import SQLAlchemyUserDatabase
from fastapi_users.password import PasswordHelper
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from benchmarks.peers.database import MEMORY_KIB, PARALLELISM, TIME_COST, User, sessions


class UserRead(schemas.BaseUser[UUID]):
    username: str
    first_name: str
    last_name: str
    role: str
    created_at: datetime


class UserManager(UUIDIDMixin, BaseUserManager[User, UUID]):
    pass


helper = PasswordHelper(
    PasswordHash(
        [Argon2Hasher(time_cost=TIME_COST, memory_cost=MEMORY_KIB, parallelism=PARALLELISM)]
    )
)


async def user_database() -> AsyncIterator[SQLAlchemyUserDatabase[User, UUID]]:
    async with sessions() as session:
        yield SQLAlchemyUserDatabase(session, User)


async def user_manager(
    database: Annotated[SQLAlchemyUserDatabase[User, UUID], Depends(user_database)],
) -> UserManager:
    return UserManager(database, helper)


def strategy() -> JWTStrategy[User, UUID]:
    return JWTStrategy(
        secret=os.environ["PRIVATE_KEY"],
        lifetime_seconds=15 * 60,
        algorithm="RS256",
        public_key=os.environ["PUBLIC_KEY"],
    )


backend = AuthenticationBackend(
    name="jwt", transport=BearerTransport(tokenUrl="auth/login"), get_strategy=strategy
)
users = FastAPIUsers[User, UUID](user_manager, [backend])
app = FastAPI()
app.include_router(users.get_auth_router(backend), prefix="/auth")
current_user = users.current_user(active=True)


@app.get("/users/me")
async def me(user: Annotated[User, Depends(current_user)]) -> UserRead:
    return UserRead.model_validate(user)
