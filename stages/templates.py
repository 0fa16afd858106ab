"""Zero-shot prompts: templates with the emotion's word as their only field."""

from string import Formatter

from stages.errors import SettingError


def require_emotion(template: str, key: str) -> None:
    """Refuse a template without ``{emotion}``, or with any other field.

    Args:
        template: Such as "this is a sound of {emotion}".
        key: The setting that it is, for the message.

    Raises:
        SettingError: With the key and what was found.
    """
    try:
        fields = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise SettingError(f"{key}: {template!r} is no template ({error}); write a brace as {{{{ or }}}}") from None
    if fields != {"emotion"}:
        found = ", ".join(f"{{{name}}}" for name in sorted(fields)) or "no field"
        raise SettingError(f"{key}: {template!r} has {found}; expected {{emotion}} and nothing else in braces")
