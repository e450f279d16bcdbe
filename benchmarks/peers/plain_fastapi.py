"""A FastAPI service as teams write it: PyJWT, sessions in Redis, users through SQLAlchemy.

Written with care: keys are parsed once, connections are kept, hashing leaves the event loop.
"""

import os
import secrets
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import jwt
from argon2.exceptions import VerifyMismatchError
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from fastapi import Depends, FastAPI, HTTPException
from fastapi.concurrency import run_in_threadpool
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel, ConfigDict
from redis.asyncio import Redis
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from benchmarks.peers.database import User, hasher, sessions

ACCESS_SECONDS = 15 * 60
REFRESH_SECONDS = 14 * 24 * 60 * 60

private_key: Any = load_pem_private_key(os.environ["PRIVATE_KEY"].encode(), None)
public_key = private_key.public_key()
redis = Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
app = FastAPI()
bearer = OAuth2PasswordBearer(tokenUrl="auth/login")


class Credentials(BaseModel):
    username: str
    password: str


class RefreshToken(BaseModel):
    refresh_token: str


class TokenPair(BaseModel):
    access_token: str
    refresh_token: str
    token_type: str = "bearer"


class UserOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    username: str
    email: str
    first_name: str
    last_name: str
    role: str
    is_active: bool
    is_superuser: bool
    created_at: datetime


async def database() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


Database = Annotated[AsyncSession, Depends(database)]
unauthorized = HTTPException(401, "Could not validate credentials")


def read(token: str, kind: str) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(token, public_key, algorithms=["RS256"])
    except jwt.InvalidTokenError as error:
        raise unauthorized from error
    if claims.get("type") != kind:
        raise unauthorized
    return claims


async def current_user(token: Annotated[str, Depends(bearer)], db: Database) -> User:
    claims = read(token, "access")
    if await redis.get(f"session:{claims['sid']}") is None:
        raise unauthorized
    user = await db.get(User, UUID(claims["sub"]))
    if user is None or not user.is_active:
        raise unauthorized
    return user


def sign(user: User, sid: str, kind: str, seconds: int, **claims: Any) -> str:
    now = int(time.time())
    claims |= {"sub": str(user.id), "sid": sid, "type": kind, "iat": now, "exp": now + seconds}
    return jwt.encode(claims, private_key, algorithm="RS256")


async def issue(user: User, sid: str) -> TokenPair:
    jti = secrets.token_hex(16)
    await redis.set(f"session:{sid}", jti, ex=REFRESH_SECONDS)
    return TokenPair(
        access_token=sign(user, sid, "access", ACCESS_SECONDS, role=user.role),
        refresh_token=sign(user, sid, "refresh", REFRESH_SECONDS, jti=jti),
    )


@app.post("/auth/login")
async def login(given: Credentials, db: Database) -> TokenPair:
    user = await db.scalar(select(User).where(User.username == given.username))
    if user is None:
        raise unauthorized
    try:
        await run_in_threadpool(hasher.verify, user.hashed_password, given.password)
    except VerifyMismatchError as error:
        raise unauthorized from error
    return await issue(user, str(uuid4()))


@app.post("/auth/refresh")
async def refresh(given: RefreshToken, db: Database) -> TokenPair:
    claims = read(given.refresh_token, "refresh")
    if await redis.get(f"session:{claims['sid']}") != claims["jti"]:
        raise unauthorized
    user = await db.get(User, UUID(claims["sub"]))
    if user is None or not user.is_active:
        raise unauthorized
    return await issue(user, claims["sid"])


@app.get("/users/me")
async def me(user: Annotated[User, Depends(current_user)]) -> UserOut:
    return UserOut.model_validate(user)
