"""SimpleJWT's name for pruning, for schedules that call it."""

from sessions_app.management.commands.prune_sessions import Command as PruneSessions


class Command(PruneSessions):
    help = "The same as prune_sessions, under the name that SimpleJWT gives it."
