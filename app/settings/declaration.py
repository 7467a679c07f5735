"""How a setting is declared: by which names it is read, and what a list looks like."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict


class Part(BaseSettings):
    """Settings of one subject."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, case_sensitive=True, populate_by_name=False)

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource, dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The values that are handed over, alone: a source of its own would read the environment behind their back."""
        return (init_settings,)


def names(own: str, *others: str) -> AliasChoices:
    """The variable of a setting, and further ones that are read where it is not set: TiMVT's and flask-caching's."""
    return AliasChoices(own, *others)


def names_of(field: FieldInfo) -> list[str]:
    """The variables of a setting, its own first."""
    alias = field.validation_alias
    return [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [str(alias)]


def words(value: Any) -> Any:
    """The words of a comma-separated list; what is no text, as it is."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("["):  # TiMVT's lists are JSON
        text = text.strip("[]").replace('"', "").replace("'", "")
    return tuple(word.strip() for word in text.split(",") if word.strip())


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(words)]
"""A comma-separated list in the environment."""
