"""Configuration: `siyu.toml` (or the file `SIYU_CONFIG` names), then `SIYU_*` from the environment.

`SIYU_DATABASE_URL=postgresql://…` sets `database_url`, and so for every field. Unknown keys are an
error with the nearest known name, so that a typing slip does not become a silent default.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec


class ConfigError(Exception):
    """The configuration cannot be used; the text says which key and why."""


def default_data_dir() -> Path:
    """Where an installation keeps its data: a system folder for root, else the user's own."""
    if os.geteuid() == 0:
        return Path("/var/lib/siyu")
    return Path.home() / ".local" / "share" / "siyu"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All settings of one installation; times in seconds, sizes in the unit of the name."""

    data_dir: Path = msgspec.field(default_factory=default_data_dir)
    database_url: str | None = None
    """A served PostgreSQL for the program; None means the embedded one in `data_dir`."""
    database_owner_url: str | None = None
    """The role that owns the schemas and runs migrations; default: the same as `database_url`."""
    warehouse_url: str | None = None
    """Another database for the event warehouse; None keeps it beside everything else."""
    backup_dir: Path | None = None
    """Where `siyu backup` puts its copies, best on another disk; default `data_dir/backups`."""
    pool_size: int = 16
    host: str = "127.0.0.1"
    port: int = 8080
    web_processes: int = 1
    public_url: str = "http://127.0.0.1:8080"
    """How WeChat and browsers reach this installation; callbacks are built from it."""
    sandbox_host: str = "127.0.0.1"
    sandbox_port: int = 8090
    sandbox_url: str | None = None
    """Set (by `siyu demo`) when shops talk to the local sandbox instead of WeChat."""
    wechat_api_url: str = "https://api.weixin.qq.com"
    wechat_pay_url: str = "https://api.mch.weixin.qq.com"
    wecom_api_url: str = "https://qyapi.weixin.qq.com"
    log_level: str = "info"
    secret_key_file: Path | None = None
    """Master keys for personal data and tokens; default `data_dir/keys.json`, mode 0600."""
    max_body_kb: int = 1024
    max_upload_mb: int = 10

    @property
    def media_dir(self) -> Path:
        """Re-encoded pictures, content-addressed."""
        return self.data_dir / "media"

    @property
    def key_file(self) -> Path:
        """The file of master keys."""
        return self.secret_key_file or self.data_dir / "keys.json"


_settings: Settings | None = None


def load(environ: Mapping[str, str] | None = None, file: Path | None = None) -> Settings:
    """Read the settings; raises ConfigError with the key and the reason."""
    environ = os.environ if environ is None else environ
    path = file or Path(environ.get("SIYU_CONFIG", "siyu.toml"))
    values: dict[str, object] = {}
    if path.exists():
        try:
            values.update(tomllib.loads(path.read_text("utf-8")))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path}: {error}") from None
    elif file or "SIYU_CONFIG" in environ:
        raise ConfigError(f"{path}: no such file")
    known = Settings.__struct_fields__
    for name, text in environ.items():
        key = name.removeprefix("SIYU_").lower()
        if name.startswith("SIYU_") and key in known:
            values[key] = text
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"unknown setting {key!r}{hint}")
    try:
        return msgspec.convert(
            values, Settings, strict=False, dec_hook=lambda kind, value: kind(value)
        )
    except msgspec.ValidationError as error:
        raise ConfigError(str(error)) from None


def settings() -> Settings:
    """The settings in force; loaded at first use."""
    global _settings
    if _settings is None:
        _settings = load()
    return _settings


def use(new: Settings) -> None:
    """Put other settings in force (commands that start a demo, and tests)."""
    global _settings
    _settings = new
