"""Sites and people for the tests of sites and violations."""

from typing import Any
from uuid import UUID

from accounts.models import Membership, Site, User
from tests.client import Client


def signed_in(user: User) -> Client:
    client = Client()
    client.sign_in(user.username or "")
    return client


def make_site(name: str, *members: User) -> Site:
    site = Site.objects.create(name=name)
    for user in members:
        Membership.objects.create(site=site, user=user)
    return site


def key_of(client: Client, *scopes: str) -> Client:
    """A script that acts with these scopes of the user."""
    answer = client.post("/api-keys", {"name": "script", "scopes": list(scopes)})
    assert answer.status_code == 201, answer.content
    return Client(answer.json()["key"])


def ids(answer: Any) -> list[UUID]:
    """The ids on a page, as it orders them."""
    assert answer.status_code == 200, answer.content
    page = answer.json()
    assert set(page) == {"results", "next", "previous"}
    return [UUID(row["id"]) for row in page["results"]]


def next_page(client: Client, answer: Any) -> Any:
    return client.get("//" + answer.json()["next"].split("/", 3)[3])
