"""The project as an app, so that its templates, files and commands are found."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class AuthsiteConfig(AppConfig):
    name = "authsite"


class ConsoleConfig(AdminConfig):
    default_site = "authsite.console.ConsoleSite"
