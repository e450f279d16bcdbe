"""Sites and who belongs to them."""

import unicodedata

from django.db import IntegrityError, transaction

from accounts.models import Membership, Site, User
from accounts.models.site import SEE_ALL
from security import audit
from security.audit import Kind
from security.client_info import ClientInfo
from security.errors import FieldError, NotFound, SiteExists


def create_site(*, name: str, actor: User, client: ClientInfo) -> Site:
    """A new site; who can't see every site belongs to the ones they make.

    Raises FieldError or SiteExists.
    """
    _refuse_blank(name)
    try:
        with transaction.atomic():
            site = Site.objects.create(name=name)
            audit.record(
                Kind.SITE_CREATED, actor=actor, client=client, site=str(site.pk), name=name
            )
            if not actor.has_perm(SEE_ALL):
                add_member(site=site, user=actor, actor=actor, client=client)
    except IntegrityError as error:
        raise SiteExists from error
    return site


def rename_site(*, site: Site, name: str, actor: User, client: ClientInfo) -> Site:
    """Give the site another name. Raises FieldError, SiteExists, or NotFound if it went away."""
    _refuse_blank(name)
    try:
        with transaction.atomic():
            stored = _locked(site)
            before = stored.name
            if before == name:
                return stored
            stored.name = name
            stored.save(update_fields=["name", "updated_at"])
            audit.record(
                Kind.SITE_CHANGED,
                actor=actor,
                client=client,
                site=str(site.pk),
                before={"name": before},
                after={"name": name},
            )
    except IntegrityError as error:
        raise SiteExists from error
    return stored


def delete_site(*, site: Site, actor: User, client: ClientInfo) -> None:
    """Delete the site, its violations and memberships. Raises NotFound if it went away."""
    with transaction.atomic():
        # Under the lock nobody adds a row that the deletion would miss.
        stored = _locked(site)
        _, deleted = stored.delete()
        audit.record(
            Kind.SITE_DELETED,
            actor=actor,
            client=client,
            site=str(site.pk),
            name=stored.name,
            members=deleted.get("accounts.Membership", 0),
            violations=deleted.get("accounts.Violation", 0),
        )


def add_member(*, site: Site, user: User, actor: User, client: ClientInfo) -> None:
    """Let the user see the site, if they don't yet. Raises NotFound if one of them went away."""
    try:
        with transaction.atomic():
            _, added = Membership.objects.get_or_create(site=site, user=user)
            if added:
                _record(Kind.SITE_MEMBER_ADDED, site, user, actor, client)
    except IntegrityError as error:
        raise NotFound from error


def remove_member(*, site: Site, user: User, actor: User, client: ClientInfo) -> None:
    """Hide the site from the user again. Raises NotFound for who isn't a member."""
    with transaction.atomic():
        removed, _ = Membership.objects.filter(site=site, user=user).delete()
        if not removed:
            raise NotFound
        _record(Kind.SITE_MEMBER_REMOVED, site, user, actor, client)


def _record(kind: Kind, site: Site, user: User, actor: User, client: ClientInfo) -> None:
    audit.record(kind, actor=actor, subject=user, client=client, site=str(site.pk))


def _locked(site: Site) -> Site:
    stored = Site.objects.select_for_update().filter(pk=site.pk).first()
    if stored is None:
        raise NotFound
    return stored


def _refuse_blank(name: str) -> None:
    """A name needs something to see; some blanks and marks are no white space to Python."""
    if not any(unicodedata.category(letter)[0] not in "CZ" for letter in name):
        raise FieldError(("name", "blank", "A site needs a name that can be seen."))
    if any(unicodedata.category(letter)[0] == "C" for letter in name):
        raise FieldError(("name", "invalid", "A site's name has no invisible characters."))
