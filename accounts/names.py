"""Names of people, as far as this service splits them."""


def split_full_name(full_name: str) -> tuple[str, str]:
    """First and last name: the first word is the first name, the rest is the last."""
    first_name, _, last_name = full_name.strip().partition(" ")
    return first_name, last_name.strip()
