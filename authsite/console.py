"""The operators' console."""

from django.conf import settings
from django.contrib.admin import AdminSite


class ConsoleSite(AdminSite):
    """Django's admin under our name."""

    site_header = site_title = settings.PROJECT_NAME
    index_title = "Console"
    site_url = "/docs"
    enable_nav_sidebar = True
