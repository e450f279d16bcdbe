"""A FastAPI service whose callers bring access tokens of the authentication service.

pip install fastapi uvicorn
AUTH_ISSUER=http://localhost:8000 uvicorn --app-dir docs/examples fastapi_service:app --port 9000
"""

import os
from typing import Annotated

from fastapi import Depends, FastAPI

from authclient import Claims, LiveCheck, Verifier
from authclient.fastapi import bearer, require_permission, require_role

ISSUER = os.environ.get("AUTH_ISSUER", "http://localhost:8000")
AUDIENCE = os.environ.get("AUTH_AUDIENCE", "api")

# Offline: no request leaves this process, but a logout is noticed when the token expires.
current_claims = bearer(Verifier(ISSUER, AUDIENCE))
# With a question to the authentication service: a logout is noticed within a second.
live_claims = bearer(Verifier(ISSUER, AUDIENCE, live_check=LiveCheck(ISSUER)))

Caller = Annotated[Claims, Depends(current_claims)]
LiveCaller = Annotated[Claims, Depends(live_claims)]
Admin = Annotated[Claims, Depends(require_role(current_claims, "admin"))]
UserReader = Annotated[Claims, Depends(require_permission(current_claims, "accounts.view_user"))]

app = FastAPI()


@app.get("/public")
def public() -> dict[str, str]:
    return {"message": "Anybody may read this."}


@app.get("/me")
def me(claims: Caller) -> dict[str, str]:
    return {"user_id": str(claims.user_id), "role": claims.role}


@app.get("/live")
def live(claims: LiveCaller) -> dict[str, str]:
    return {"session_id": str(claims.session_id)}


@app.get("/admin")
def admin(claims: Admin) -> dict[str, str]:
    return {"message": f"Hello, {claims.role}."}


@app.get("/reports")
def reports(claims: UserReader) -> dict[str, list[str]]:
    return {"permissions": sorted(claims.scopes)}
