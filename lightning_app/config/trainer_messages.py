"""Lightning's messages about the machine and its packages, with what mends them."""

import re

from datamodules.errors import MissingExtra

REQUIREMENT = re.compile(r"Requirement '([\w.-]+)([^']*)' not met")
CLASS = re.compile(r"class_path '([\w.]+)'")


def trainer_mistake(message: str) -> str:
    """A message of the trainer in one line, with the option that mends it.

    >>> trainer_mistake("No supported gpu backend found!")
    'trainer.accelerator: this machine has none such; --trainer.accelerator auto takes what is there'
    """
    text = " ".join(message.split())
    if "No supported gpu backend" in text or "can not run on your system" in text:
        return "trainer.accelerator: this machine has none such; --trainer.accelerator auto takes what is there"
    if "But your machine only has" in text:
        return f"trainer.devices: {text}; --trainer.devices auto takes what is there"
    if "No `validation_step()`" in text:
        return "validate: this stage has nothing to validate; `test` evaluates it"
    return text


def missing_package(message: str) -> MissingExtra | None:
    """The error for a class of the trainer, such as a logger, whose package is not installed; None for another message.

    >>> str(missing_package("given class_path 'a.WandbLogger': Requirement 'wandb>=0.12.10' not met. HINT: ..."))
    "a.WandbLogger: the package wandb is not installed: pip install 'wandb>=0.12.10'"
    """
    needed = REQUIREMENT.findall(message)
    if not needed:
        return None
    package, versions = needed[-1]
    owner = CLASS.findall(message)
    return MissingExtra(
        f"{owner[-1] if owner else 'trainer'}: the package {package} is not installed: "
        f"pip install '{package}{versions}'"
    )
