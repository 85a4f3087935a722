"""The secrets of an account at WeChat: written, kept sealed, never shown."""

from siyu.kernel.crypto import vault
from siyu.wechat.transport.contracts import PushKeys, SealedSecrets, Secrets, SettingsIncomplete


def seal_secrets(given: Secrets, kept: SealedSecrets | None) -> SealedSecrets:
    """What is given, else what was kept. Raises SettingsIncomplete."""
    secret, token, key = (
        vault().seal(new) if new else old
        for new, old in (
            (given.secret, kept.secret_sealed if kept else None),
            (given.token, kept.token_sealed if kept else None),
            (given.encoding_aes_key, kept.aes_key_sealed if kept else None),
        )
    )
    if secret is None:
        raise SettingsIncomplete(missing="secret")
    if (token is None) != (key is None):
        raise SettingsIncomplete(missing="token" if token is None else "encoding_aes_key")
    return SealedSecrets(secret_sealed=secret, token_sealed=token, aes_key_sealed=key)


def list_replaced(given: Secrets) -> list[str]:
    """The names of the secrets that are written anew, for the trail."""
    return [name for name in Secrets.__struct_fields__ if getattr(given, name)]


def open_push_keys(kept: SealedSecrets, receiver: str) -> PushKeys | None:
    """What proves and opens messages pushed to an app id or corp id; None: nothing is pushed."""
    if kept.token_sealed is None or kept.aes_key_sealed is None:
        return None
    return PushKeys(
        token=vault().open(kept.token_sealed),
        encoding_aes_key=vault().open(kept.aes_key_sealed),
        receiver=receiver,
    )
