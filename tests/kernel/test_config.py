from pathlib import Path

import pytest

from siyu.kernel.config import ConfigError, load


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "siyu.toml"
    file.write_text('port = 81\nhost = "0.0.0.0"\n')
    settings = load({"SIYU_PORT": "82", "SIYU_DATA_DIR": str(tmp_path)}, file)
    assert (settings.port, settings.host, settings.data_dir) == (82, "0.0.0.0", tmp_path)
    assert settings.media_dir == tmp_path / "media"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("prot = 81", "did you mean port"),
        ('port = "many"', "int"),
        ("port = ", "siyu.toml"),
    ],
)
def test_a_slip_is_an_error_that_says_where(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "siyu.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=reason):
        load({}, file)


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load({"SIYU_CONFIG": str(tmp_path / "absent.toml")})
