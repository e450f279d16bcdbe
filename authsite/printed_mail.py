"""Mail where there is no mail server: printed, for who tries the service out."""

from typing import Any

from django.core.mail.backends.console import EmailBackend as ConsoleBackend


class EmailBackend(ConsoleBackend):
    """Prints a message's text alone, in which its link or code stands once."""

    def write_message(self, message: Any) -> None:
        heading = f"To: {', '.join(message.to)}\nSubject: {message.subject}"
        self.stream.write(f"{heading}\n\n{message.body}\n{'-' * 79}\n")
