"""Zero-shot prompts: templates with the emotion's word as their only field."""

from string import Formatter


class TemplateError(ValueError):
    """A template that cannot be filled in, or that says the same of every emotion. Commands end with exit code 2."""

    exit_code = 2


def require_emotion(template: str, key: str) -> None:
    """Refuse a template without ``{emotion}``, or with any other field.

    Args:
        template: Such as "this is a sound of {emotion}".
        key: The setting that it is, for the message.

    Raises:
        TemplateError: With the key and what was found.
    """
    try:
        fields = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise TemplateError(f"{key}: {template!r} is no template ({error}); write a brace as {{{{ or }}}}") from None
    if fields != {"emotion"}:
        found = ", ".join(f"{{{name}}}" for name in sorted(fields)) or "no field"
        raise TemplateError(f"{key}: {template!r} has {found}; expected {{emotion}} and nothing else in braces")
